"""serial_link - the serving end of connections between daemons: one peer, for a program that does one thing at a time

It speaks wire/stream, as StreamServer does for many peers (stream.py).
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pyfix.server import log
from pyfix.server.serial import UnwantedError
from pyfix.unix.hangup import hangup_of
from pyfix.wire.stream import CONNECTION, GOAWAY, Frame, FrameReader, encode_frame, greeting

READ_SIZE = 65536


class SerialLink:
    """The one peer of a program that does one thing at a time.

    sock: connected, blocking; wake: a descriptor that turns readable when the program
    is to retire (-1: none), asked only while no request is there; max_idle: seconds without a request
    after which it is to retire as well (None: any number). peer_gone: whether the peer has hung up, whatever it said
    before.
    """

    def __init__(
        self,
        sock: socket.socket,
        protocol: str,
        extra: Iterable[tuple[str, str]] = (),
        wake: int = -1,
        max_idle: float | None = None,
    ) -> None:
        self._sock = sock
        self._retires = False
        self._unwanted = False
        self._max_idle = max_idle
        self._poll = select.poll()
        for fd in {sock.fileno(), wake} - {-1}:
            self._poll.register(fd, select.POLLIN)
        self.peer_gone = hangup_of(sock)
        self._reader = FrameReader()
        self._sock.sendall(greeting(protocol, extra))

    def requests(self) -> Iterator[Frame]:
        """Each frame as it comes, until the peer closes.

        StreamError for bytes that are none. UnwantedError instead of an end when nothing came for max_idle seconds.
        """
        for frames in self.batches():
            yield from frames

    def batches(self) -> Iterator[list[Frame]]:
        """The same, those that are there at once together."""
        while True:
            self._wait()
            try:
                data = self._sock.recv(READ_SIZE)
            except ConnectionError:
                data = b""
            if not data:
                break
            if frames := self._reader.receive(data):
                yield frames
        if self._unwanted:
            raise UnwantedError

    def send(self, stream: int, attrs: bytes, body: bytes = b"") -> None:
        """One frame of the answer, at once. A peer that has gone does not hear it."""
        self.send_all([encode_frame(stream, attrs, body)])

    def send_all(self, frames: list[bytes]) -> None:
        """Several encoded ones together."""
        with suppress(ConnectionError):
            self._sock.sendall(b"".join(frames))

    def _wait(self) -> None:
        """Wait for input; when it is time to retire, say so to the peer once."""
        if self._retires:
            return
        ready = dict(log.wait(self._poll, self._max_idle))
        if self._sock.fileno() not in ready:
            self._retires = True
            self._unwanted = not ready
            with suppress(ConnectionError):  # a peer that has gone needs not be told
                self._sock.sendall(encode_frame(CONNECTION, GOAWAY))
