"""A client that does not read holds up only itself, and hears everything before the end."""

import asyncio
import errno
import os
import socket

from pyfix.server.transport import Poller, SocketTransport

TEXT = b"x" * 3_000_000


class Heard(asyncio.Protocol):
    def __init__(self) -> None:
        self.events: list[str] = []

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
    transport = SocketTransport(Poller(asyncio.get_running_loop()), ours, heard)
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
