"""checks - what each word of a restriction list means

One function for each word of WORDS, from what is known (check) and the word's argument to
a verdict. Where what it needs is not known yet the verdict is DUNNO.

Sources: postconf(5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pyfix.clients.rewrite import (
    CLASS_ALIAS,
    CLASS_LOCAL,
    CLASS_RELAY,
    CLASS_VIRTUAL,
    FLAG_FAIL,
    FLAG_ROUTED,
    Resolved,
)
from pyfix.mail.address import split_address
from pyfix.mail.error import Retry
from pyfix.smtpd.access import (
    access,
    check_by_list,
    check_client_access,
    check_etrn_access,
    check_helo_access,
    check_recipient_access,
    check_reverse_client_hostname_access,
    check_sender_access,
)
from pyfix.smtpd.recipients import unlisted
from pyfix.smtpd.restrictions import DUNNO, WARN_IF_REJECT, Check, Stage, Verdict, Word
from pyfix.wire.smtp_reply import Reply

CLASS_OURS = CLASS_LOCAL | CLASS_ALIAS | CLASS_VIRTUAL | CLASS_RELAY
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST_NAME = re.compile(rf"(?:{LABEL}\.)*{LABEL}\.?", re.ASCII)
ADDRESS_LITERAL = re.compile(r"\[(?:IPv6:[0-9A-Fa-f:.]+|[0-9]{1,3}(?:\.[0-9]{1,3}){3})\]", re.ASCII)
NUMBERS = re.compile(r"[0-9.]+", re.ASCII)
IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?:\.(?!$)|$)){4}", re.ASCII)

# Always the same answer


async def permit(check: Check, _: object) -> Verdict:
    """permit"""
    return await check.permit("permit", check.stage, check.name)


async def reject(check: Check, _: object) -> Verdict:
    """reject, with reject_code"""
    return check.reject(check.site.cfg.reject_code, "5.7.1", "Access denied")


async def defer(check: Check, _: object) -> Verdict:
    """defer, with defer_code"""
    return check.reject(check.site.cfg.defer_code, "4.3.2", "Try again later")


async def defer_if_permit(check: Check, _: object) -> Verdict:
    """Defer what the rest permits."""
    return check.defer_if_permit(_requested(check, "defer_if_permit"))


async def defer_if_reject(check: Check, _: object) -> Verdict:
    """Defer what the rest rejects."""
    return check.defer_if_reject(_requested(check, "defer_if_reject"))


def _requested(check: Check, word: str) -> Reply:
    return Reply(450, "4.7.0", f"<{check.name}>: {check.stage.value} rejected: {word} requested")


# By the client


async def permit_mynetworks(check: Check, _: object) -> Verdict:
    """The client is in mynetworks."""
    if not await check.site.mynetworks.matches(check.peer.address, check.peer.name):
        return DUNNO
    return await check.permit("permit_mynetworks", Stage.CLIENT, check.peer.client)


async def permit_inet_interfaces(check: Check, _: object) -> Verdict:
    """The client has an address of this host."""
    if check.peer.address not in check.site.own:
        return DUNNO
    return await check.permit("permit_inet_interfaces", Stage.CLIENT, check.peer.client)


async def permit_sasl_authenticated(_: Check, __: object) -> Verdict:
    """The client has authenticated: nobody can yet."""
    return DUNNO


async def reject_plaintext_session(check: Check, _: object) -> Verdict:
    """The session is not encrypted: none is yet."""
    code = check.site.cfg.plaintext_reject_code
    return check.refuse(Reply(code, "4.7.1", f"<{check.name}>: Session encryption is required"))


async def reject_unauth_pipelining(check: Check, _: object) -> Verdict:
    """The client did not wait where it must."""
    if not check.pipelined:
        return DUNNO
    return check.reject(503, "5.5.0", "Improper use of SMTP command pipelining")


# By the name in HELO


async def reject_invalid_helo_hostname(check: Check, _: object) -> Verdict:
    """The HELO name is no name and no address."""
    helo = check.helo
    if helo is None or ADDRESS_LITERAL.fullmatch(helo):
        return DUNNO
    code = check.site.cfg.invalid_hostname_reject_code
    if NUMBERS.fullmatch(helo) and not IPV4.fullmatch(helo):
        return _about_helo(check, code, "invalid ip address")
    if not HOST_NAME.fullmatch(helo) or len(helo) > 255:
        return _about_helo(check, code, "Invalid name")
    return DUNNO


async def reject_non_fqdn_helo_hostname(check: Check, _: object) -> Verdict:
    """The HELO name has no domain."""
    helo = check.helo
    if helo is None or ADDRESS_LITERAL.fullmatch(helo):
        return DUNNO
    if "." in helo.strip(".") and HOST_NAME.fullmatch(helo) and not NUMBERS.fullmatch(helo):
        return DUNNO
    return _about_helo(check, check.site.cfg.non_fqdn_reject_code, "need fully-qualified hostname")


def _about_helo(check: Check, code: int, reason: str) -> Verdict:
    return check.reject_about(Stage.HELO, check.helo or "", code, "5.5.2", reason)


# By the addresses


async def reject_non_fqdn_sender(check: Check, _: object) -> Verdict:
    """The sender has no full domain."""
    return _non_fqdn(check, Stage.SENDER, check.sender)


async def reject_non_fqdn_recipient(check: Check, _: object) -> Verdict:
    """The recipient has no full domain."""
    return _non_fqdn(check, Stage.RECIPIENT, check.recipient)


def _non_fqdn(check: Check, stage: Stage, address: str | None) -> Verdict:
    if not address:
        return DUNNO
    domain = split_address(address)[1] or ""
    if "." in domain.strip(".") or ADDRESS_LITERAL.fullmatch(domain):
        return DUNNO
    code = check.site.cfg.non_fqdn_reject_code
    return check.reject_about(stage, address, code, "5.5.2", "need fully-qualified address")


async def reject_unlisted_recipient(check: Check, _: object) -> Verdict:
    """The recipient does not exist."""
    if check.recipient is None or check.listed_checked:
        return DUNNO
    check.listed_checked = True
    refusal = await unlisted(check.site, check.sender or "", check.recipient, is_sender=False)
    return DUNNO if refusal is None else check.refuse_unlisted(refusal, Stage.RECIPIENT, check.recipient)


async def reject_unlisted_sender(check: Check, _: object) -> Verdict:
    """The sender is one of ours that does not exist."""
    if not check.sender:
        return DUNNO
    refusal = await unlisted(check.site, check.sender, check.sender, is_sender=True)
    return DUNNO if refusal is None else check.refuse_unlisted(refusal, Stage.SENDER, check.sender)


# By where the mail goes


async def permit_auth_destination(check: Check, _: object) -> Verdict:
    """The recipient's domain is one that we take mail for."""
    if check.recipient is None or not await _is_ours(check):
        return DUNNO
    return await check.permit("permit_auth_destination", Stage.RECIPIENT, check.recipient)


