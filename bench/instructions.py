"""instructions - what a message of 4 kB costs a daemon in process, as valgrind counts it

usage: python -m bench.instructions smtpd|cleanup|qmgr|discard|virtual [--messages N] [--calls]

One daemon's code runs against doubles of all around it, so that the figure is the same each time whatever
else the machine does. The doubles' share is in it, the kernel's is not. --calls: the calls of a
message instead, by function.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from bench.source import text
from pyfix.cleanup.daemon import Cleanup
from pyfix.clients import cleanup as service
from pyfix.clients.deliver import NORMAL, Answer, Request, Stats
from pyfix.clients.rewrite import CLASS_DEFAULT, Completed, Resolved
from pyfix.clients.rewrite_client import RewriteClient
from pyfix.clients.stream import Connection
from pyfix.clients.trigger import Words
from pyfix.config.main_cf import MainCf
from pyfix.delivery.discard import Discard
from pyfix.delivery.virtual.daemon import Virtual
from pyfix.qmgr.agents import Agent
from pyfix.qmgr.daemon import Qmgr
from pyfix.queue.file import Recipient, read_envelope
from pyfix.queue.records import RCPT
from pyfix.queue.usual import split_file
from pyfix.server import eager
from pyfix.server.context import Context
from pyfix.server.daemon import GC_THRESHOLDS
from pyfix.server.stream import Link
from pyfix.smtpd.connection import Watch
from pyfix.smtpd.daemon import Smtpd
from pyfix.unix import msg
from pyfix.unix.as_user import become, can_switch
from pyfix.unix.hangup import hangup_of
from pyfix.unix.maillog_client import Frame, Postlog
from pyfix.wire.stream import FrameReader, encode_frame

BATCH = 4
"""Messages that are in one daemon at a time."""
SETTINGS = """
compatibility_level = 3.6
myhostname = bench.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
smtpd_peername_lookup = no
maillog_file = /dev/stdout
virtual_mailbox_base = {mail}
virtual_mailbox_maps = static:user/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
"""
MAILBOXES = 5000
"""Whose the mailboxes are."""
HEAD = b"Date: Thu, 26 Nov 2026 05:31:27 +0000 (UTC)\r\nMessage-Id: <6c67.0003.%04d@vm>\r\n\r\n"
FUTURE = 1 << 32
"""A time from which on every delay is 0, however long the run takes."""
DIALOG = (b"HELO vm\r\n", b"MAIL FROM:<sender@example.com>\r\n", b"RCPT TO:<user@example.org>\r\n", b"DATA\r\n")


class Bench(Protocol):
    """A daemon and its doubles."""

    def message(self) -> None:
        """Take BATCH messages."""


def opened(thing: object) -> Any:
    """The same without its type: parts of it are replaced by doubles, which are less than those."""
    return thing


class Loop:
    """As much of an event loop as is used where nothing waits."""

    def __init__(self) -> None:
        self.soon: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._later: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self.poller = Poll(self)
        asyncio._set_running_loop(opened(self))

    def get_debug(self) -> bool:
        return False

    def call_soon(self, call: Callable[..., object], *args: Any, context: object = None) -> None:
        del context
        self.soon.append((call, args))

    def call_later(self, _: float, call: Callable[..., object], *args: Any) -> None:
        self._later.append((call, args))

    def time(self) -> float:
        return time.monotonic()

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=opened(self))

    def turn(self) -> None:
        """Until nothing is left to do."""
        while self.soon:
            call, args = self.soon.popleft()
            call(*args)

    def forget(self) -> None:
        """Do nothing of what was to be done later."""
        self._later.clear()

    def tick(self) -> None:
        """What was to be done later."""
        later, self._later = self._later, []
        for call, args in later:
            call(*args)


class Out:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False


class Client:
    """A client's socket."""

    def __init__(self) -> None:
        self.data = b""
        self.read: Callable[[], None]

    def fileno(self) -> int:
        return 9

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 25)

    def recv(self, _: int) -> bytes:
        return self.data

    def send(self, data: bytes) -> int:
        return len(data)

    def close(self) -> None:
        pass


class Poll:
    """In place of the loop's Poller."""

    def __init__(self, loop: Loop) -> None:
        self.after = loop.call_soon
        self.read: Callable[[], None]

    def add(self, _: int, read: Callable[[], None]) -> None:
        self.read = read

    def forget(self, _: int) -> None:
        pass


