"""trivial-rewrite - completes addresses and says where their mail goes

Service:    rewrite      unix  -       -       y       -       -       trivial-rewrite
Privileges: mail_owner, no network; may be in a chroot
Parameters: params/trivial_rewrite.py
Sources:    trivial-rewrite(8)

Requests and answers are in pyfix.clients.rewrite. Each peer is told once when a table has
changed, with the next answer that it gets.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from pyfix.clients import rewrite as service
from pyfix.clients.rewrite import RULE_LOCAL
from pyfix.server import eager
from pyfix.server.context import Context
from pyfix.server.stream import Link, StreamServer
from pyfix.trivial_rewrite.resolve import Resolver
from pyfix.trivial_rewrite.rewrite import rewrite_address
from pyfix.trivial_rewrite.setup import set_up
from pyfix.unix import msg
from pyfix.wire.attr import AttrError, decode_pairs

Answer = Callable[[dict[str, str], int], Coroutine[Any, Any, bytes]]

LOOK = 1.0  # seconds between looks at the tables' files


class TrivialRewrite:
    """The rewrite service."""

    def __init__(self, context: Context) -> None:
        self._setup = set_up(context.main)
        self._server = StreamServer(service.PROTOCOL, self)
        self._requests: dict[str, Answer] = {
            service.REWRITE: self._rewrite,
            service.RESOLVE: self._resolve,
            service.VERIFY: self._verify,
        }
        self._stamp = self._stamp_now()
        self._next_look = 0.0
        self._uninformed: set[Link] = set()

    async def start(self) -> None:
        """Nothing to do: tables are open."""

    async def serve(self, sock: socket.socket) -> None:
        """Answer one peer until it goes."""
        await self._server.serve(sock)

    async def retire(self) -> None:
        """Ask all peers to go elsewhere."""
        await self._server.retire()

    def quiet_since(self) -> float:
        """When the last question came."""
        return self._server.heard

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:  # noqa: ARG002
        """One question."""
        eager.start(self._answer(link, stream, attrs))

    def closed(self, link: Link) -> None:
        """A peer has gone."""
        self._uninformed.discard(link)

    async def _answer(self, link: Link, stream: int, attrs: bytes) -> None:
        self._look_for_changes()
        try:
            request = decode_pairs(attrs)
            answer = await self._requests[request["request"]](request, self._news(link))
        except (AttrError, KeyError) as error:
            msg.warning(f"broken request to the rewrite service: {error!r}")
            link.close()
            return
        link.send(stream, answer)

    def _news(self, link: Link) -> int:
        """CHANGED when this peer has not heard of the last change."""
        if link not in self._uninformed:
            return 0
        self._uninformed.discard(link)
        return service.CHANGED

    async def _rewrite(self, request: dict[str, str], news: int) -> bytes:
        rule, address = request["rule"], request["address"]
        context = self._setup.rules.get(rule)
        if context is None:
            msg.warning(f"unknown context: {rule}")
            context = self._setup.rules[RULE_LOCAL]
        return service.REWRITE_ANSWER.encode(news, rewrite_address(context, address) if address else "")

    async def _resolve(self, request: dict[str, str], news: int) -> bytes:
        return await self._ask(self._setup.resolver, request, news)

    async def _verify(self, request: dict[str, str], news: int) -> bytes:
        return await self._ask(self._setup.probe_resolver, request, news)

    async def _ask(self, resolver: Resolver, request: dict[str, str], news: int) -> bytes:
        found, by_sender = await resolver.resolve(request["sender"], request["address"])
        flags = news | (service.BY_SENDER if by_sender else 0)
        return service.RESOLVE_ANSWER.encode(
            flags, found.transport, found.nexthop, found.recipient, found.flags
        )

    def _look_for_changes(self) -> None:
        now = monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._stamp = stamp
            self._uninformed = set(self._server.links)

    def _stamp_now(self) -> list[object]:
        return [maps.stamp() for maps in self._setup.maps]
