"""postlock, postkick, newaliases and postdrop, run as commands."""

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pyfix.queue import records as rec

ROOT = Path(__file__).parent.parent.parent
USAGE = {
    "postlock": "usage: postlock [-c config_dir] [-l lock_style] [-v] folder command...",
    "postkick": "usage: postkick [-c config_dir] [-v] class service request",
}
UNKNOWN = 'postlock: fatal: unknown mailbox_delivery_lock value "foo" in "foo"\n'


@pytest.fixture
def run(tmp_path):
    queue = tmp_path / "queue"
    for name in ("maildrop", "public", "private"):
        (queue / name).mkdir(parents=True)
    settings = f"queue_directory = {queue}\ndeliver_lock_attempts = 1\nmessage_size_limit = 1000\n"
    (tmp_path / "main.cf").write_text(settings)

    def command(name, *words, stdin=b""):
        environment = {**os.environ, "MAIL_CONFIG": str(tmp_path), "PYTHONPATH": str(ROOT)}
        line = [sys.executable, "-m", f"pyfix.commands.{name}", *words]
        done = subprocess.run(line, env=environment, input=stdin, capture_output=True, check=False, timeout=50)
        return done.returncode, done.stdout, done.stderr.decode().replace(".py:", ":")

    return command


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), (75, b"", f"postlock: fatal: {USAGE['postlock']}\n")),
        (("{folder}",), (75, b"", f"postlock: fatal: {USAGE['postlock']}\n")),
        (("{folder}", "true"), (0, b"", "")),
        (("{folder}", "false"), (1, b"", "")),
        (("-l", "flock", "{folder}", "echo", "-n", "hi"), (0, b"hi", "")),
        (("-l", "foo", "{folder}", "true"), (75, b"", UNKNOWN)),
        (("{folder}", "sh", "-c", "exit 9"), (9, b"", "")),
        (("{folder}", "sh", "-c", "kill -9 $$"), (1, b"", "")),
        (("-l", "dotlock", "{folder}", "sh", "-c", "ls {folder}.lock"), (0, b"{folder}.lock\n", "")),
    ],
)  # fmt: skip
def test_postlock(run, tmp_path, words, expected):
    folder = str(tmp_path / "box")
    status, out, err = expected
    words = [word.replace("{folder}", folder) for word in words]
    assert run("postlock", *words) == (status, out.replace(b"{folder}", folder.encode()), err)
    assert not os.path.exists(folder + ".lock")


def test_postlock_waits_for_nobody_for_ever(run, tmp_path):
    with (tmp_path / "box").open("wb") as box:
        fcntl.flock(box, fcntl.LOCK_EX)
        status, out, err = run("postlock", "-l", "flock", str(tmp_path / "box"), "echo", "never")
    assert (status, out) == (75, b"")
    why = "unable to lock for exclusive access: Resource temporarily unavailable"
    assert err == f"postlock: fatal: open file {tmp_path}/box: {why}\n"


def test_postlock_says_what_stands_in_the_way(run, tmp_path):
    (tmp_path / "box.lock").touch()
    why = f"unable to create lock file {tmp_path}/box.lock: File exists"
    expected = (75, b"", f"postlock: fatal: open file {tmp_path}/box: {why}\n")
    assert run("postlock", "-l", "dotlock", str(tmp_path / "box"), "true") == expected


def test_postkick_sends_the_letters(run, tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "queue/public/pickup"))
        server.listen()
        assert run("postkick", "public", "pickup", "WI") == (0, b"", "")
        client, _ = server.accept()
        with client:
            assert client.recv(99) == b"WI\0"


def test_postkick_says_that_nobody_is_there(run):
    status, out, err = run("postkick", "public", "pickup", "W")
    assert (status, out) == (1, b"")
    assert err.splitlines() == [
        "postkick: warning: unable to look up public/pickup: No such file or directory",
        "postkick: warning: Cannot contact class public service pickup - perhaps the mail system is down",
    ]


def test_postkick_needs_three_words(run):
    assert run("postkick", "public", "pickup") == (1, b"", f"postkick: fatal: {USAGE['postkick']}\n")


def test_newaliases_rebuilds_alias_database(run, tmp_path):
    (tmp_path / "aliases").write_text("postmaster: root\n")
    with (tmp_path / "main.cf").open("a") as file:
        file.write(f"alias_database = lmdb:{tmp_path}/aliases\n")
    for name, words in (("newaliases", ()), ("sendmail", ("-bi",)), ("sendmail", ("-I",))):
        assert run(name, *words) == (0, b"", "")
        (tmp_path / "aliases.lmdb").unlink()


def test_newaliases_without_tables_does_nothing(run, tmp_path):
    with (tmp_path / "main.cf").open("a") as file:
        file.write("alias_database =\n")
    assert run("newaliases") == (0, b"", "")


GOOD = b"S\1sR\1rM\0N\4textX\0E\0"


def answer(out):
    words = out.decode().split("\0")
    assert words[:3] == ["protocol", "postdrop_protocol", "queue_id"]
    return words[3], words[5:]


def test_postdrop_says_where_it_is_and_how_it_went(run, tmp_path):
    status, out, err = run("postdrop", stdin=GOOD)
    queue_id, rest = answer(out)
    assert (status, rest) == (0, ["status", "0", "reason", "", "", ""])
    assert err == "postdrop: warning: unable to look up public/pickup: No such file or directory\n"
    path = tmp_path / "queue/maildrop" / queue_id
    assert path.stat().st_mode & 0o777 == 0o744
    kinds = b"".join(kind for _, kind, _ in rec.iterate(path.read_bytes()))
    assert kinds == b"TSRMNXE"


@pytest.mark.parametrize(
    ("stdin", "status", "rest", "words"),
    [
        (b"", 0, [""], ""),
        (GOOD[:-2], 0, [""], ""),
        (GOOD.replace(b"R\1r", b""), 1, ["status", "1", "reason", "", "", ""], ""),
        (b"D\1x", 1, [""], "postdrop: fatal: uid={uid}: unexpected record type: 68\n"),
        (
            GOOD.replace(b"N\4text", b"N\x80\x10" + b"x" * 2048), 4,
            ["status", "4", "reason", "message file too big", "", ""],
            "postdrop: warning: uid={uid}: message file too big\n",
        ),
    ],
    ids=["nothing", "no end", "no recipient", "bad record", "too big"],
)  # fmt: skip
def test_postdrop_leaves_nothing_of_what_it_does_not_take(run, tmp_path, stdin, status, rest, words):
    found, out, err = run("postdrop", stdin=stdin)
    assert (found, answer(out)[1], err) == (status, rest, words.replace("{uid}", str(os.getuid())))
    assert os.listdir(tmp_path / "queue/maildrop") == []
