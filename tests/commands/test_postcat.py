"""postcat: the real one's output, byte for byte."""

import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyfix.commands import postcat
from pyfix.queue import records as rec
from tests.queue.build import TIME, file_bytes, message, put, spool

GOLDEN = Path(__file__).parent.parent / "golden/queue"
REAL = shutil.which("postcat", path="/usr/sbin")
SENDER = rec.encode(rec.FROM, b"s@x")
TEXT = rec.encode_text([b"Subject: x", b"\tmore", b"", b"body"])
MAIN = b"M\0" + TEXT + b"X\0E\0"
WHOLE = message()


class Output(io.TextIOWrapper):
    """A standard stream that keeps what is written."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO())

    def close(self) -> None:
        pass


@pytest.fixture
def run(monkeypatch):
    """(status, output, error lines without the command's name) of a command line."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    def call(*words):
        out, err = Output(), io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        try:
            status = postcat.main(["postcat", *map(str, words)])
        except SystemExit as end:
            status = end.code
        return status, out.buffer.getvalue(), [line.partition(": ")[2] for line in err.getvalue().splitlines()]

    yield call
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("option", ["", "-v", "-o"])
@pytest.mark.parametrize("name", ["8831120C0F4", "8895A20C12F", "9228220C185"])
def test_files_of_real_postfix_are_shown_as_it_shows_them(run, monkeypatch, name, option):
    monkeypatch.chdir(GOLDEN)
    words = [option, name] if option else [name]
    assert run(*words) == (0, (GOLDEN / f"{name}.postcat{option}").read_bytes(), [])


ODD = {
    "whole": WHOLE,
    "empty": b"",
    "no queue file": b"hello world",
    "cut": WHOLE[:-30],
    "cut in the first record": WHOLE[:50],
    "two size records": rec.size_record(30, 150) * 2 + TIME + MAIN,
    "bad size record": rec.encode(rec.SIZE, b"12x") + TIME + MAIN,
    "bad attributes": TIME + b"".join(rec.encode(rec.ATTR, data) for data in (b"", b"a", b"=b", b" a = b ")) + MAIN,
    "bad times": TIME + b"".join(rec.encode(k, d) for k in (b"T", b"W") for d in (b"", b"-5", b"1x", b"x")) + MAIN,
    "extracted before content": TIME + b"X\0" + MAIN[:-4] + b"E\0",
    "two contents": TIME + MAIN[:-4] + MAIN,
    "pieces of text": TIME + b"M\0N\x04A: bN\0L\x04long/\x01xL\x02l2N\x01nL\x02l3X\0E\0",
    "padding and pointers": TIME + b"w\x02xx" + rec.pointer_record(19 + 4 + 17 + 5) + SENDER + SENDER + MAIN,
    "pointer that leads nowhere": TIME + rec.pointer_record(5000) + MAIN,
    "bad pointer": TIME + rec.encode(rec.PTR, b"zz") + MAIN,
    "unknown types": TIME + rec.encode(b"Z", b"what\0ever") + MAIN,
    "records after the content": file_bytes(TIME, SENDER, extracted=rec.attribute("message_id", "<m@x>")),
}
LETTERS = ("-v", "-b", "-h", "-e", "-bh", "-eb", "-eh", "-o", "-do", "-rv")
OPTIONS = [(), *((letters,) for letters in LETTERS), ("-s", "19")]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """What the real one makes of each file with each option; all at once, since it sleeps before it fails."""
    if REAL is None:
        pytest.skip("postcat (Postfix) is not installed")
    top = tmp_path_factory.mktemp("postcat")
    (top / "main.cf").write_text("inet_protocols = ipv4\n")
    environment = {**os.environ, "MAIL_CONFIG": str(top), "TZ": "UTC"}
    running = {}
    for number, (name, data) in enumerate(ODD.items()):
        path = top / str(number)
        path.write_bytes(data)
        for options in OPTIONS:
            line = [REAL, *options, path]
            started = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            running[name, options] = (path, started)
    return {key: (path, *_result(started)) for key, (path, started) in running.items()}


def _result(started):
    output, errors = started.communicate(timeout=30)
    lines = [line.partition(": ")[2] for line in errors.decode().splitlines()]
    return started.returncode, output, [line for line in lines if line.startswith(("warning: ", "fatal: "))]


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_shown_as_the_real_one_shows_them(run, real, name):
    for options in OPTIONS:
        path, *expected = real[name, options]
        assert run(*options, path) == tuple(expected), options


def test_each_line_may_begin_with_the_file_name(run, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(WHOLE)
    _, plain, _ = run(path)
    _, named, _ = run("-f", path)
    assert named == b"".join(b"%s: %s\n" % (os.fsencode(path), line) for line in plain.splitlines())


def test_standard_input_may_be_a_pipe(run, monkeypatch):
    class Input:
        buffer = io.BytesIO(WHOLE)

    monkeypatch.setattr(sys, "stdin", Input())
    status, output, errors = run()
    assert (status, errors) == (0, [])
    assert output.startswith(b"*** ENVELOPE RECORDS stdin ***\n")
    assert output.endswith(b"*** MESSAGE FILE END stdin ***\n")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nofile"], "fatal: open nofile: No such file or directory"),
        (["-s", "x", "nofile"], "fatal: bad offset: x"),
        (["-s"], "option requires an argument -- 's'"),
        (["-Z"], "invalid option -- 'Z'"),
        (["-c", "/nonexistent", "-q", "ABC"], "fatal: open /nonexistent/main.cf: No such file or directory"),
    ],
)
def test_mistakes_end_with_status_1(run, words, text):
    status, output, errors = run(*words)
    assert (status, output, errors[0]) == (1, b"", text)


def test_ids_are_looked_for_in_all_queues(run, tmp_path):
    queue = spool(tmp_path)
    (tmp_path / "main.cf").write_text(f"queue_directory = {tmp_path}\n")
    before = os.getcwd()
    try:
        for name in ("hold", "deferred", "maildrop"):
            queue_id = put(queue, name, WHOLE)
            status, output, _ = run("-c", tmp_path, "-q", queue_id)
            place = queue.path(name, queue_id).removeprefix(f"{tmp_path}/")
            assert status == 0
            assert output.startswith(b"*** ENVELOPE RECORDS %s ***\n" % place.encode())
        missing = "fatal: open queue file ABCDEF: No such file or directory"
        assert run("-c", tmp_path, "-q", "ABCDEF") == (1, b"", [missing])
        assert run("-c", tmp_path, "-q", "a.b") == (1, b"", ["fatal: bad mail queue ID: a.b"])
    finally:
        os.chdir(before)
