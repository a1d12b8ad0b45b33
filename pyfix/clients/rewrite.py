"""rewrite - how trivial-rewrite is asked how an address is written and where it goes, and what it answers

One exchange is one frame there and one back: `request=rewrite rule address` with answer
`flags address`, `request=resolve|verify sender address` with answer
`flags transport nexthop recipient flags`.
"""

from __future__ import annotations

import re
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, Protocol

from pyfix.clients.answer import ServiceGone
from pyfix.mail.address import quote, unquote
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

PAUSE = 1.0  # seconds between questions to a service that is away


@lru_cache(10_000)
def is_complete(address: str) -> bool:
    """Whether it is COMPLETE. (Many are asked about again.)"""
    return COMPLETE.fullmatch(address) is not None


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


class Remembering(Rewriter, Protocol):
    """One that keeps what it has heard."""

    def known(self, sender: str, address: str) -> Resolved | None:
        """Where an address goes, when nobody need be asked."""


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

    def __init__(self, client: Remembering) -> None:
        self._client = client
        self.known = client.known
        """Where an address goes, when nobody need be asked: the client has been asked about complete ones only."""

    def resolve(self, sender: str, address: str) -> Coroutine[Any, Any, Resolved]:
        """Where an address (internal form) goes."""
        if address and not is_complete(address):
            return self._complete(sender, address)
        return self._client.resolve(sender, address)

    async def _complete(self, sender: str, address: str) -> Resolved:
        address = unquote(await self._client.rewrite(RULE_LOCAL, quote(address)))
        return await self._client.resolve(sender, address)
