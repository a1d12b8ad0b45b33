"""dnsxl - lists of clients and domains that are asked by DNS

    reject_rbl_client list.example              is there 4.3.2.1.list.example for 1.2.3.4?
    reject_rbl_client list.example=127.0.0.[2..4]   ... with one of these addresses?
    reject_rhsbl_sender list.example            is there sender-domain.list.example?

A list that can't be asked now is left out, with a warning; one that permits then turns
refusals into deferrals. What a list permits never relays. Answers are kept by the resolver
for as long as they hold.

Parameters: maps_rbl_reject_code, default_rbl_reply, rbl_reply_maps.
Sources: postconf(5), RFC 5782.
"""

from __future__ import annotations

import re

from pyfix.config.expand import ExpandError
from pyfix.config.hosts import name_problem
from pyfix.dns.answer import Malformed, NotFound, NullMx, Resolver, TryAgain
from pyfix.mail.dsn import split_dsn
from pyfix.maps.maps import Maps
from pyfix.maps.network import parse_address
from pyfix.maps.table import TableError
from pyfix.smtpd import log
from pyfix.smtpd.address_pattern import AddressPattern, BadPattern
from pyfix.smtpd.expand import expanded, names
from pyfix.smtpd.peer import UNKNOWN
from pyfix.smtpd.relay import is_ours
from pyfix.smtpd.resolver import resolver
from pyfix.smtpd.restrictions import DUNNO, BadArgument, Check, Lists, Stage, Verdict
from pyfix.smtpd.status import suiting
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply

CODE = re.compile(r"[45][0-9]{2}[ \t]", re.ASCII)


class Listing:
    """One list. text: as the restriction names it, with the addresses that count."""

    __slots__ = ("_counts", "_resolver", "domain", "replies", "text")

    def __init__(self, lists: Lists, text: str) -> None:
        """BadArgument when the addresses can't be understood."""
        site = lists.site
        self.text = text
        self.domain, equals, counts = text.partition("=")
        self._resolver: Resolver = resolver(lists)
        self.replies: Maps = lists.once(
            "rbl_reply_maps",
            lambda: Maps(
                site.cfg.rbl_reply_maps, name="rbl_reply_maps", config_dir=site.main.config_dir, utf8=site.utf8
            ),
        )
        try:
            self._counts = AddressPattern(counts) if equals else None
        except BadPattern as error:
            raise BadArgument(log.bad_pattern(str(error))) from None

    async def has(self, query: str) -> bool:
        """Whether the list answers, with an address that counts. TryAgain: logged."""
        name = f"{query}.{self.domain}"
        try:
            found = await self._resolver.lookup(name, "A")
        except (Malformed, NotFound, NullMx):
            return False
        except TryAgain as error:
            msg.warning(log.list_trouble(name, error.text))
            raise
        return self._counts is None or any(self._counts.matches(record.data) for record in found)

    async def reason(self, query: str) -> str:
        """What the list says about it."""
        try:
            return (await self._resolver.lookup(f"{query}.{self.domain}", "TXT"))[0].data
        except (Malformed, NotFound, NullMx, TryAgain):
            return ""


def domain_list(lists: Lists, word: str, text: str) -> Listing:
    """The list behind a word. BadArgument without one."""
    if not text:
        raise BadArgument(log.needs_domain(word))
    return Listing(lists, text)


# By address


async def reject_rbl_client(check: Check, listing: Listing) -> Verdict:
    """The client's address is on a list."""
    return await _reject(check, listing, _reversed(check.peer.address), check.peer.address, Stage.CLIENT)


async def permit_dnswl_client(check: Check, listing: Listing) -> Verdict:
    """The client's address is on a list of good ones."""
    address = check.peer.address
    return await _permit(check, listing, "permit_dnswl_client", _reversed(address), address)


def _reversed(address: str) -> str:
    """The address as lists are asked for it."""
    if ":" not in address:
        return ".".join(reversed(address.split(".")))
    parsed = parse_address(address)
    return ".".join(reversed(f"{parsed.number:032x}")) if parsed is not None else ""