class SmtpdBench:
    """smtpd with clients that send one message each, and a cleanup that takes them."""

    def __init__(self, loop: Any, main: MainCf) -> None:
        self._loop = loop
        self._smtpd = opened(Smtpd(Context("smtp", "smtpd", main)))
        self._smtpd._loop = loop
        self._smtpd._watch = Watch(loop)
        self._out = Out()
        self._connection = opened(Connection("public/cleanup"))
        self._connection.connection_made(self._out)
        self._smtpd.site.cleanup._channel._connection = self._connection
        self._rewrite = RewriteClient()
        self._smtpd.site.rewrite = Completed(self._rewrite)
        self._ids = 0
        self._port = 30000
        self.bodies: list[bytes] = []
        self.keep = False
        self._text = [(text(4096).replace(b"Subject: load\r\n\r\n", HEAD % n)) for n in range(BATCH)]

    def message(self) -> None:
        for address in ("sender@example.com", "user@example.org"):
            self._rewrite._resolved.put((address,), Resolved("discard", "bench", address, CLASS_DEFAULT))
        for _ in range(BATCH):
            self._one()
        self._loop.tick()

    def _one(self) -> None:
        client = Client()
        self._port = self._port + 1 if self._port < 60000 else 30000
        self._smtpd.take(client, ("127.0.0.1", self._port), self._over)
        read = self._loop.poller.read
        for line in DIALOG:
            client.data = line
            read()
            if self._out.written or self._loop.soon:
                self._answer()
        client.data = self._text[self._ids % BATCH]
        read()
        self._answer()
        client.data = b"QUIT\r\n"
        read()

    def _over(self, error: BaseException | None) -> None:
        assert error is None, error

    def _answer(self) -> None:
        self._loop.turn()
        data = b"".join(self._out.written)
        self._out.written.clear()
        if self.keep:
            self.bodies.append(data)
        answers = []
        at = 0
        while at < len(data):
            stream, attrs, body = (int.from_bytes(data[at + n : at + n + 4], "big") for n in (0, 4, 8))
            at += 12 + attrs + body
            self._ids += 1
            queue_id = f"{self._ids % 1000000:05X}123456"
            answer = service.accepted_and_next(queue_id) if body else service.OPENED.encode(queue_id)
            answers.append(encode_frame(stream, answer))
        self._connection.data_received(b"".join(answers))


class CleanupBench:
    """cleanup with an smtpd that has four messages at a time."""

    def __init__(self, loop: Loop, main: MainCf, bodies: list[bytes]) -> None:
        self._loop = loop
        for name in ("incoming", "hold"):
            os.mkdir(name)
        self._cleanup = opened(Cleanup(Context("cleanup", "cleanup", main)))
        eager.start(self._cleanup.start())
        self._cleanup._qmgr._sock = self
        self._out = Out()
        self._ends = socket.socketpair()
        self._link = opened(Link(self._cleanup._server, self._ends[0]))
        self._link.connection_made(self._out)
        self._reader = FrameReader()
        self._templates = [self._template(body) for body in bodies]
        self.files: list[tuple[bytes, bytes]] = []
        self.keep = False
        self._port = 30000
        self._open = self._ask(BATCH)

    def send(self, words: bytes) -> int:
        """(As qmgr's socket.)"""
        return len(words)

    def _template(self, data: bytes) -> tuple[bytes, list[bytes]]:
        (_, attrs, body), *_ = FrameReader().receive(data)
        queue_id, *_ = re.findall(rb"log_ident=([0-9A-F]{11})", body)
        port, *_ = re.findall(rb"client_port=([0-9]{5})", body)
        return attrs, body.replace(port, b"@@@@@").split(queue_id)

    def _ask(self, count: int) -> list[tuple[int, bytes]]:
        request = service.open_request(service.FLAG_MASK_EXTERNAL | service.FLAG_SMTP_REPLY)
        self._link.data_received(b"".join([encode_frame(stream, request) for stream in range(1, count + 1)]))
        return self._opened()

    def _opened(self) -> list[tuple[int, bytes]]:
        self._loop.turn()
        frames = self._reader.receive(b"".join(self._out.written))
        self._out.written.clear()
        return [(stream, attrs[-13:-2]) for stream, attrs, _ in frames if b"queue_id\0" in attrs]

    def message(self) -> None:
        frames = []
        for number, (stream, queue_id) in enumerate(self._open):
            attrs, parts = self._templates[number]
            self._port = self._port + 1 if self._port < 60000 else 30000
            body = queue_id.join(parts).replace(b"@@@@@", b"%d" % self._port)
            frames.append(encode_frame(stream, attrs, body))
        self._link.data_received(b"".join(frames))
        now = self._open
        self._open = self._opened()
        assert len(self._open) == BATCH
        for _, queue_id in now:
            path = b"incoming/" + queue_id
            if self.keep:
                with open(path, "rb") as file:
                    self.files.append((queue_id, file.read()))
            os.unlink(path)
        self._loop.tick()


