"""resolve - which transport and next hop each recipient of a message goes to

trivial-rewrite decides; what it can't decide, and what needs no agent, is decided here:

| what                                   | goes to                             |
|----------------------------------------|-------------------------------------|
| null address                           | error: 5.1.3 null recipient address |
| bad address syntax (flag ERROR)        | error: 5.1.3 bad address syntax     |
| a table in trouble (flag FAIL)         | retry: 4.3.0 address resolver failure |
| transport named in defer_transports    | retry: 4.3.2 deferred transport     |
| local double-bounce address            | nobody: discarded                   |
| content_filter of the message          | the filter, unless error            |
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from pyfix.clients.rewrite import CLASS_LOCAL, FLAG_ERROR, FLAG_FAIL, Resolved
from pyfix.queue.file import Envelope, Recipient
from pyfix.server import eager

ERROR = "error"
RETRY = "retry"
NULL_RECIPIENT = "5.1.3 null recipient address"
BAD_SYNTAX = "5.1.3 bad address syntax"
RESOLVER_FAILURE = "4.3.0 address resolver failure"
DEFERRED_TRANSPORT = "4.3.2 deferred transport"

AT_ONCE = 500  # questions to trivial-rewrite


class Resolver(Protocol):
    """Who knows where addresses go: RewriteClient."""

    async def resolve(self, sender: str, address: str) -> Resolved:
        """Where an address goes."""


Where = tuple[str, str]
"""Transport and next hop."""
Routes = dict[Where, list[Recipient]]
"""The recipients of one message, by destination."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What main.cf says: defer_transports, double_bounce_sender."""

    defer_transports: frozenset[str] = field(default_factory=frozenset)
    double_bounce_sender: str = "double-bounce"


async def resolve_message(
    resolver: Resolver, envelope: Envelope, policy: Policy
) -> tuple[Routes, list[Recipient]]:
    """The routes of the envelope's recipients, and the recipients that are to be discarded."""
    recipients = envelope.recipients
    if envelope.redirect:
        recipients = [_copy(recipient, envelope.redirect) for recipient in recipients]
    routes: Routes = {}
    discarded = []
    if len(recipients) == 1 and recipients[0].address:
        answers: list[Resolved | None] = [await resolver.resolve(envelope.sender, recipients[0].address)]
    else:
        answers = await _resolve_all(resolver, envelope.sender, recipients)
    for recipient, resolved in zip(recipients, answers, strict=True):
        if _is_double_bounce(resolved, policy):
            discarded.append(recipient)
            continue
        where = _where(recipient, resolved, envelope, policy)
        routes.setdefault(where, []).append(_with_address(recipient, resolved))
    return routes, discarded


async def _resolve_all(
    resolver: Resolver, sender: str, recipients: list[Recipient]
) -> list[Resolved | None]:
    """The answers in order; None for a null address. What is known already costs no task."""
    answers: list[Resolved | None] = [None] * len(recipients)

    async def ask(at: int, address: str) -> None:
        answers[at] = await resolver.resolve(sender, address)

    for first in range(0, len(recipients), AT_ONCE):
        tasks = []
        for at in range(first, min(first + AT_ONCE, len(recipients))):
            address = recipients[at].address
            task = eager.start(ask(at, address)) if address else None
            if task is not None:
                tasks.append(task)
        if tasks:
            await asyncio.gather(*tasks)
    return answers


def _where(
    recipient: Recipient, resolved: Resolved | None, envelope: Envelope, policy: Policy
) -> Where:
    if resolved is None:
        return ERROR, NULL_RECIPIENT
    if resolved.flags & FLAG_FAIL:
        return RETRY, RESOLVER_FAILURE
    if resolved.flags & FLAG_ERROR:
        return ERROR, BAD_SYNTAX
    transport, nexthop = resolved.transport, resolved.nexthop
    if envelope.filter and transport != ERROR:
        transport, _, nexthop = envelope.filter.partition(":")
        nexthop = nexthop or recipient.address.rpartition("@")[2]
    if transport in policy.defer_transports:
        return RETRY, DEFERRED_TRANSPORT
    return transport, nexthop


def _is_double_bounce(resolved: Resolved | None, policy: Policy) -> bool:
    if resolved is None or not resolved.flags & CLASS_LOCAL:
        return False
    local, at, domain = resolved.recipient.rpartition("@")
    return (local if at else domain).lower() == policy.double_bounce_sender.lower()


def _with_address(recipient: Recipient, resolved: Resolved | None) -> Recipient:
    """The recipient as trivial-rewrite completed it."""
    if resolved is None or resolved.flags & (FLAG_ERROR | FLAG_FAIL):
        return recipient
    if resolved.recipient == recipient.address or not resolved.recipient:
        return recipient
    return _copy(recipient, resolved.recipient)


def _copy(recipient: Recipient, address: str) -> Recipient:
    return Recipient(
        recipient.offset, address, recipient.original, recipient.dsn_orig_rcpt, recipient.notify
    )
