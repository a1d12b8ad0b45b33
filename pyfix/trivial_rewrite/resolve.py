"""resolve - where the mail for an address goes

    resolved, by_sender = await Resolver(...).resolve(sender, "user@example.com")

First the domains of this host are peeled off, with the routes that a local part may hold
(`user%other@here`, `other!user@here`, `"user@other"@here`), until what is left is local or
someone else's. Then the domain's class gives transport and nexthop, relayhost and the
sender change that for mail that leaves, the transport table changes it for all, and the
relocated table ends it.

A table in trouble gives FLAG_FAIL, a domain that can't be one FLAG_ERROR.

Parameters: resolve_null_domain resolve_numeric_domain resolve_dequoted_address
allow_min_user smtputf8_enable swap_bangpath allow_percent_hack empty_address_recipient myhostname
relayhost *_transport sender_dependent_*_maps transport_maps relocated_maps
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyfix.clients.rewrite import (
    CLASS_ALIAS,
    CLASS_DEFAULT,
    CLASS_LOCAL,
    CLASS_RELAY,
    FLAG_ERROR,
    FLAG_FAIL,
    FLAG_ROUTED,
    Resolved,
)
from pyfix.mail.address import NO_EXTENSIONS, Extensions, quote
from pyfix.mail.dsn import split_dsn
from pyfix.mail.tokens import QUOTED, Token, internal, scan
from pyfix.maps.addresses import find_address
from pyfix.maps.maps import Maps
from pyfix.maps.table import TableError
from pyfix.trivial_rewrite.classes import Classes, lookup_failure
from pyfix.trivial_rewrite.hostname import is_address, is_hostname, is_literal
from pyfix.trivial_rewrite.rewrite import Context, ends_with_dot, find_last, is_empty, rewrite_tokens
from pyfix.trivial_rewrite.transport import Route, TransportTable
from pyfix.unix import msg

NO_TRANSPORT = "CHANNEL NOT UPDATED"
NO_NEXTHOP = "NEXTHOP NOT UPDATED"
DUNNO = "dunno"
ROUTE_MARK = re.compile("[@!%]")


@dataclass(frozen=True, slots=True)
class Syntax:
    """How addresses are taken apart; the names are the parameters'."""

    myhostname: str
    myorigin: str
    empty_address_recipient: str = "MAILER-DAEMON"
    resolve_dequoted_address: bool = True
    resolve_null_domain: bool = False
    resolve_numeric_domain: bool = False
    allow_min_user: bool = False
    smtputf8_enable: bool = True


@dataclass(frozen=True, slots=True)
class BySender:
    """A table of the sender's, with the key for the null sender."""

    maps: Maps
    null_key: str
    extensions: Extensions = NO_EXTENSIONS


@dataclass(frozen=True, slots=True)
class Routes:
    """What says where mail goes. transports: class bit -> transport[:nexthop]."""

    transports: dict[int, str]
    names: dict[int, str]
    """Class bit -> file and parameter that are to blame for an empty transport."""
    relayhost: str
    relayhost_by_sender: BySender
    default_by_sender: BySender
    table: TransportTable
    relocated: Maps
    relocated_prefix: str = "5.1.6 User has moved to "
    extensions: Extensions = NO_EXTENSIONS
    unknown_alias: str = "5.1.1 User unknown in virtual alias table"


class EndError(Exception):
    """Resolving ends here, with these flags."""

    def __init__(self, flags: int) -> None:
        super().__init__(flags)
        self.flags = flags