async def reject_unauth_destination(check: Check, _: object) -> Verdict:
    """The recipient's domain is not one that we take mail for."""
    return await _unless_ours(check, check.site.cfg.relay_domains_reject_code, "5.7.1")


async def defer_unauth_destination(check: Check, _: object) -> Verdict:
    """The same, refused for now only."""
    return await _unless_ours(check, check.site.cfg.relay_domains_reject_code - 100, "4.7.1")


async def _unless_ours(check: Check, code: int, status: str) -> Verdict:
    if check.recipient is None or await _is_ours(check):
        return DUNNO
    return check.refuse(Reply(code, status, f"<{check.recipient}>: Relay access denied"))


async def _is_ours(check: Check) -> bool:
    if check.recipient is None:
        return False
    resolved = await check.site.rewrite.resolve(check.sender or "", check.recipient)
    if resolved.flags & FLAG_FAIL:
        raise Retry("Temporary lookup failure")
    return _takes(resolved, routed=check.site.cfg.allow_untrusted_routing)


def _takes(resolved: Resolved, *, routed: bool) -> bool:
    if "@" not in resolved.recipient:
        return True
    if resolved.flags & FLAG_ROUTED and not routed:
        return False
    return bool(resolved.flags & CLASS_OURS)


WORDS: Mapping[str, Word] = MappingProxyType(
    {
        "permit": Word(permit, ends=True),
        "reject": Word(reject, ends=True),
        "defer": Word(defer, ends=True),
        "warn_if_reject": WARN_IF_REJECT,
        "defer_if_permit": Word(defer_if_permit),
        "defer_if_reject": Word(defer_if_reject),
        "": Word(check_by_list, access),  # a table without a word
        "check_client_access": Word(check_client_access, access),
        "check_reverse_client_hostname_access": Word(check_reverse_client_hostname_access, access),
        "check_helo_access": Word(check_helo_access, access),
        "check_sender_access": Word(check_sender_access, access),
        "check_recipient_access": Word(check_recipient_access, access),
        "check_etrn_access": Word(check_etrn_access, access),
        "permit_mynetworks": Word(permit_mynetworks),
        "permit_inet_interfaces": Word(permit_inet_interfaces),
        "permit_sasl_authenticated": Word(permit_sasl_authenticated),
        "permit_auth_destination": Word(permit_auth_destination),
        "reject_unauth_destination": Word(reject_unauth_destination),
        "defer_unauth_destination": Word(defer_unauth_destination),
        "reject_unlisted_recipient": Word(reject_unlisted_recipient),
        "check_recipient_maps": Word(reject_unlisted_recipient),
        "reject_unlisted_sender": Word(reject_unlisted_sender),
        "reject_non_fqdn_sender": Word(reject_non_fqdn_sender),
        "reject_non_fqdn_recipient": Word(reject_non_fqdn_recipient),
        "reject_non_fqdn_helo_hostname": Word(reject_non_fqdn_helo_hostname),
        "reject_non_fqdn_hostname": Word(reject_non_fqdn_helo_hostname),
        "reject_invalid_helo_hostname": Word(reject_invalid_helo_hostname),
        "reject_invalid_hostname": Word(reject_invalid_helo_hostname),
        "reject_unauth_pipelining": Word(reject_unauth_pipelining),
        "reject_plaintext_session": Word(reject_plaintext_session),
    }
)
"""Every word of a restriction list."""

REJECTING = frozenset(
    {"reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit"}
)
"""One of them must stand in the relay or recipient list, or anybody may relay."""
