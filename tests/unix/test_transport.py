"""A client that does not read holds up only itself, and hears everything before the end."""

import asyncio
import errno
import os
import socket
from pathlib import Path
from typing import cast

import pytest

import pyfix.unix.transport as transport_module
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


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets that don't block."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def connected() -> tuple[SocketTransport, Heard, socket.socket]:
    """A transport that has begun, who hears of it, and the other end."""
    ours, theirs = pair()
    heard = Heard()
    transport = SocketTransport(running(), ours, heard)
    transport.begin()
    return transport, heard, theirs


def stream(heard: Heard) -> tuple[StreamTransport, socket.socket]:
    """A stream that has begun, and the other end."""
    ours, theirs = pair()
    transport = StreamTransport(running(), ours, heard)
    transport.begin()
    return transport, theirs


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
    """A protocol that comes upon an error."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def data_received(self, _: bytes) -> None:
        raise self._error


@pytest.mark.parametrize("error", [RuntimeError("a bug"), asyncio.CancelledError()], ids=["bug", "a wait was canceled"])
def test_an_error_in_what_hears_a_connection_is_told_and_ends_it(error: BaseException) -> None:
    async def scenario() -> None:
        told: list[BaseException] = []
        running().set_exception_handler(lambda _, about: told.append(about["exception"]))
        heard = Breaks(error)
        _, theirs = stream(heard)
        theirs.send(b"x")
        with theirs:
            assert await read_all(theirs) == b""
        assert (heard.events, told) == (["lost"], [error])

    asyncio.run(scenario())


def test_a_stream_hears_of_the_end_that_it_asked_for() -> None:
    async def scenario() -> None:
        heard = Heard()
        transport, theirs = stream(heard)
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


def test_one_that_can_not_be_watched_for_room_ends_too(monkeypatch) -> None:
    def no_room(self: Poller, fd: int, write: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def scenario() -> None:
        transport, heard, theirs = connected()
        with monkeypatch.context() as patch:
            patch.setattr(Poller, "add_writer", no_room)
            transport.write(TEXT)
        assert transport.is_closing()
        with theirs:
            assert TEXT.startswith(await read_all(theirs))
        assert heard.events == ["lost"]

    asyncio.run(scenario())


def test_what_many_pieces_leave_unsent_comes_out_in_order() -> None:
    async def scenario() -> None:
        transport, heard, theirs = connected()
        pieces = [bytes([65 + n % 26]) * 40_000 for n in range(200)]
        for piece in pieces:
            transport.write(piece)
        transport.close()
        with theirs:
            assert await read_all(theirs) == b"".join(pieces)
        await asyncio.sleep(0)
        assert heard.events == ["pause", "lost"]

    asyncio.run(scenario())


def fill(path: str) -> list[socket.socket]:
    """Connect until there is no room in the line."""
    waiting = []
    while True:
        sock = socket.socket(socket.AF_UNIX)
        waiting.append(sock)
        sock.setblocking(False)
        try:
            sock.connect(path)
        except BlockingIOError:
            return waiting


def test_a_service_with_a_full_line_is_waited_for(tmp_path: Path) -> None:
    """asyncio's sock_connect takes such a socket for connected."""

    async def scenario() -> None:
        path, heard = str(tmp_path / "service"), Heard()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            waiting = fill(path)
            connecting = asyncio.create_task(connect_unix(path, heard))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not connecting.done()
            accepted = [listener.accept()[0] for _ in waiting[:-1]]
            await connecting
            accepted.append(listener.accept()[0])
        assert heard.transport is not None
        heard.transport.write(b"here")
        assert accepted[-1].recv(10) == b"here"
        for sock in (*waiting, *accepted):
            sock.close()
        heard.transport.abort()
        await asyncio.sleep(0)

    asyncio.run(scenario())


def test_a_line_that_stays_full_is_an_error(tmp_path: Path, monkeypatch) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "service")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            waiting = fill(path)
            monkeypatch.setattr(transport_module, "PATIENCE", 0.03)
            with pytest.raises(BlockingIOError):
                await connect_unix(path, Heard())
            for sock in waiting:
                sock.close()

    asyncio.run(scenario())
