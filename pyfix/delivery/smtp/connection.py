"""connection - a connection to a server: bytes there, bytes back, each within its time"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import cast

from pyfix.delivery.smtp import log
from pyfix.delivery.smtp.addresses import Server
from pyfix.mail.error import Retry
from pyfix.unix import msg
from pyfix.unix.loop import running
from pyfix.unix.transport import StreamTransport, stand_in_line

FOREVER = 86400.0  # seconds; the system gives up connecting long before


class Lost(Retry):
    """The server has hung up."""


class Silent(Retry):
    """Nothing came, or nothing could be sent, in time."""


class CanNotConnect(Retry):
    """text is the system's reason."""


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: StreamTransport | None = None
        self._received: list[bytes] = []
        self._over = False
        self._full = False
        self._waiter: asyncio.Future[None] | None = None
        self._until = 0.0  # when the waiter has waited long enough
        self._timer: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        """The server has neither hung up nor said anything that was not read."""
        return not self._over and not self._received

    def send(self, data: bytes) -> None:
        """Send when possible."""
        assert self._transport is not None
        if data and not self._over:
            self._transport.write(data)

    async def drain(self, seconds: float) -> None:
        """Wait until the server has taken most of it. Lost, Silent."""
        while self._full:
            if self._over:
                raise Lost("lost connection")
            await self._wait(seconds)
        if self._over:
            raise Lost("lost connection")

    async def read(self, seconds: float) -> bytes:
        """What has come, at least one byte. Lost, Silent."""
        while not self._received:
            if self._over:
                raise Lost("lost connection")
            await self._wait(seconds)
        data = b"".join(self._received)
        self._received.clear()
        return data

    def close(self) -> None:
        """Hang up once all is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up now."""
        if self._transport is not None:
            self._transport.abort()

    async def connect(self, sock: socket.socket, address: tuple[str, int] | str, seconds: float) -> None:
        """Connect a socket to an address. OSError; Silent: not in time.

        The loop's own sock_connect looks addresses up.
        """
        loop = running()
        if isinstance(address, str):
            try:
                await stand_in_line(sock, address, seconds)
            except BlockingIOError:
                raise Silent("timed out") from None
            return
        error = sock.connect_ex(address)
        if error == errno.EINPROGRESS:
            loop.poller.add_writer(sock.fileno(), self._wake)
            try:
                await self._wait(seconds)
            finally:
                loop.poller.remove_writer(sock.fileno())
                self._stop_timer()
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))

    async def _wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        self._until = loop.time() + seconds
        if self._timer is None or self._timer.when() > self._until:
            self._set_timer(loop)
        try:
            await waiter
        finally:
            self._waiter = None

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """One for many waits: most are over long before their time, and the next one ends later."""
        self._stop_timer()
        self._timer = loop.call_at(self._until, self._look_at_clock, loop)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at_clock(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._until > loop.time():
            self._set_timer(loop)
        else:
            self._waiter.set_exception(Silent("timed out"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast(StreamTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self._received.append(data)
        self._wake()

    def eof_received(self) -> bool:
        """The server says no more."""
        self._over = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The end."""
        self._over = True
        self._wake()
        self._stop_timer()

    def pause_writing(self) -> None:
        """Too much waits."""
        self._full = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._full = False
        self._wake()


async def connect(server: Server, seconds: float, bind: str = "", *, enforce: bool = False) -> Connection:
    """A connection to a server. CanNotConnect.

    seconds: 0 for as long as the system tries; bind: own address; enforce: do without a connection rather
    than without that address.
    """
    connection = Connection()
    try:
        sock = _socket(server, bind, enforce=enforce)
    except OSError as error:
        raise CanNotConnect(error.strerror or str(error)) from None
    try:
        address = (server.address, server.port) if server.port else server.address
        await connection.connect(sock, address, seconds or FOREVER)
        StreamTransport(running(), sock, connection).begin()
    except Silent:
        sock.close()
        raise CanNotConnect("Connection timed out") from None
    except OSError as error:
        sock.close()
        raise CanNotConnect(os.strerror(error.errno) if error.errno else str(error)) from None
    except BaseException:
        sock.close()
        raise
    return connection


def _socket(server: Server, bind: str, *, enforce: bool) -> socket.socket:
    inet = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    sock = socket.socket(inet if server.port else socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if server.port:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if bind and server.port:
            _bind(sock, bind, enforce=enforce)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, address: str, *, enforce: bool) -> None:
    try:
        sock.bind((address, 0))
    except OSError as error:
        msg.warning(log.bind_failed(address, error.strerror or str(error)))
        if enforce:
            raise
