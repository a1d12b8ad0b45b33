"""stream - the serving end of connections between daemons: many peers, from an event loop

It speaks wire/stream, as SerialLink does for one peer (serial_link.py).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Protocol, cast

from pyfix.unix import msg
from pyfix.unix.hangup import hangup_of
from pyfix.unix.loop import running
from pyfix.unix.transport import StreamTransport
from pyfix.unix.turn import TurnWriter
from pyfix.wire.stream import CONNECTION, GOAWAY, FrameReader, StreamError, encode_frame, greeting


class Frames(Protocol):
    """A service: what is done with each frame of each peer."""

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:
        """One frame of a request; answer with link.send(stream, ...), now or later."""

    def closed(self, link: Link) -> None:
        """The peer has gone: nothing of its unfinished requests can be answered."""


class Batching(Frames, Protocol):
    """A service that does some of its work for several requests together."""

    def caught_up(self) -> None:
        """All frames that came together have been given."""


class Link(asyncio.Protocol):
    """One peer of a StreamServer. peer_gone: whether it has hung up, whatever it said before."""

    def __init__(self, server: StreamServer, sock: socket.socket) -> None:
        self._server = server
        self.peer_gone = hangup_of(sock)
        self._reader = FrameReader()
        self._out: TurnWriter
        self._loop = running()
        self.gone: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server.links.add(self)
        self._server.heard = self._loop.time()
        self._out = TurnWriter(cast(StreamTransport, transport), self._loop)
        self._out.write(self._server.greeting)

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._reader.receive(data)
        except StreamError as error:
            msg.warning(f"broken request to the {self._server.protocol} service: {error}")
            self.close()
            return
        self._server.heard = self._loop.time()
        service = self._server.service
        self.hold()
        for stream, attrs, body in frames:
            service.frame(self, stream, attrs, body)
        if self._server.caught_up is not None:
            self._server.caught_up()
        self.release()

    def connection_lost(self, _: Exception | None) -> None:
        self._server.links.discard(self)
        try:
            self._server.service.closed(self)
        finally:
            if not self.gone.done():
                self.gone.set_result(None)

    def send(self, stream: int, attrs: bytes, body: bytes = b"") -> None:
        """One frame of the answer; all of one loop turn leave together."""
        self._out.write(encode_frame(stream, attrs, body))

    def hold(self) -> None:
        """Collect answers until release(), in this turn."""
        self._out.hold()

    def release(self) -> None:
        """Send them."""
        self._out.release()

    def goaway(self) -> None:
        """Ask the peer to start nothing new here."""
        self._out.write(encode_frame(CONNECTION, GOAWAY))

    def close(self) -> None:
        """End the connection after what was sent."""
        self._out.close()

    def abort(self) -> None:
        """End the connection; the peer may ask again over another."""
        self._out.abort()


class StreamServer:
    """All peers of one service in this worker.

    protocol: the name in the greeting; extra: attributes that the greeting adds; heard: when a peer last came or
    said something, in the loop's time.
    A program hands its `serve` and `retire` on to these.
    """

    def __init__(self, protocol: str, service: Frames, extra: Iterable[tuple[str, str]] = ()) -> None:
        self.protocol = protocol
        self.service = service
        self.caught_up: Callable[[], None] | None = getattr(service, "caught_up", None)
        self.greeting = greeting(protocol, extra)
        self.links: set[Link] = set()
        self.heard = 0.0
        self._retiring = False

    async def serve(self, sock: socket.socket) -> None:
        """Serve one peer until it goes."""
        link = Link(self, sock)
        StreamTransport(running(), sock, link).begin()
        if self._retiring:
            link.goaway()
        await link.gone

    async def retire(self) -> None:
        """Tell every peer to go elsewhere; each leaves when its last answer is there."""
        self._retiring = True
        for link in list(self.links):
            link.goaway()
