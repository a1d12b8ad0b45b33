"""A disk that is full or broken in the middle of a batch: who had bad luck is told, the others have their 250.

Real daemons in one process (suite.py), over SMTP and over the postdrop service; functions of `os` fail, write less than
they were asked for, for the files of some messages. Which file is which message's is seen in what is written.
"""

import asyncio
import contextlib
import errno
import gc
import os
import re
import sys

import pytest

from pyfix.queue import records as rec
from pyfix.queue import system
from pyfix.queue.file import content_bytes, read_envelope
from tests.crash.suite import Suite, enter

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # daemons end in the middle of what they do
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NUMBER = re.compile(rb"number (\d+)")
COUNT = 12
UNLUCKY = {3, 4, 8}
PATCHED = ("write", "pwrite", "fchmod", "fsync", "unlink", "close")


class Faults:
    """numbers: whose files are in trouble; does: name of a function -> error number, or a limit for what it writes."""

    def __init__(self, patch, numbers, does):
        self.numbers, self.does = numbers, does
        self.happened = 0
        self._number_of = {}
        for name in PATCHED:
            patch.setattr(os, name, self._failing(name, getattr(os, name)))
        patch.setattr("pyfix.unix.fsync.kernel", lambda _: None)
        real = self._failing("write_data", system.write_data)
        for module in list(sys.modules.values()):
            if getattr(module, "write_data", None) is system.write_data and module is not system:
                patch.setattr(module, "write_data", real)

    def _failing(self, name, real):
        def call(first, *more):
            if name in {"write", "pwrite"} and (found := NUMBER.search(more[0])):
                self._number_of[self._file(first)] = int(found[1])
            fault = self.does.get(name)
            if fault is None or self._number_of.get(self._file(first)) not in self.numbers:
                return real(first, *more)
            self.happened += 1
            if name in {"write", "pwrite"} and fault < 0:
                return real(first, more[0][:-fault], *more[1:])
            raise OSError(fault, os.strerror(fault))

        return call

    def _file(self, which):
        with contextlib.suppress(OSError):
            status = os.fstat(which) if isinstance(which, int) else os.stat(which)
            return status.st_dev, status.st_ino
        return None


def text(number, lines):
    return b"Subject: number %d\r\n\r\n" % number + b"a line of number %d\r\n" % number * lines