class Resolver:
    """Answers of one configuration."""

    def __init__(self, syntax: Syntax, rewriting: Context, classes: Classes, routes: Routes) -> None:
        self._syntax = syntax
        self._rewriting = rewriting
        self._classes = classes
        self._routes = routes

    async def resolve(self, sender: str, address: str) -> tuple[Resolved, bool]:
        """Where an address goes (internal form), and whether another sender's might go elsewhere."""
        resolved = Resolved(NO_TRANSPORT, NO_NEXTHOP, "NEXTRCPT NOT UPDATED", 0)
        by_sender = False
        try:
            local = await self._destination(address, resolved)
            by_sender = await self._route(sender, resolved, local=local)
        except EndError as end:
            resolved.flags |= end.flags
        except TableError:
            resolved.flags |= FLAG_FAIL
        return resolved, by_sender

    # The address

    async def _destination(self, address: str, resolved: Resolved) -> bool:
        """Find the recipient behind the address; True: it is local."""
        tokens, local = await self._peel(address)
        resolved.recipient = recipient = internal(tokens)
        local_part, at, domain = recipient.rpartition("@")
        assert at  # the loop saw to it
        if is_address(domain) and self._syntax.resolve_numeric_domain:
            domain = f"[{domain}]"
            resolved.recipient = f"{local_part}@{domain}"
            local = local or await self._classes.is_local(domain)
        elif not self._is_domain(domain):
            raise EndError(FLAG_ERROR | CLASS_DEFAULT)
        if ROUTE_MARK.search(local_part):
            resolved.flags |= FLAG_ROUTED
        return local

    def _is_domain(self, domain: str) -> bool:
        if domain.startswith("["):
            return is_literal(domain)
        return is_hostname(domain) and (domain.isascii() or self._syntax.smtputf8_enable)

    async def _peel(self, address: str) -> tuple[list[Token], bool]:
        """Take the host's own domains off until a user or another domain is left."""
        tokens = scan(quote(address) or '""')
        own: list[Token] = []  # the last @domain that was taken off
        most = len(address.encode("utf-8", "surrogateescape")) + 101
        for _ in range(most):
            self._trim(tokens)
            if (at := find_last(tokens, "@")) >= 0:
                if at + 1 < len(tokens) and not await self._is_local(tokens[at + 1 :]):
                    return tokens, False
                own = tokens[at:]
                del tokens[at:]
            following = self._unroute(tokens)
            if following is not None:
                tokens = following
            elif not tokens or is_empty(tokens):
                tokens = scan(self._syntax.empty_address_recipient)
            elif not own:
                tokens = [*tokens, Token("@"), *scan(self._syntax.myhostname)]
            else:
                return [*tokens, *own], True
        msg.warning(f"resolve_addr: <{address}>: giving up after {most} iterations")
        raise EndError(FLAG_FAIL)

    async def _is_local(self, domain: list[Token]) -> bool:
        return await self._classes.is_local(internal(domain))

    def _trim(self, tokens: list[Token]) -> None:
        """A dot at the end of the domain goes, and with resolve_null_domain an empty domain."""
        if ends_with_dot(tokens) and find_last(tokens, "@") >= 0:
            tokens.pop()
        if self._syntax.resolve_null_domain and tokens and tokens[-1].kind == "@":
            tokens.pop()

    def _unroute(self, tokens: list[Token]) -> list[Token] | None:
        """Follow a route in the local part one step; None: there is none."""
        marks = self._marks()
        if any(token.kind in marks for token in tokens):
            return rewrite_tokens(self._rewriting, tokens)
        if not (self._syntax.resolve_dequoted_address and len(tokens) == 1 and tokens[0].kind == QUOTED):
            return None
        text = tokens[0].text
        mark = next((mark for mark in marks if mark in text), None)
        if mark is None:
            return None
        return rewrite_tokens(self._rewriting, scan(self._crack(text, mark)))

    def _crack(self, text: str, mark: str) -> str:
        """A quoted local part with a route in it, so that the route is seen."""
        if mark == "!":
            return text
        local, _, domain = text.rpartition(mark)
        return quote(f"{local}@{domain}")

    def _marks(self) -> list[str]:
        marks = ["@"]
        if self._rewriting.allow_percent_hack:
            marks.append("%")
        if self._rewriting.swap_bangpath:
            marks.append("!")
        return marks

    # The way there

    async def _route(self, sender: str, resolved: Resolved, *, local: bool) -> bool:
        """Fill in transport and nexthop; True: the sender had a say."""
        domain = resolved.recipient.rpartition("@")[2]
        bit = await self._classes.of(domain, local=local)
        resolved.flags |= bit
        route, by_sender = await self._class_route(bit, sender, domain)
        if bit != CLASS_ALIAS:
            route = await self._by_table(resolved.recipient, route)
        bare = bit == CLASS_LOCAL or domain.lower() == self._syntax.myorigin
        route = await self._relocated(resolved.recipient, route, bare=bare)
        resolved.transport, resolved.nexthop = route.transport, route.nexthop
        if not self._syntax.allow_min_user and resolved.recipient.startswith("-"):
            resolved.flags |= FLAG_ERROR
        return by_sender

    async def _class_route(self, bit: int, sender: str, domain: str) -> tuple[Route, bool]:
        routes = self._routes
        if bit == CLASS_ALIAS:
            return Route("error", routes.unknown_alias), False
        destination = routes.transports[bit]
        nexthop, by_sender = domain, False
        if bit == CLASS_DEFAULT and routes.default_by_sender.maps:
            destination = await self._ask(routes.default_by_sender, sender) or destination
            by_sender = True
        if bit in {CLASS_RELAY, CLASS_DEFAULT}:
            nexthop = await self._relay(sender) or domain
            by_sender = by_sender or bool(routes.relayhost_by_sender.maps)
        transport, _, own_nexthop = destination.partition(":")
        if not transport:
            self._blame(bit)
        return Route(transport, own_nexthop or nexthop), by_sender

    async def _relay(self, sender: str) -> str:
        """The host that takes all mail that leaves; empty: none does."""
        return await self._ask(self._routes.relayhost_by_sender, sender) or self._routes.relayhost

    async def _ask(self, table: BySender, sender: str) -> str | None:
        """The table's value for a sender; None: it has none, or DUNNO. TableError."""
        if not table.maps:
            return None
        address = sender or table.null_key
        _, at, domain = address.rpartition("@")
        bare = bool(at) and (domain.lower() == self._syntax.myorigin or await self._classes.is_local(domain))
        try:
            found = await find_address(table.maps, address, extensions=table.extensions, local=bare)
        except TableError:
            msg.warning(lookup_failure(table.maps.name))
            raise
        return None if found is None or found[0].lower() == DUNNO else found[0]

    def _blame(self, bit: int) -> None:
        msg.warning(f"{self._routes.names[bit]}: null transport is not allowed")
        raise EndError(FLAG_FAIL)

    async def _by_table(self, recipient: str, route: Route) -> Route:
        try:
            return await self._routes.table.route(recipient, route)
        except TableError:
            msg.warning(lookup_failure(self._routes.table.maps.name))
            raise

    async def _relocated(self, recipient: str, route: Route, *, bare: bool) -> Route:
        """Who has moved is told where to. bare: the localpart may be a key."""
        maps = self._routes.relocated
        if not maps:
            return route
        try:
            found = await find_address(maps, recipient, extensions=self._routes.extensions, local=bare)
        except TableError:
            msg.warning(lookup_failure(maps.name))
            raise
        return route if found is None else Route("error", self._relocated_text(found[0]))

    def _relocated_text(self, value: str) -> str:
        """Status and text, of which a table may have to have both."""
        if self._routes.relocated_prefix:
            return self._routes.relocated_prefix + value
        status, text = split_dsn(value, "")
        if status and text:
            return f"{status} {text}"
        msg.warning(f"relocated_maps result must contain RFC 3463 status and text: '{value}'")
        return "5.2.0 Mailbox is unavailable"
