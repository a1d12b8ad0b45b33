"""A client that does not read holds up only itself, and hears everything before the end."""

import asyncio
import errno
import os
import socket
from pathlib import Path
from typing import cast

from pyfix.unix.loop import Poller, running
from pyfix.unix.transport import SocketTransport, StreamTransport, connect_unix

TEXT = b"x" * 3_000_000


class Heard(asyncio.Protocol):
    def __init__(self) -> None:
        self.events: list[str] = []
        self.transport: StreamTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(StreamTransport, transport)

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")


async def read_all(sock: socket.socket) -> bytes:
    loop, found = asyncio.get_running_loop(), b""
    while data := await loop.sock_recv(sock, 1 << 20):
        found += data
    return found


def connected() -> tuple[SocketTransport, Heard, socket.socket]:
    """A transport that has begun, who hears of it, and the other end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    heard = Heard()
    transport = SocketTransport(running(), ours, heard)
    transport.begin()
    return transport, heard, theirs


def test_one_that_can_not_be_watched_ends_instead_of_hanging(monkeypatch) -> None:
    def no_room(self: Poller, fd: int, read: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def scenario() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Poller, "add", no_room)
            _, heard, theirs = connected()
        with theirs:
            assert await read_all(theirs) == b""
        assert heard.events == ["lost"]

    asyncio.run(scenario())


def test_what_does_not_fit_waits_and_is_sent_before_the_end() -> None:
    async def scenario() -> None:
        transport, heard, theirs = connected()
        transport.write(TEXT)
        transport.write(b"end")
        assert heard.events == ["pause"]
        transport.close()
        with theirs:
            assert await read_all(theirs) == TEXT + b"end"
        await asyncio.sleep(0)
        assert heard.events == ["pause", "lost"]

    asyncio.run(scenario())


def test_writing_goes_on_when_there_is_room_again() -> None:
    async def scenario() -> None:
        transport, heard, theirs = connected()
        transport.write(TEXT)
        loop, size = asyncio.get_running_loop(), 0
        while size < len(TEXT):
            size += len(await loop.sock_recv(theirs, 1 << 20))
        while len(heard.events) < 2:
            await asyncio.sleep(0)
        assert heard.events == ["pause", "resume"]
        transport.abort()
        theirs.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert heard.events[-1] == "lost"

    asyncio.run(scenario())


class Breaks(Heard):
    """A protocol with a bug."""

    def data_received(self, data: bytes) -> None:
        raise RuntimeError(data.decode())


def test_a_bug_in_what_hears_a_connection_ends_it() -> None:
    async def scenario() -> None:
        told: list[str] = []
        running().set_exception_handler(lambda _, about: told.append(str(about["exception"])))
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        heard = Breaks()
        StreamTransport(running(), ours, heard).begin()
        theirs.send(b"broken")
        with theirs:
            assert await read_all(theirs) == b""
        assert (heard.events, told) == (["lost"], ["broken"])

    asyncio.run(scenario())


def test_a_stream_hears_of_the_end_that_it_asked_for() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        heard = Heard()
        transport = StreamTransport(running(), ours, heard)
        transport.begin()
        transport.write(b"last words")
        transport.close()
        transport.close()
        with theirs:
            assert await read_all(theirs) == b"last words"
        assert heard.events == ["lost"]

    asyncio.run(scenario())


def test_a_stream_that_asked_for_its_end_sends_all_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "service"))
            listener.listen()
            heard = Heard()
            await connect_unix(str(tmp_path / "service"), heard)
            theirs, _ = listener.accept()
        theirs.setblocking(False)
        assert heard.transport is not None
        heard.transport.write(TEXT)
        heard.transport.close()
        with theirs:
            assert await read_all(theirs) == TEXT
        await asyncio.sleep(0)
        assert heard.events == ["pause", "lost"]

    asyncio.run(scenario())
