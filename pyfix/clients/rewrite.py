"""rewrite - asking trivial-rewrite how an address is written and where it goes

    client = RewriteClient()
    address = await client.rewrite("local", '"first last"')    external form in and out
    resolved = await client.resolve(sender, "user@example.com")  internal form in and out

Answers are kept for up to 30 seconds, fewer when the server says that its tables or its
main.cf have changed; what several ask at once is asked once. While the service is away
questions wait, with a warning each second, as Postfix's clients do.

One exchange is one frame there and one back: `request=rewrite rule address` with answer
`flags address`, `request=resolve|verify sender address` with answer
`flags transport nexthop recipient flags`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from pyfix.clients.stream import Channel, ServiceGone
from pyfix.mail.address import quote, unquote
from pyfix.unix import msg
from pyfix.wire.attr import INT, STR, Form

PROTOCOL = "trivial_rewrite_protocol"
REWRITE = "rewrite"
RESOLVE = "resolve"
VERIFY = "verify"

RULE_LOCAL = "local"
RULE_REMOTE = "remote"

REWRITE_REQUEST = Form(("request", STR), ("rule", STR), ("address", STR))
REWRITE_ANSWER = Form(("flags", INT), ("address", STR))
RESOLVE_REQUEST = Form(("request", STR), ("sender", STR), ("address", STR))
RESOLVE_ANSWER = Form(
    ("flags", INT), ("transport", STR), ("nexthop", STR), ("recipient", STR), ("flags", INT)
)

# First flags of an answer, about the server.
CHANGED = 1  # its tables or main.cf are new: forget what it said before
BY_SENDER = 2  # (ours) the answer is for this sender only

# Last flags of a resolve answer.
FLAG_FINAL = 1
FLAG_ROUTED = 2  # the local part holds a route: @ % or !
FLAG_ERROR = 4  # bad destination syntax
FLAG_FAIL = 8  # a table is in trouble: try again later
CLASS_LOCAL = 256
CLASS_ALIAS = 512  # virtual alias domain
CLASS_VIRTUAL = 1024  # virtual mailbox domain
CLASS_RELAY = 2048
CLASS_DEFAULT = 4096
CLASS_MASK = CLASS_LOCAL | CLASS_ALIAS | CLASS_VIRTUAL | CLASS_RELAY | CLASS_DEFAULT

# No rule changes such an address, whatever main.cf says: nothing to complete, no route in it.
ATOM = "[A-Za-z0-9_+=*~-]+"
LABEL = "[A-Za-z0-9_-]+"
COMPLETE = re.compile(rf"{ATOM}(?:\.{ATOM})*@{LABEL}(?:\.{LABEL})+", re.ASCII)

KEEP = 30.0  # seconds
LIMIT = 20000  # answers of each kind
PAUSE = 1.0  # seconds between questions to a service that is away


class Resolved:
    """Where an address goes: transport, nexthop, recipient (user@domain), flags (FLAG_ and CLASS_ bits)."""

    __slots__ = ("flags", "nexthop", "recipient", "transport")

    def __init__(self, transport: str, nexthop: str, recipient: str, flags: int) -> None:
        self.transport = transport
        self.nexthop = nexthop
        self.recipient = recipient
        self.flags = flags

    def __repr__(self) -> str:
        return f"Resolved({self.transport!r}, {self.nexthop!r}, {self.recipient!r}, {self.flags})"


class Rewriter(Protocol):
    """What address code asks; RewriteClient is one, tests have others."""

    async def rewrite(self, rule: str, address: str) -> str:
        """An address in external form, completed by the rule."""

    async def resolve(self, sender: str, address: str) -> Resolved:
        """Where an address (internal form) goes."""


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

    path: socket of the service; request: "resolve", or "verify" for address probes.
    """

    def __init__(
        self,
        path: str = "private/rewrite",
        *,
        request: str = RESOLVE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = path.rpartition("/")[2]
        self._channel = Channel(path, PROTOCOL)
        self._request = request
        self._rewritten: _Answers[str] = _Answers(clock)
        self._resolved: _Answers[Resolved] = _Answers(clock)
        self._asked: dict[tuple[str, ...], asyncio.Task[Any]] = {}

    async def rewrite(self, rule: str, address: str) -> str:
        """An address (external form) completed by a rule: RULE_LOCAL or RULE_REMOTE."""
        if COMPLETE.fullmatch(address):
            return address
        known = self._rewritten.get((rule, address))
        if known is not None:
            return known
        return await self._once((REWRITE, rule, address), self._ask_rewrite, rule, address)

    async def resolve(self, sender: str, address: str) -> Resolved:
        """Where an address goes (internal form; the empty sender is the null sender)."""
        known = self._resolved.get((address,)) or self._resolved.get((sender, address))
        if known is not None:
            return known
        return await self._once((RESOLVE, sender, address), self._ask_resolve, sender, address)

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


CLASSES = {
    CLASS_LOCAL: "local", CLASS_ALIAS: "alias", CLASS_VIRTUAL: "virtual",
    CLASS_RELAY: "relay", CLASS_DEFAULT: "default",
}  # fmt: skip


def resolve_clnt(sender: str, address: str, found: Resolved) -> str:
    """The log line about an answer. -v."""
    flags = "".join(word for bit, word in ((FLAG_ERROR, "error"), (FLAG_FAIL, "fail")) if found.flags & bit)
    name = CLASSES.get(found.flags & CLASS_MASK, "")
    where = f"transp=`{found.transport}' host=`{found.nexthop}' rcpt=`{found.recipient}'"
    return f"resolve_clnt: `{sender}' -> `{address}' -> {where} flags={flags} class={name}"


def problem_talking(service: str, gone: ServiceGone) -> str:
    """The log line while a service is away."""
    return f"problem talking to service {service}: {gone.detail or gone.text}"


class Completed:
    """The rewrite service, asked by who has addresses as clients gave them: local mail's rule completes them first."""

    def __init__(self, client: Rewriter) -> None:
        self._client = client

    async def resolve(self, sender: str, address: str) -> Resolved:
        """Where an address (internal form) goes."""
        if address and not COMPLETE.fullmatch(address):
            address = unquote(await self._client.rewrite(RULE_LOCAL, quote(address)))
        return await self._client.resolve(sender, address)
