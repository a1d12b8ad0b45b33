"""recipients - addresses that do not exist are refused before their mail is accepted

Who is known: an address that canonical or virtual alias maps change, and one that its
class's table lists. A class without a table takes everything, a virtual alias domain
nothing. The mail system's own names are local users, whether listed or not. An address
whose transport is `error` is refused with that transport's text.

Parameters: local_recipient_maps, virtual_mailbox_maps, relay_recipient_maps,
virtual_alias_maps, canonical_maps, show_user_unknown_table_name, double_bounce_sender,
unknown_{local,relay,virtual_alias,virtual_mailbox}_recipient_reject_code.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyfix.clients.rewrite import (
    CLASS_ALIAS,
    CLASS_LOCAL,
    CLASS_MASK,
    CLASS_RELAY,
    CLASS_VIRTUAL,
    FLAG_FAIL,
    Resolved,
)
from pyfix.mail.address import split_address
from pyfix.mail.dsn import split_dsn, with_class
from pyfix.mail.error import Retry
from pyfix.maps.addresses import find_address
from pyfix.maps.maps import Maps
from pyfix.smtpd.site import Site

ERROR, RETRY = "error", "retry"
UNDELIVERABLE = frozenset({ERROR, RETRY})
OWN_NAMES = frozenset({"postmaster", "mailer-daemon"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an address is not taken."""

    code: int
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class AddressClass:
    """One class: its table's parameter, the parameter with the code, what the refusal calls the table."""

    maps: str
    code: str
    table: str


CLASSES = {
    CLASS_LOCAL: AddressClass(
        "local_recipient_maps", "unknown_local_recipient_reject_code", "local recipient table"
    ),
    CLASS_ALIAS: AddressClass("", "unknown_virtual_alias_reject_code", "virtual alias table"),
    CLASS_VIRTUAL: AddressClass(
        "virtual_mailbox_maps", "unknown_virtual_mailbox_reject_code", "virtual mailbox table"
    ),
    CLASS_RELAY: AddressClass(
        "relay_recipient_maps", "unknown_relay_recipient_reject_code", "relay recipient table"
    ),
}


def surely_listed(site: Site, resolved: Resolved) -> bool:
    """Whether a recipient is not unknown, and no table must be asked to know that."""
    if resolved.flags & FLAG_FAIL or site.recipient_rewriting:
        return False
    return resolved.flags & CLASS_MASK not in CLASSES and resolved.transport not in UNDELIVERABLE


async def unlisted(site: Site, resolved: Resolved, *, is_sender: bool) -> Refusal | None:
    """Why an address is unknown; None when it is not. Retry: that can't be told now."""
    if resolved.flags & FLAG_FAIL:
        raise Retry("Temporary lookup failure")
    for maps in site.sender_rewriting if is_sender else site.recipient_rewriting:
        if await _has(site, maps, resolved):
            return None
    if resolved.transport in UNDELIVERABLE:
        return _by_transport(resolved, is_sender=is_sender)
    kind = CLASSES.get(resolved.flags & CLASS_MASK)
    if kind is None or _is_own_name(site, resolved) or await _is_listed(site, kind, resolved):
        return None
    table = f" in {kind.table}" if site.mail.show_user_unknown_table_name else ""
    return Refusal(getattr(site.cfg, kind.code), "5.1.0" if is_sender else "5.1.1", f"User unknown{table}")


def _is_own_name(site: Site, resolved: Resolved) -> bool:
    """Whether it is a local user whom the mail system itself writes as, or to."""
    if not resolved.flags & CLASS_LOCAL:
        return False
    name = split_address(resolved.recipient)[0].lower()
    return name in OWN_NAMES or name == site.mail.double_bounce_sender.lower()


async def _is_listed(site: Site, kind: AddressClass, resolved: Resolved) -> bool:
    if not kind.maps:
        return False
    maps: Maps = getattr(site, kind.maps)
    return not maps or await _has(site, maps, resolved)


async def _has(site: Site, maps: Maps, resolved: Resolved) -> bool:
    domain = split_address(resolved.recipient)[1]
    local = bool(resolved.flags & CLASS_LOCAL) or domain == site.mail.myorigin
    found = await find_address(maps, resolved.recipient, extensions=site.extensions, local=local)
    return found is not None


def _by_transport(resolved: Resolved, *, is_sender: bool) -> Refusal:
    temporary = resolved.transport == RETRY
    status, text = split_dsn(resolved.nexthop, default="4.1.0" if temporary else "5.1.0")
    if is_sender:
        status = "5.1.0" if status.startswith("5.1.") else status
    status = with_class(status, status[0] if status[0] in "45" else "5")
    return Refusal(450 if status[0] == "4" else 550, status, text or "Address is undeliverable")
