"""transport - the bytes of an accepted connection, without a task or a future

The part of asyncio.Transport that sessions use, over add_reader and add_writer. It begins in
the turn in which the connection was accepted, where the loop's own needs a task and more turns;
that counts where a connection brings one message.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

READ_SIZE = 65536
"""Bytes taken in one read."""
MUCH = 1 << 18
"""The same, while more comes than that."""


class SocketTransport:
    """One connection. sock: connected, non-blocking; it is closed with the connection.

    protocol: hears of it as asyncio's protocols do; connection_made comes from begin().
    """

    __slots__ = ("_closing", "_fd", "_gone", "_loop", "_out", "_protocol", "_reading", "_size", "_sock")

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._protocol = protocol
        self._out = b""
        self._size = READ_SIZE
        self._reading = False
        self._closing = False
        self._gone = False

    def begin(self) -> None:
        """Tell the protocol, and listen."""
        self._protocol.connection_made(self)  # type: ignore[arg-type]  # as much of a transport as is used
        if not self._closing:
            self.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """socket: the socket."""
        return self._sock if name == "socket" else default

    # Reading

    def pause_reading(self) -> None:
        """Take nothing for a while."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Go on taking."""
        if not self._reading and not self._closing:
            self._reading = True
            self._loop.add_reader(self._fd, self._read)

    def _read(self) -> None:
        try:
            data = self._sock.recv(self._size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._size = MUCH if len(data) >= READ_SIZE else READ_SIZE
            self._protocol.data_received(data)
        else:
            self.pause_reading()
            if not self._protocol.eof_received():
                self.close()

    # Writing

    def write(self, data: bytes) -> None:
        """Send, now or when there is room; the protocol hears pause_writing while something waits."""
        if self._gone or self._closing:
            return
        if self._out:
            self._out += data
            return
        rest = self._send(data)
        if rest:
            self._out = rest
            self._loop.add_writer(self._fd, self._write_more)
            self._protocol.pause_writing()

    def _send(self, data: bytes) -> bytes:
        """What could not be sent."""
        try:
            return data[self._sock.send(data) :]
        except (BlockingIOError, InterruptedError):
            return data
        except OSError as error:
            self._lose(error)
            return b""

    def _write_more(self) -> None:
        self._out = self._send(self._out)
        if self._out or self._gone:
            return
        self._loop.remove_writer(self._fd)
        if self._closing:
            self._lose(None)
        else:
            self._protocol.resume_writing()

    # The end

    def is_closing(self) -> bool:
        """Whether it is over, or about to be."""
        return self._closing

    def close(self) -> None:
        """Hang up when everything is sent."""
        if not self._closing:
            self.pause_reading()
            self._closing = True
            if not self._out:
                self._lose(None)

    def abort(self) -> None:
        """Hang up now."""
        self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        if self._gone:
            return
        self.pause_reading()
        if self._out:
            self._loop.remove_writer(self._fd)
        self._out = b""
        self._closing = self._gone = True
        self._loop.call_soon(self._tell, error)

    def _tell(self, error: OSError | None) -> None:
        self._sock.close()
        self._protocol.connection_lost(error)
