"""checks - what each word of a restriction list means

One function for each word of WORDS, from what is known (check) and the word's argument to
a verdict. Where what it needs is not known yet the verdict is DUNNO.

Sources: postconf(5).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from types import MappingProxyType

from pyfix.mail.address import split_address
from pyfix.smtpd import log
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
from pyfix.smtpd.dnsxl import (
    domain_list,
    permit_dnswl_client,
    permit_rhswl_client,
    reject_rbl_client,
    reject_rhsbl_client,
    reject_rhsbl_helo,
    reject_rhsbl_recipient,
    reject_rhsbl_reverse_client,
    reject_rhsbl_sender,
)
from pyfix.smtpd.hostnames import (
    reject_invalid_helo_hostname,
    reject_non_fqdn_helo_hostname,
    reject_unknown_client_hostname,
    reject_unknown_helo_hostname,
    reject_unknown_recipient_domain,
    reject_unknown_reverse_client_hostname,
    reject_unknown_sender_domain,
)
from pyfix.smtpd.mx_backup import MxBackup, permit_mx_backup
from pyfix.smtpd.policy_service import check_policy_service, policy_service
from pyfix.smtpd.recipients import unlisted
from pyfix.smtpd.relay import is_ours
from pyfix.smtpd.resolver import resolver
from pyfix.smtpd.restrictions import (
    DUNNO,
    OK,
    WARN_IF_REJECT,
    BadArgument,
    Check,
    Function,
    Lists,
    Stage,
    Verdict,
    Word,
)
from pyfix.smtpd.servers import WHOSE, Servers
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply

ADDRESS_LITERAL = re.compile(r"\[(?:IPv6:[0-9A-Fa-f:.]+|[0-9]{1,3}(?:\.[0-9]{1,3}){3})\]", re.ASCII)

AUTHENTICATED = "reject_authenticated_sender_login_mismatch"
UNAUTHENTICATED = "reject_unauthenticated_sender_login_mismatch"
REMOVED = {
    "check_relay_domains": '"reject_unauth_destination"',
    "permit_naked_ip_address": '"permit_mynetworks" or "permit_sasl_authenticated"',
    "reject_maps_rbl": '"reject_rbl_client domain-name"',
}
"""Words that Postfix 3.9 gave up, and what it recommends."""

# Always the same answer


def removed(word: str, instead: str) -> Function:
    """What a word of REMOVED does."""

    async def tell(check: Check, _: object) -> Verdict:
        msg.warning(log.removed(word, instead))
        return check.configuration_error()

    return tell


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
    networks, peer = check.site.mynetworks, check.peer
    inside = networks.known(peer.address, peer.name)
    if inside is None:
        inside = await networks.matches(peer.address, peer.name)
    if not inside:
        return DUNNO
    if check.site.old_defaults.networks:
        await check.site.old_defaults.note_network(check.peer)
    if not check.site.logs_permits:
        return OK
    return await check.permit("permit_mynetworks", Stage.CLIENT, check.peer.client)


async def permit_inet_interfaces(check: Check, _: object) -> Verdict:
    """The client has an address of this host."""
    if check.peer.address not in check.site.own:
        return DUNNO
    return await check.permit("permit_inet_interfaces", Stage.CLIENT, check.peer.client)


async def permit_sasl_authenticated(_: Check, __: object) -> Verdict:
    """The client has authenticated: nobody can yet."""
    return DUNNO


def sender_login(*words: str) -> Word:
    """A word that compares senders with logins. Nobody can log in: it is what it is in a Postfix without SASL."""

    async def ignore(_: Check, __: object) -> Verdict:
        for word in words:
            msg.warning(log.no_sasl(word))
        return DUNNO

    return Word(ignore)


async def reject_plaintext_session(check: Check, _: object) -> Verdict:
    """The session is not encrypted: none is yet."""
    code = check.site.cfg.plaintext_reject_code
    return check.refuse(Reply(code, "4.7.1", "Session encryption is required"))


async def reject_multi_recipient_bounce(check: Check, _: object) -> Verdict:
    """The null sender sends to more than one: no bounce does."""
    if check.sender != "" or check.recipients < (2 if check.where in {"DATA", "BDAT", "END-OF-MESSAGE"} else 1):
        return DUNNO
    return check.reject(check.site.cfg.multi_recipient_bounce_reject_code, "5.5.3", "Multi-recipient bounce")


def seconds(_: Lists, word: str, text: str) -> int:
    """How long to sleep."""
    if not (text.isascii() and text.isdigit()):
        raise BadArgument(log.needs_number(word))
    return int(text)


async def sleep(_: Check, pause: int) -> Verdict:
    """Let the client wait."""
    await asyncio.sleep(pause)
    return DUNNO


async def reject_unauth_pipelining(check: Check, _: object) -> Verdict:
    """The client did not wait where it must."""
    if not check.pipelined:
        return DUNNO
    return check.reject(503, "5.5.0", "Improper use of SMTP command pipelining")


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
    refusal = await unlisted(check.site, check.resolved or await check.resolve_recipient(), is_sender=False)
    return DUNNO if refusal is None else check.refuse_unlisted(refusal, Stage.RECIPIENT, check.recipient)


async def reject_unlisted_sender(check: Check, _: object) -> Verdict:
    """The sender is one of ours that does not exist."""
    if not check.sender:
        return DUNNO
    resolved = await check.site.rewrite.resolve(check.sender, check.sender)
    refusal = await unlisted(check.site, resolved, is_sender=True)
    return DUNNO if refusal is None else check.refuse_unlisted(refusal, Stage.SENDER, check.sender)


# By where the mail goes


async def permit_auth_destination(check: Check, _: object) -> Verdict:
    """The recipient's domain is one that we take mail for."""
    if check.recipient is None or not await is_ours(check):
        return DUNNO
    return await check.permit("permit_auth_destination", Stage.RECIPIENT, check.recipient)


