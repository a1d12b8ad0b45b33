"""event_agent - the frame of delivery agents that serve many requests at once, from an event loop"""

from __future__ import annotations

import socket

from pyfix.clients.bounce import PROTOCOL as BOUNCE_PROTOCOL
from pyfix.clients.bounce import BounceClient, paths
from pyfix.clients.deliver import CONCURRENCY, PROTOCOL
from pyfix.clients.stream import Channel
from pyfix.config.params.mail import MailParams
from pyfix.delivery.agent import Deliver, make_frame
from pyfix.server import eager
from pyfix.server.context import Context
from pyfix.server.stream import Link, StreamServer


class EventAgent:
    """An agent that serves many requests at once. concurrency: how many on one connection."""

    def __init__(
        self,
        context: Context,
        deliver: Deliver,
        *,
        relay: str = "none",
        concurrency: int = 100,
        status_filter: str = "",
    ) -> None:
        mail = MailParams(context.main)
        self._channels = {
            log: Channel(path, BOUNCE_PROTOCOL, timeout=mail.ipc_timeout) for log, path in paths(mail).items()
        }
        self._frame = make_frame(context, BounceClient(dict(self._channels)), deliver, relay, status_filter)
        self._under_way = 0
        self._server = StreamServer(PROTOCOL, self, [(CONCURRENCY, str(concurrency))])

    async def start(self) -> None:
        """Nothing to begin with."""

    async def serve(self, sock: socket.socket) -> None:
        """One connection of qmgr's."""
        await self._server.serve(sock)

    async def retire(self) -> None:
        """Let qmgr go elsewhere."""
        await self._server.retire()

    def quiet_since(self) -> float:
        """When qmgr last asked for a delivery."""
        return self._server.heard

    def holds(self) -> bool:
        """Whether a delivery is under way, should qmgr have gone too."""
        return self._under_way > 0

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:
        """One request."""
        eager.start(self._answer(link, stream, attrs, body))

    def closed(self, link: Link) -> None:
        """qmgr has hung up; what it asked for comes to its end."""

    async def _answer(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:
        self._under_way += 1
        try:
            link.send(stream, await self._frame.handle(attrs, body, link.peer_gone))
        finally:
            self._under_way -= 1
