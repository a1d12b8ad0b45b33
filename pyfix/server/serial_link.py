"""serial_link - the serving end of connections between daemons: one peer, for a program that does one thing at a time

It speaks wire/stream, as StreamServer does for many peers (stream.py).
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pyfix.unix import msg
from pyfix.wire.stream import CONNECTION, GOAWAY, Frame, FrameReader, encode_frame, greeting

READ_SIZE = 65536


class SerialLink:
    """The one peer of a program that does one thing at a time.

    sock: connected, blocking; wake: a descriptor that turns readable when the program
    is to retire (-1: none), asked only while no request is there.
    """

    def __init__(
        self, sock: socket.socket, protocol: str, extra: Iterable[tuple[str, str]] = (), wake: int = -1
    ) -> None:
        self._sock = sock
        self._wake = wake
        self._reader = FrameReader()
        self._sock.sendall(greeting(protocol, extra))

    def requests(self) -> Iterator[Frame]:
        """Each frame as it comes, until the peer closes. StreamError for bytes that are none."""
        for frames in self.batches():
            yield from frames

    def batches(self) -> Iterator[list[Frame]]:
        """The same, those that are there at once together."""
        while True:
            self._wait()
            try:
                data = self._sock.recv(READ_SIZE)
            except ConnectionError:
                return
            if not data:
                return
            if frames := self._reader.receive(data):
                yield frames

    def send(self, stream: int, attrs: bytes, body: bytes = b"") -> None:
        """One frame of the answer, at once. A peer that has gone does not hear it."""
        self.send_all([encode_frame(stream, attrs, body)])

    def send_all(self, frames: list[bytes]) -> None:
        """Several encoded ones together."""
        try:
            self._sock.sendall(b"".join(frames))
        except ConnectionError as error:
            msg.warning(f"can't answer a request: {error}")

    def _wait(self) -> None:
        """Wait for input; when it is time to retire, say so to the peer once."""
        if self._wake < 0:
            return
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        ready = dict(poll.poll())
        if self._wake in ready and self._sock.fileno() not in ready:
            self._wake = -1
            with suppress(ConnectionError):  # a peer that has gone needs not be told
                self._sock.sendall(encode_frame(CONNECTION, GOAWAY))
