"""transport - the bytes of a connection, without a task or a future

The part of asyncio.Transport that sessions and streams between daemons use. It begins at once, where the loop's own
needs a task and more turns, and what comes reaches the protocol from within the loop's Poller.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from pyfix.unix.loop import BUG, Loop, running

READ_SIZE = 65536
"""Bytes taken in one read."""
MUCH = 1 << 18
"""The same, while more comes than that."""
PATIENCE = 10.0
"""Seconds that a service is tried in whose line there is no room."""
AGAIN = 0.02
"""Seconds between two tries."""
NOBODY = asyncio.Protocol()
"""In place of a protocol that has heard all, so that neither keeps the other in memory."""


class SocketTransport:
    """One connection. sock: connected, non-blocking; it is closed with the connection.

    protocol: hears of it as asyncio's protocols do; connection_made comes from begin().
    """

    __slots__ = ("_closing", "_fd", "_gone", "_loop", "_out", "_protocol", "_reading", "_size", "_sock")

    def __init__(self, loop: Loop, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._protocol = protocol
        self._out = bytearray()
        self._size = READ_SIZE
        self._reading = False
        self._closing = False
        self._gone = False

    def begin(self) -> None:
        """Tell the protocol, and listen."""
        self._protocol.connection_made(self)  # type: ignore[arg-type]  # as much of a transport as is used
        self.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """socket: the socket."""
        return self._sock if name == "socket" else default

    # Reading

    def pause_reading(self) -> None:
        """Take nothing for a while."""
        if self._reading:
            self._reading = False
            self._loop.poller.remove(self._fd)

    def resume_reading(self) -> None:
        """Go on taking. Where there is no memory for one more watched descriptor the connection ends."""
        if not self._reading and not self._closing:
            try:
                self._loop.poller.add(self._fd, self._read)
            except OSError as error:
                self._lose(error)
            else:
                self._reading = True

    def _read(self) -> None:
        try:
            data = self._sock.recv(self._size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        try:
            if data:
                self._size = MUCH if len(data) >= READ_SIZE else READ_SIZE
                self._protocol.data_received(data)
            else:
                self.pause_reading()
                if not self._protocol.eof_received():
                    self.close()
        except BUG as error:  # a bug in us: whoever is connected must not wait for ever
            self._loop.call_exception_handler({"message": "a connection's bug", "exception": error})
            self._lose(error)

    # Writing

    def write(self, data: bytes) -> None:
        """Send, now or when there is room; the protocol hears pause_writing while something waits."""
        if self._closing:
            return
        if self._out:
            self._out += data
            return
        sent = self._send(data)
        if sent < len(data) and not self._gone:
            self._wait_to_write(data[sent:])

    def _wait_to_write(self, rest: bytes) -> None:
        try:
            self._loop.poller.add_writer(self._fd, self._write_more)
        except OSError as error:
            self._lose(error)
            return
        self._out += rest
        self._protocol.pause_writing()

    def _send(self, data: bytes | bytearray) -> int:
        """How much could be sent; an error may have ended the connection."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._lose(error)
            return 0

    def _write_more(self) -> None:
        del self._out[: self._send(self._out)]
        if self._out or self._gone:
            return
        self._loop.poller.remove_writer(self._fd)
        if self._closing:
            self._lose(None)
        else:
            self._protocol.resume_writing()

    # The end

    def is_closing(self) -> bool:
        """Whether it is over, or about to be."""
        return self._closing

    def close(self) -> None:
        """Hang up when everything is sent: at once, without a word to the protocol, or later, and then it is told."""
        if self._closing:
            return
        self._closing = True
        if self._out:
            self.pause_reading()
            return
        self._gone = True
        if self._reading:
            self._loop.poller.forget(self._fd)
        self._sock.close()
        self._protocol = NOBODY

    def abort(self) -> None:
        """Hang up now."""
        self._lose(None)

    def _lose(self, error: BaseException | None) -> None:
        """End it; the protocol hears of it in the next turn, for it may be the caller."""
        if self._gone:
            return
        if self._out:
            self._loop.poller.remove_writer(self._fd)
        self._out = bytearray()
        self._closing = self._gone = True
        self.pause_reading()
        self._loop.call_soon(self._tell, error)

    def _tell(self, error: BaseException | None) -> None:
        self._sock.close()
        protocol, self._protocol = self._protocol, NOBODY
        protocol.connection_lost(error if isinstance(error, Exception) else None)


class StreamTransport(SocketTransport):
    """One whose protocol hears of each end, also of one that it asked for itself."""

    __slots__ = ()

    def close(self) -> None:
        """Hang up when everything is sent."""
        if self._out:
            super().close()
        else:
            self._lose(None)


async def connect_unix(path: str, protocol: asyncio.Protocol) -> None:
    """Connect to a Unix socket. OSError; where more wait for the service than may, only after PATIENCE."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await stand_in_line(sock, path, PATIENCE)
    except BaseException:
        sock.close()
        raise
    StreamTransport(running(), sock, protocol).begin()


async def stand_in_line(sock: socket.socket, path: str, seconds: float) -> None:
    """Connect to a Unix socket as soon as there is room in its line. OSError; BlockingIOError: there was none in time.

    The system tells nobody when there is, as it does for connections of the net.
    """
    loop = running()
    until = loop.time() + seconds
    while True:
        try:
            sock.connect(path)
            return
        except BlockingIOError:
            if loop.time() >= until:
                raise
        await asyncio.sleep(AGAIN)
