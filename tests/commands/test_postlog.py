"""postlog: what Postfix 3.11.7 was seen to say; lines go to standard error too, be that a terminal or not."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import terminal


@pytest.mark.parametrize(
    ("main_cf", "words", "shown"),
    [
        ("", ["hello"], "postfix/postlog: hello\n"),
        ("", ["-t", "mytag", "-p", "warn", "a", "b"], "postfix/postlog: warning: a b\n"),
        ("syslog_name = foo\n", ["-t", "mytag", "hello"], "foo/postlog: hello\n"),
        ("smtputf8_enable = yes\n", ["hü €"], "postfix/postlog: hü €\n"),
        ("smtputf8_enable = no\n", ["hü €"], "postfix/postlog: h?? ???\n"),
    ],
)
def test_standard_error_has_the_lines_under_the_commands_own_name(
    tmp_path: Path, main_cf: str, words: list[str], shown: str
) -> None:
    log = f"maillog_file = {tmp_path}/log\nmaillog_file_prefixes = {tmp_path}\nqueue_directory = {tmp_path}\n"
    (tmp_path / "main.cf").write_text(log + main_cf)
    command = [sys.executable, "-m", "pyfix.commands.postlog", "-c", str(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", shown)
    tag = words[1] if words[0] == "-t" else "postfix/postlog"
    assert f" {tag}[" in (tmp_path / "log").read_text()


ROOT = Path(__file__).parent.parent.parent


def on_terminal(command: list[str], **environment: str) -> tuple[int, str]:
    """Exit status, and what the terminal shows of standard error."""
    ours, theirs = pty.openpty()
    more = {"PATH": os.environ["PATH"], **environment}
    done = subprocess.run(command, env=more, stdin=subprocess.DEVNULL, stderr=theirs, check=False, timeout=30)
    os.close(theirs)
    return done.returncode, terminal.shown(ours)


def test_terminal_and_log_file_have_the_lines_under_the_tag_as_in_postfix(real_postfix):
    peer = real_postfix(start=False)
    ours = [sys.executable, "-m", "pyfix.commands.postlog"]
    where = {"MAIL_CONFIG": str(peer.config), "PYTHONPATH": str(ROOT)}
    tagged = ["-t", "mytag", "-p"]
    for words in (["hello"], [*tagged, "warn", "a"], [*tagged, "fatal", "a"], ["-p", "no", "a"]):
        assert on_terminal([*ours, *words], **where) == on_terminal(["/usr/sbin/postlog", *words], **where)
    lines = [line.partition(" peer ")[2].partition("[") for line in peer.log().splitlines()]
    told = [(tag, text.partition("]")[2]) for tag, _, text in lines]
    assert len(told) == 6
    assert told[0::2] == told[1::2]


@pytest.mark.parametrize(("name", "words"), [("postlog", ["hello"]), ("postfix", ["stop"])])
def test_queue_may_lie_deeper_than_the_address_of_a_socket_is_long(tmp_path: Path, name: str, words: list[str]) -> None:
    queue = tmp_path / ("q" * 100)
    queue.mkdir()
    log = f"maillog_file = {tmp_path}/log\nmaillog_file_prefixes = {tmp_path}\nqueue_directory = {queue}\n"
    (tmp_path / "main.cf").write_text(log)
    command = [sys.executable, "-m", f"pyfix.commands.{name}", "-c", str(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].partition(": ")[2] in (tmp_path / "log").read_text()


def test_log_file_that_cannot_be_written_while_the_system_is_down_is_fatal(tmp_path: Path) -> None:
    log = f"maillog_file = {tmp_path}/log\nmaillog_file_prefixes = {tmp_path}\nqueue_directory = {tmp_path}\n"
    (tmp_path / "main.cf").write_text(log)
    command = [sys.executable, "-m", "pyfix.commands.postlog", "-c", str(tmp_path), "hello"]
    (tmp_path / "log").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    why = f"fatal: open logfile '{tmp_path}/log': cannot open file: Is a directory"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"postfix/postlog: {why}\n")
    (tmp_path / "log").rmdir()
    (tmp_path / "main.cf").write_text(log.replace("/log\n", "/none/log\n"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    why = f"fatal: open logfile '{tmp_path}/none/log': cannot create file exclusively: No such file or directory"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"postfix/postlog: {why}\n")
