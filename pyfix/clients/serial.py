"""serial - ask another daemon from a program that does one thing at a time

The same frames as Channel, on a blocking socket. `request` is a coroutine that never waits, so
that code written for a loop also runs here (run_now).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from pyfix.clients.answer import Answer, ServiceGone
from pyfix.unix import msg
from pyfix.wire.attr import AttrError, decode_pairs
from pyfix.wire.stream import CONNECTION, GOAWAY, FrameReader, StreamError, encode_frame

READ_SIZE = 65536


class Conversation:
    """A request that takes several frames. first: the answer to the first of them."""

    __slots__ = ("_channel", "_stream", "first")

    def __init__(self, channel: SerialChannel, stream: int, first: Answer) -> None:
        self._channel = channel
        self._stream = stream
        self.first = first

    def send(self, attrs: bytes, body: bytes = b"") -> None:
        """One frame more. ServiceGone."""
        self._channel.send(self._stream, attrs, body)

    def receive(self) -> Answer:
        """The next frame of the answer. ServiceGone."""
        return self._channel.receive(self._stream)

    def close(self) -> None:
        """No more frames, either way."""
        self._channel.end()


class SerialChannel:
    """One service. timeout: seconds until a silent server counts as gone (ipc_timeout)."""

    def __init__(self, path: str, protocol: str, *, timeout: float = 3600) -> None:
        self.path = path
        self.protocol = protocol
        self._timeout = timeout
        self._sock: socket.socket | None = None
        self._reader = FrameReader()
        self._stream = 0
        self._leaving = False  # the server wants no more requests on this connection

    async def request(self, attrs: bytes, body: bytes = b"") -> Answer:
        """One frame there, one frame back. ServiceGone when it does not come."""
        return self.request_now(attrs, body)

    def request_now(self, attrs: bytes, body: bytes = b"") -> Answer:
        """One frame there, one frame back; blocks. ServiceGone when it does not come.

        A kept connection may have died while nobody looked: then once more on a new one.
        """
        conversation = self.begin(attrs, body)
        answer = conversation.first
        conversation.close()
        return answer

    def begin(self, attrs: bytes, body: bytes = b"") -> Conversation:
        """A request of several frames: sends the first one and waits for the answer to it. ServiceGone.

        One at a time. The same holds for a connection that has died.
        """
        kept = self._sock is not None
        try:
            return self._begin(attrs, body)
        except ServiceGone:
            if not kept:
                raise
        return self._begin(attrs, body)

    def close(self) -> None:
        """Hang up; the next request connects again."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def send(self, stream: int, attrs: bytes, body: bytes = b"") -> None:
        """(For a conversation.) One frame. ServiceGone."""
        with self._or_gone():
            self._kept().sendall(encode_frame(stream, attrs, body))

    def receive(self, stream: int) -> Answer:
        """(For a conversation.) The next frame. ServiceGone."""
        with self._or_gone():
            return self._receive(self._kept(), stream)

    def end(self) -> None:
        """(For a conversation.) It is over."""
        if self._leaving:
            self.close()

    def _begin(self, attrs: bytes, body: bytes) -> Conversation:
        with self._or_gone():
            self._connected()
        self._stream += 1
        self.send(self._stream, attrs, body)
        return Conversation(self, self._stream, self.receive(self._stream))

    @contextmanager
    def _or_gone(self) -> Iterator[None]:
        try:
            yield
        except (OSError, StreamError, AttrError) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise ServiceGone("service unavailable", detail=f"{self.path}: {reason}") from error

    def _kept(self) -> socket.socket:
        if self._sock is None:
            raise ConnectionResetError(None, "lost connection")
        return self._sock

    def _connected(self) -> socket.socket:
        if self._sock is None:
            self._leaving = False
            self._reader = FrameReader()
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._sock.settimeout(self._timeout)
            msg.debug(f"connect to subsystem {self.path}")
            self._sock.connect(self.path)
            greeting, _ = self._receive(self._sock, CONNECTION)
            found = decode_pairs(greeting).get("protocol")
            if found != self.protocol:
                raise AttrError(f"speaks {found}, not {self.protocol}")
        return self._sock

    def _receive(self, sock: socket.socket, wanted: int) -> Answer:
        """The next frame of that stream."""
        while True:
            data = sock.recv(READ_SIZE)
            if not data:
                raise ConnectionResetError(None, "lost connection")
            answer = None
            for stream, attrs, body in self._reader.receive(data):
                if stream == CONNECTION and attrs == GOAWAY:
                    self._leaving = True
                elif stream == wanted:
                    answer = attrs, body
            if answer is not None:
                return answer