class Client:
    """One SMTP session up to the last line but one."""

    def __init__(self, port, number, lines):
        self.port, self.number, self.lines = port, number, lines

    async def begin(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        await self.reader.readline()
        for command in (b"HELO x", b"MAIL FROM:<s@v.test>", b"RCPT TO:<a@v.test>", b"DATA"):
            self.writer.write(command + b"\r\n")
            code = await self.reader.readline()
            assert code[:1] in b"23", code
        self.writer.write(text(self.number, self.lines))
        await self.writer.drain()

    async def end(self):
        """The reply to the final dot."""
        self.writer.write(b".\r\n")
        reply = (await self.reader.readline()).decode().strip()
        self.writer.close()
        return reply


def run(main):
    async def running():
        suite = Suite()
        async with suite.running():
            return await main(suite)

    return asyncio.run(running())


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    enter(monkeypatch, tmp_path)
    yield
    gc.collect()


def batch(patch, does, numbers=frozenset(UNLUCKY), lines=3):
    """Replies by number."""

    async def main(suite):
        port = await suite.smtp()
        clients = [Client(port, number, lines) for number in range(COUNT)]
        await asyncio.gather(*[client.begin() for client in clients])
        with patch.context() as during:
            faults = Faults(during, numbers, does)
            replies = await asyncio.wait_for(asyncio.gather(*[client.end() for client in clients]), 20)
        assert faults.happened >= len(numbers), "nothing went wrong"
        return dict(enumerate(replies))

    return run(main)


def check_queue(replies, lines=3):
    """What is in incoming is what was taken, whole."""
    taken = {reply.rpartition(" ")[2]: number for number, reply in replies.items() if reply.startswith("250 ")}
    assert sorted(os.listdir("incoming")) == sorted(taken)
    for queue_id, number in taken.items():
        path = f"incoming/{queue_id}"
        assert os.stat(path).st_mode & 0o777 == 0o700
        fd = os.open(path, os.O_RDONLY)
        envelope = read_envelope(fd)
        content = content_bytes(fd, envelope.content_offset)
        os.close(fd)
        assert content.count(b"a line of number %d\n" % number) == lines
        assert content.endswith(b"a line of number %d\n" % number)


@pytest.mark.parametrize(
    "does",
    [
        {"write": errno.ENOSPC},
        {"write": errno.EDQUOT},
        {"write": errno.EIO},
        {"write_data": errno.EIO},
        {"fchmod": errno.EIO},
        {"fsync": errno.EIO},
        {"fsync": errno.ENOSPC},
        {"fsync": errno.EIO, "close": errno.EIO},
    ],
    ids=str,
)
def test_who_has_bad_luck_is_told_and_the_others_are_taken(monkeypatch, does):
    replies = batch(monkeypatch, does)
    refused = {number for number, reply in replies.items() if reply == "451 4.3.0 Error: queue file write error"}
    assert refused == UNLUCKY
    check_queue(replies)


def test_long_messages_with_bad_luck_are_told_too(monkeypatch):
    replies = batch(monkeypatch, {"write_data": errno.EIO}, lines=40000)
    refused = {number for number, reply in replies.items() if reply == "451 4.3.0 Error: queue file write error"}
    assert refused == UNLUCKY
    check_queue(replies, 40000)


@pytest.mark.parametrize("lines", [3, 80000], ids=["one write", "several"])
def test_short_writes_are_completed(monkeypatch, lines):
    replies = batch(monkeypatch, {"write": -1000, "pwrite": -5}, lines=lines)
    assert all(reply.startswith("250 ") for reply in replies.values()), replies
    check_queue(replies, lines)


def test_what_can_not_be_removed_is_no_message_and_hinders_nobody(monkeypatch):
    replies = batch(monkeypatch, {"fsync": errno.EIO, "unlink": errno.EROFS})
    assert {number for number, reply in replies.items() if reply.startswith("451 ")} == UNLUCKY
    ready = [name for name in os.listdir("incoming") if os.stat(f"incoming/{name}").st_mode & 0o700 == 0o700]
    assert len(ready) == COUNT - len(UNLUCKY)


def test_an_error_of_close_after_fsync_changes_nothing(monkeypatch):
    replies = batch(monkeypatch, {"close": errno.EIO})
    assert all(reply.startswith("250 ") for reply in replies.values()), replies
    check_queue(replies)


async def hand_in(number, begun):
    """A submission to the postdrop service; the verdict, and the id that it was promised."""
    reader, writer = await asyncio.open_unix_connection("public/postdrop")
    greeting = await reader.readuntil(b"\0\0")
    await begun.wait()
    lines = text(number, 3).replace(b"\r\n", b"\n").splitlines()
    head = rec.encode(rec.FROM, b"s@v.test") + rec.encode(rec.RCPT, b"a@v.test") + rec.encode(rec.MESG)
    writer.write(head + rec.encode_text(lines) + rec.encode(rec.XTRA) + rec.encode(rec.END))
    verdict = await reader.readuntil(b"\0\0")
    writer.close()
    return verdict.split(b"\0")[1], greeting.split(b"\0")[3].decode()


@pytest.mark.parametrize(
    "does",
    [
        {"write": errno.ENOSPC},
        {"write_data": errno.EIO},
        {"fsync": errno.EIO},
        {"fsync": errno.EIO, "unlink": errno.EROFS},
    ],
    ids=str,
)
def test_the_postdrop_service_tells_who_has_bad_luck(monkeypatch, does):
    async def main(_):
        begun = asyncio.Event()
        tasks = [asyncio.ensure_future(hand_in(number, begun)) for number in range(COUNT)]
        await asyncio.sleep(0)
        with monkeypatch.context() as during:
            faults = Faults(during, UNLUCKY, does)
            begun.set()
            verdicts = await asyncio.wait_for(asyncio.gather(*tasks), 20)
        assert faults.happened >= len(UNLUCKY), "nothing went wrong"
        return verdicts

    verdicts = run(main)
    assert {number for number, (status, _) in enumerate(verdicts) if status != b"0"} == UNLUCKY
    ready = {name for name in os.listdir("maildrop") if os.stat(f"maildrop/{name}").st_mode & 0o700 == 0o700}
    assert ready == {queue_id for status, queue_id in verdicts if status == b"0"}
    assert "unlink" in does or set(os.listdir("maildrop")) == ready