class QmgrBench:
    """qmgr, four messages at a time, with a cleanup that names its files and an agent that delivers them."""

    def __init__(self, loop: Loop, main: MainCf, files: list[tuple[bytes, bytes]]) -> None:
        self._loop = loop
        for name in ("active", "deferred"):
            os.mkdir(name)
        self._rewrite = RewriteClient()
        self._qmgr = opened(Qmgr(Context("qmgr", "qmgr", main), self._rewrite))
        eager.start(self._qmgr.start())
        loop.turn()
        loop.forget()
        self._out = Out()
        self._connection = opened(Connection("private/discard"))
        self._connection.connection_made(self._out)
        self._qmgr._deliveries.transport("discard").agents._agents.append(Agent(self._connection, 100))
        self._messages = [self._file(*about) for about in files]
        self._words = Words()
        self._known = Resolved("discard", "bench", "user@example.org", CLASS_DEFAULT)
        self._ids = 0

    def _file(self, queue_id: bytes, data: bytes) -> tuple[bytes, bytes, bytes]:
        """A file, and what stands before and behind its content; @ for id and port, which differ each time."""
        path = b"file." + queue_id
        with open(path, "wb") as file:
            file.write(data)
        head, tail = split_file(data)
        head = re.sub(rb"(client_port=)[0-9]{5}", rb"\1@@@@@", head)
        return path, head.replace(b"log_ident=" + queue_id, b"log_ident=@@@@@123456"), tail

    def message(self) -> None:
        self._rewrite._resolved.put((self._known.recipient,), self._known)
        words = b""
        for path, head, tail in self._messages:
            self._ids += 1
            number = b"%05d" % self._ids
            os.link(path, b"incoming/%b123456" % number)
            words += b"<%b123456 %d %d>%b%b" % (number, len(head), len(tail), head.replace(b"@@@@@", number), tail)
        _, files = self._words.receive(words)
        self._qmgr.named(files)
        self._loop.turn()
        requests = FrameReader().receive(b"".join(self._out.written))
        assert len(requests) == len(files)
        self._out.written.clear()
        self._connection.data_received(b"".join([encode_frame(stream, Answer().encode()) for stream, *_ in requests]))
        self._loop.turn()
        assert not self._qmgr._active.messages
        self._loop.tick()


class DiscardBench:
    """discard with a qmgr that asks for four messages at a time, whose files it has."""

    def __init__(self, loop: Loop, main: MainCf) -> None:
        self._loop = loop
        os.mkdir("active")
        self._out = Out()
        self._ends = socket.socketpair()
        self._link = opened(Link(Discard(Context("discard", "discard", main))._server, self._ends[0]))
        self._link.connection_made(self._out)
        self._stream = 0
        self._files = []
        self._requests = []
        for number in range(BATCH):
            queue_id = f"{number:05X}123456"
            self._files.append(os.open(f"active/{queue_id}", os.O_RDWR | os.O_CREAT))
            times = Stats(FUTURE, FUTURE)
            recipient = Recipient(0, "user@example.org", "user@example.org", "rfc822;user@example.org", 0)
            about = (queue_id, 0, 4096, "bench", "sender@example.com", "", "30000", queue_id, times, [recipient])
            who = ("vm", "127.0.0.1", "SMTP", "vm", "", "", "", "local")
            self._requests.append(Request(*about, "active", NORMAL, "", 0, 0, *who).encode())

    def message(self) -> None:
        frames = []
        for fd, (attrs, body) in zip(self._files, self._requests, strict=True):
            os.pwrite(fd, RCPT, 0)
            self._stream += 1
            frames.append(encode_frame(self._stream, attrs, body))
        self._link.data_received(b"".join(frames))
        self._loop.turn()
        assert self._out.written
        self._out.written.clear()
        self._loop.tick()


