"""stream - many requests on one connection between two daemons

A frame is a head (stream identifier, length of the attribute list, length of the
body: three 32-bit numbers, big-endian), the attribute list, the body (opaque bytes,
often none). A client numbers its requests from 1 and the server answers under the
same number; a request or answer may take several frames. Stream 0 is about the
connection itself: the server's greeting (`protocol`, then what the service adds) and
`goaway`, after which the client starts no new request here and closes when its last
one is answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from pyfix.wire.attr import encode_pairs

HEAD = Struct(">III")
HEAD_SIZE = HEAD.size
LIMIT = 64 << 20  # bytes; a longer frame is a broken peer

CONNECTION = 0  # the stream that is about the connection itself
GOAWAY = b"goaway\0\0\0"

Frame = tuple[int, bytes, bytes]
"""Stream identifier, attribute list, body."""


class StreamError(ValueError):
    """Bytes that can't be frames."""


def encode_frame(stream: int, attrs: bytes, body: bytes = b"") -> bytes:
    """One frame, ready to send."""
    return HEAD.pack(stream, len(attrs), len(body)) + attrs + body


def greeting(protocol: str, extra: Iterable[tuple[str, str]] = ()) -> bytes:
    """What a server says first: the name of its protocol, then what the service adds."""
    return encode_frame(CONNECTION, encode_pairs([("protocol", protocol), *extra]))


class FrameReader:
    """Bytes in, frames out."""

    __slots__ = ("_have", "_need", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # a frame that is not all there yet
        self._have = 0
        self._need = HEAD_SIZE

    def receive(self, data: bytes) -> list[Frame]:
        """All frames that are complete with these bytes. StreamError when one can't be."""
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return []
            data = b"".join(self._parts)
            self._parts.clear()
        frames: list[Frame] = []
        at, size = 0, len(data)
        self._need = HEAD_SIZE
        while size - at >= HEAD_SIZE:
            stream, attrs_size, body_size = HEAD.unpack_from(data, at)
            if attrs_size + body_size > LIMIT:
                raise StreamError(f"frame of {attrs_size + body_size} bytes")
            body = at + HEAD_SIZE + attrs_size
            end = body + body_size
            if end > size:
                self._need = end - at
                break
            frames.append((stream, data[at + HEAD_SIZE : body], data[body:end]))
            at = end
        if at < size:
            self._parts.append(data[at:])
            self._have = size - at
        return frames
