"""rewrite_client - asking trivial-rewrite from an event loop

    client = RewriteClient()
    address = await client.rewrite("local", '"first last"')    external form in and out
    resolved = await client.resolve(sender, "user@example.com")  internal form in and out

Answers are kept for up to 30 seconds, fewer when the server says that its tables or its
main.cf have changed; what several ask at once is asked once. While the service is away
questions wait, with a warning each second, as Postfix's clients do.

See also: rewrite.py for the protocol, serial_rewrite.py for programs without a loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from pyfix.clients.answer import ServiceGone
from pyfix.clients.rewrite import (
    BY_SENDER,
    CHANGED,
    FLAG_FAIL,
    PAUSE,
    PROTOCOL,
    RESOLVE,
    RESOLVE_ANSWER,
    RESOLVE_REQUEST,
    REWRITE,
    REWRITE_ANSWER,
    REWRITE_REQUEST,
    Resolved,
    is_complete,
    problem_talking,
    resolve_clnt,
)
from pyfix.clients.stream import Channel
from pyfix.unix import msg

KEEP = 30.0  # seconds
LIMIT = 20000  # answers of each kind

T = TypeVar("T")


class _Answers(Generic[T]):
    """Answers by question, each with its age; the oldest go first when there are too many."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[tuple[str, ...], tuple[float, T]] = {}

    def get(self, key: tuple[str, ...]) -> T | None:
        """The answer, unless it is too old."""
        found = self._known.get(key)
        if found is None:
            return None
        if found[0] < self._clock():
            del self._known[key]
            return None
        return found[1]

    def put(self, key: tuple[str, ...], answer: T) -> None:
        """Remember an answer from now on."""
        self._known.pop(key, None)
        if len(self._known) >= LIMIT:
            del self._known[next(iter(self._known))]
        self._known[key] = (self._clock() + KEEP, answer)

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()


class RewriteClient:
    """The rewrite service, with a memory. One per event loop.

    path: socket of the service; request: "resolve", or "verify" for address probes;
    timeout: as for Channel.
    """

    def __init__(
        self,
        path: str = "private/rewrite",
        *,
        request: str = RESOLVE,
        timeout: float = 3600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = path.rpartition("/")[2]
        self._channel = Channel(path, PROTOCOL, timeout=timeout)
        self._request = request
        self._rewritten: _Answers[str] = _Answers(clock)
        self._resolved: _Answers[Resolved] = _Answers(clock)
        self._asked: dict[tuple[str, ...], asyncio.Task[Any]] = {}

    async def rewrite(self, rule: str, address: str) -> str:
        """An address (external form) completed by a rule: RULE_LOCAL or RULE_REMOTE."""
        if is_complete(address):
            return address
        known = self._rewritten.get((rule, address))
        if known is not None:
            return known
        return await self._once((REWRITE, rule, address), self._ask_rewrite, rule, address)

    async def resolve(self, sender: str, address: str) -> Resolved:
        """Where an address goes (internal form; the empty sender is the null sender)."""
        known = self.known(sender, address)
        if known is not None:
            return known
        return await self._once((RESOLVE, sender, address), self._ask_resolve, sender, address)

    def known(self, sender: str, address: str) -> Resolved | None:
        """Where an address goes, when nobody need be asked."""
        return self._resolved.get((address,)) or self._resolved.get((sender, address))

    def forget(self) -> None:
        """Drop all answers, as after a reload."""
        self._rewritten.clear()
        self._resolved.clear()

    def close(self) -> None:
        """Give up all questions and the connection."""
        for task in self._asked.values():
            task.cancel()
        self._channel.close()

    async def _once(
        self, key: tuple[str, ...], ask: Callable[[str, str], Coroutine[Any, Any, T]], first: str, second: str
    ) -> T:
        """Ask, or wait with those who have asked already; who gives up does not disturb the others."""
        task: asyncio.Task[T] | None = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.get_running_loop().create_task(ask(first, second))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(task)

    async def _ask_rewrite(self, rule: str, address: str) -> str:
        answer = await self._request_until_answered(REWRITE_REQUEST.encode(REWRITE, rule, address))
        flags, rewritten = REWRITE_ANSWER.decode(answer)
        self._note(flags)
        self._rewritten.put((rule, address), rewritten)
        if msg.verbose:
            msg.info(f"rewrite_clnt: {rule}: {address} -> {rewritten}")
        return str(rewritten)

    async def _ask_resolve(self, sender: str, address: str) -> Resolved:
        answer = await self._request_until_answered(RESOLVE_REQUEST.encode(self._request, sender, address))
        about_server, *values = RESOLVE_ANSWER.decode(answer)
        self._note(about_server)
        resolved = Resolved(*values)
        if msg.verbose:
            msg.info(resolve_clnt(sender, address, resolved))
        if not resolved.flags & FLAG_FAIL:
            self._resolved.put((sender, address) if about_server & BY_SENDER else (address,), resolved)
        return resolved

    def _note(self, flags: int) -> None:
        if flags & CHANGED:
            self.forget()

    async def _request_until_answered(self, request: bytes) -> bytes:
        while True:
            try:
                return (await self._channel.request(request))[0]
            except ServiceGone as gone:
                msg.warning(problem_talking(self._service, gone))
            await asyncio.sleep(PAUSE)