class VirtualBench:
    """virtual with a qmgr that asks for four messages at a time, for one maildir."""

    def __init__(self, main: MainCf, files: list[tuple[bytes, bytes]]) -> None:
        self._virtual = opened(Virtual(Context("virtual", "virtual", main)))
        owner, _ = self._virtual._owner
        os.chmod(".", 0o711)
        for name, uid in (("active", owner), ("mail", MAILBOXES)):
            os.mkdir(name)
            if can_switch():
                os.chown(name, uid, -1)
        self._stream = 0
        self._files = []
        self._requests = []
        self._ends = socket.socketpair()
        become(*self._virtual._owner)
        for queue_id, data in files:
            fd = os.open(b"active/" + queue_id, os.O_RDWR | os.O_CREAT)
            os.write(fd, data)
            envelope = read_envelope(fd)
            (recipient,) = envelope.recipients
            self._files.append((fd, recipient.offset))
            log_ident, port, *client = envelope.handed_on()
            what = (queue_id.decode(), envelope.content_offset, envelope.content_len, "bench", envelope.sender, "")
            when = Stats(FUTURE, FUTURE)
            about = (*what, port, log_ident, when, envelope.recipients, "active", NORMAL, "", 0, 0)
            self._requests.append(opened(Request)(*about, *client).encode())

    def message(self) -> None:
        frames = []
        for (fd, offset), (attrs, body) in zip(self._files, self._requests, strict=True):
            os.pwrite(fd, RCPT, offset)
            self._stream += 1
            frames.append((self._stream, attrs, body))
        answers = self._virtual.answers(frames, hangup_of(self._ends[0]))
        assert answers == [encode_frame(stream, Answer().encode()) for stream, *_ in frames]


def drive(daemon: str, messages: int, *, calls: bool) -> None:
    """Take that many messages."""
    gc.set_threshold(*GC_THRESHOLDS)
    loop = Loop()
    with tempfile.TemporaryDirectory() as top, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as postlogd:
        os.chdir(top)
        postlogd.bind("log")
        postlogd.setblocking(False)
        log = Postlog("log", Frame("postfix/bench", "bench"), lambda: print, stamps=True)
        log.collect(loop)
        msg.to(log)
        bench = prepared(daemon, loop)
        bench.message()
        if calls:
            found: Counter[str] = Counter()
            sys.setprofile(partial(note, found))
        for _ in range(messages // BATCH):
            bench.message()
            with contextlib.suppress(BlockingIOError):
                while postlogd.recv(65536):
                    pass
        sys.setprofile(None)
        become(0, 0)
        os.chdir("/")
    if calls:
        show(found, messages)


def prepared(daemon: str, loop: Loop) -> Bench:
    """The daemon, with all around it; cleanup is given what smtpd sends, qmgr and virtual what cleanup writes."""
    main = MainCf.from_text(SETTINGS.format(mail=f"{os.getcwd()}/mail", uid=MAILBOXES))
    if daemon == "discard":
        return DiscardBench(loop, main)
    smtpd = SmtpdBench(loop, main)
    if daemon == "smtpd":
        return smtpd
    smtpd.keep = True
    smtpd.message()
    cleanup = CleanupBench(loop, main, [body for body in smtpd.bodies if len(body) > 1000])
    if daemon == "cleanup":
        return cleanup
    cleanup.keep = True
    cleanup.message()
    return QmgrBench(loop, main, cleanup.files) if daemon == "qmgr" else VirtualBench(main, cleanup.files)


def note(found: Counter[str], frame: Any, event: str, arg: Any) -> None:
    """(For sys.setprofile.) A call."""
    code = frame.f_code
    place = f"{code.co_filename.rpartition('/pyfix/')[2]} {code.co_qualname}"
    if event == "call" and "bench/" not in place:
        found[f"py {place}"] += 1
    elif event == "c_call" and "bench/" not in place:
        found[f"C  {arg.__qualname__} in {place}"] += 1


def show(found: Counter[str], messages: int) -> None:
    """Calls a message, in all and by function."""
    for kind in ("py", "C "):
        rows = [(name, calls / messages) for name, calls in found.most_common() if name.startswith(kind)]
        print(f"{sum(calls for _, calls in rows):8.2f} {kind}")
        for name, calls in rows:
            print(f"{calls:8.2f}   {name}")


def count(daemon: str, messages: int) -> int:
    """Instructions of a run."""
    words = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sys.executable]
    words += ["-m", "bench.instructions", daemon, "--drive", "--messages", str(messages)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1].replace(",", ""))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="instructions a message")
    parser.add_argument("daemon", choices=["smtpd", "cleanup", "qmgr", "discard", "virtual"])
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--drive", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--calls", action="store_true")
    asked = parser.parse_args()
    if asked.drive or asked.calls:
        drive(asked.daemon, asked.messages, calls=asked.calls)
    else:
        few, many = count(asked.daemon, asked.messages), count(asked.daemon, 3 * asked.messages)
        print(f"{asked.daemon}: {(many - few) / (2 * asked.messages):,.0f} instructions a message")
    return 0


if __name__ == "__main__":
    sys.exit(main())