# By domain


async def reject_rhsbl_client(check: Check, listing: Listing) -> Verdict:
    """The client's verified name is on a list."""
    return await _reject_domain(check, listing, check.peer.name, Stage.CLIENT)


async def reject_rhsbl_reverse_client(check: Check, listing: Listing) -> Verdict:
    """The name of the client's address is on a list."""
    return await _reject_domain(check, listing, check.peer.names.reverse_name, Stage.REVERSE_CLIENT)


async def reject_rhsbl_helo(check: Check, listing: Listing) -> Verdict:
    """The HELO name is on a list."""
    return await _reject_domain(check, listing, check.helo, Stage.HELO)


async def reject_rhsbl_sender(check: Check, listing: Listing) -> Verdict:
    """The sender's domain is on a list."""
    return await _reject_domain(check, listing, check.sender, Stage.SENDER)


async def reject_rhsbl_recipient(check: Check, listing: Listing) -> Verdict:
    """The recipient's domain is on a list."""
    return await _reject_domain(check, listing, check.recipient, Stage.RECIPIENT)


async def permit_rhswl_client(check: Check, listing: Listing) -> Verdict:
    """The client's verified name is on a list of good ones."""
    domain = _domain(check.peer.name)
    if not domain:
        return DUNNO
    return await _permit(check, listing, "permit_rhswl_client", domain, check.peer.name)


async def _reject_domain(check: Check, listing: Listing, what: str | None, stage: Stage) -> Verdict:
    domain = _domain(what)
    return await _reject(check, listing, domain, what or "", stage) if domain else DUNNO


def _domain(what: str | None) -> str:
    domain = (what or "").rpartition("@")[2]
    return "" if domain == UNKNOWN or name_problem(domain) is not None else domain


# What follows


async def _permit(check: Check, listing: Listing, word: str, query: str, what: str) -> Verdict:
    if check.recipient is not None and not await is_ours(check):
        return DUNNO
    try:
        if await listing.has(query):
            return await check.permit(word, Stage.CLIENT, check.peer.client)
    except TryAgain:
        text = f"<{what}>: {Stage.CLIENT.value} rejected: Service unavailable"
        return check.defer_if_reject(Reply(450, "4.7.1", text))
    return DUNNO


async def _reject(check: Check, listing: Listing, query: str, what: str, stage: Stage) -> Verdict:
    try:
        if not await listing.has(query):
            return DUNNO
    except TryAgain:
        return DUNNO
    try:
        template = await listing.replies.find(listing.text)
        if template is None and listing.text != listing.domain:
            template = await listing.replies.find(listing.domain)
    except TableError:
        return check.configuration_error()
    template = template or check.site.cfg.default_rbl_reply
    text = _text(check, listing, what, stage, template, await listing.reason(query))
    if text is None:
        return check.configuration_error()
    if not CODE.match(text):
        msg.warning(log.bad_list_reply(text))
        return check.refuse(Reply(450, "4.7.1", "Service unavailable"))
    status, rest = split_dsn(text[4:], "5.7.1")
    return check.refuse(Reply(int(text[:3]), suiting(status, stage.value), rest))


def _text(check: Check, listing: Listing, what: str, stage: Stage, template: str, reason: str) -> str | None:
    """A reply by this template; None when that can't be understood: reported."""
    values = {
        "rbl_code": str(check.site.cfg.maps_rbl_reject_code),
        "rbl_domain": listing.domain,
        "rbl_what": what,
        "rbl_class": stage.value,
        "rbl_reason": reason,
        "rbl_txt": reason,
        **names(check.site, check.peer, check.helo, check.sender, check.recipient),
    }
    try:
        text, unknown = expanded(template, values, check.site.insertable)
    except ExpandError as error:
        msg.warning(log.bad_list_template(template, str(error)))
        return None
    return text if not unknown else None