async def reject_unauth_destination(check: Check, _: object) -> Verdict:
    """The recipient's domain is not one that we take mail for."""
    return await _unless_ours(check, check.site.cfg.relay_domains_reject_code, "5.7.1")


async def defer_unauth_destination(check: Check, _: object) -> Verdict:
    """The same, refused for now only."""
    return await _unless_ours(check, check.site.cfg.relay_domains_reject_code - 100, "4.7.1")


async def _unless_ours(check: Check, code: int, status: str) -> Verdict:
    if check.recipient is None or await is_ours(check):
        return DUNNO
    return check.refuse(Reply(code, status, f"<{check.recipient}>: Relay access denied"))


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
        "permit_mx_backup": Word(permit_mx_backup, needs=MxBackup),
        "reject_unauth_destination": Word(reject_unauth_destination),
        "defer_unauth_destination": Word(defer_unauth_destination),
        "reject_unlisted_recipient": Word(reject_unlisted_recipient),
        "check_recipient_maps": Word(reject_unlisted_recipient),
        "reject_unlisted_sender": Word(reject_unlisted_sender),
        "reject_sender_login_mismatch": sender_login(AUTHENTICATED, UNAUTHENTICATED),
        AUTHENTICATED: sender_login(AUTHENTICATED),
        UNAUTHENTICATED: sender_login(UNAUTHENTICATED),
        "reject_known_sender_login_mismatch": sender_login("reject_known_sender_login_mismatch"),
        "reject_non_fqdn_sender": Word(reject_non_fqdn_sender),
        "reject_non_fqdn_recipient": Word(reject_non_fqdn_recipient),
        "reject_non_fqdn_helo_hostname": Word(reject_non_fqdn_helo_hostname),
        "reject_non_fqdn_hostname": Word(reject_non_fqdn_helo_hostname),
        "reject_invalid_helo_hostname": Word(reject_invalid_helo_hostname),
        "reject_invalid_hostname": Word(reject_invalid_helo_hostname),
        "reject_unknown_client_hostname": Word(reject_unknown_client_hostname),
        "reject_unknown_client": Word(reject_unknown_client_hostname),
        "reject_unknown_reverse_client_hostname": Word(reject_unknown_reverse_client_hostname),
        "reject_unknown_helo_hostname": Word(reject_unknown_helo_hostname, needs=resolver),
        "reject_unknown_hostname": Word(reject_unknown_helo_hostname, needs=resolver),
        "reject_unknown_sender_domain": Word(reject_unknown_sender_domain, needs=resolver),
        "reject_unknown_address": Word(reject_unknown_sender_domain, needs=resolver),
        "reject_unknown_recipient_domain": Word(reject_unknown_recipient_domain, needs=resolver),
        "reject_rbl_client": Word(reject_rbl_client, domain_list),
        "reject_rbl": Word(reject_rbl_client, domain_list),
        "reject_rhsbl_client": Word(reject_rhsbl_client, domain_list),
        "reject_rhsbl_reverse_client": Word(reject_rhsbl_reverse_client, domain_list),
        "reject_rhsbl_helo": Word(reject_rhsbl_helo, domain_list),
        "reject_rhsbl_sender": Word(reject_rhsbl_sender, domain_list),
        "reject_rhsbl_recipient": Word(reject_rhsbl_recipient, domain_list),
        "permit_dnswl_client": Word(permit_dnswl_client, domain_list),
        "permit_rhswl_client": Word(permit_rhswl_client, domain_list),
        **{
            f"check_{name}_{kind}_access": Word(function, Servers)
            for name, function in WHOSE.items()
            for kind in ("mx", "ns", "a")
        },
        "check_policy_service": Word(check_policy_service, policy_service),
        "sleep": Word(sleep, seconds),
        **{word: Word(removed(word, instead)) for word, instead in REMOVED.items()},
        "reject_multi_recipient_bounce": Word(reject_multi_recipient_bounce),
        "reject_unauth_pipelining": Word(reject_unauth_pipelining),
        "reject_plaintext_session": Word(reject_plaintext_session),
    }
)
"""Every word of a restriction list."""

REJECTING = frozenset(
    {"reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit",
     "check_relay_domains"}
)
"""One of them must stand in the relay or recipient list, or anybody may relay."""
