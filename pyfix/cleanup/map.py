"""map - addresses completed, made canonical and expanded

Envelope addresses are in internal form here, header addresses are tokens. A table that
can't answer, or that answers beyond all limits, ends the message (NotAcceptedError): it
comes again later.

Parameters: canonical_maps sender_canonical_maps recipient_canonical_maps canonical_classes
sender_canonical_classes recipient_canonical_classes virtual_alias_maps
virtual_alias_*_limit propagate_unmatched_extensions masquerade_*
Sources: ADDRESS_REWRITING_README, canonical(5), virtual(5)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pyfix.cleanup import log
from pyfix.cleanup.verdict import NotAcceptedError
from pyfix.clients.cleanup import STAT_DEFER, STAT_WRITE
from pyfix.clients.rewrite import RULE_LOCAL, Rewriter, is_complete
from pyfix.mail.address import NO_EXTENSIONS, Extensions, quote, split_address, unquote
from pyfix.mail.tokens import Address, external, parse
from pyfix.maps.addresses import ADDRESS, EXTERNAL, Found, add_extension, find_address
from pyfix.maps.maps import Maps
from pyfix.maps.table import TableError
from pyfix.unix import msg

NESTING = 10  # times that canonical maps are applied to their own result
EXPANSION_ERROR = "4.6.0 Alias expansion error"
ENVELOPE_SENDER = "envelope_sender"
ENVELOPE_RECIPIENT = "envelope_recipient"
HEADER_SENDER = "header_sender"
HEADER_RECIPIENT = "header_recipient"
SENDERS = frozenset({ENVELOPE_SENDER, HEADER_SENDER})

IsLocal = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Table:
    """Maps with the classes of addresses that they are for. senders: None for both sides."""

    maps: Maps
    classes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Masquerade:
    """masquerade_domains, masquerade_exceptions, masquerade_classes."""

    domains: tuple[str, ...] = ()
    exceptions: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()

    def apply(self, address: str) -> str:
        """The address with its domain cut to the first of the domains that it is below."""
        local, domain = split_address(address)
        if domain is None or local.lower() in self.exceptions:
            return address
        folded = domain.lower()
        for name in self.domains:
            bare = name.removeprefix("!").lower()
            if folded == bare or folded.endswith("." + bare):
                cut = name.startswith("!") or folded == bare
                return address if cut else f"{local}@{name}"
        return address


@dataclass(frozen=True, slots=True)
class AddressRules:
    """All that main.cf says about addresses."""

    canonical: tuple[Table, ...] = ()
    virtual: Maps | None = None
    masquerade: Masquerade = field(default_factory=Masquerade)
    extensions: Extensions = NO_EXTENSIONS
    keep_canonical_extension: bool = True
    keep_virtual_extension: bool = True
    expansion_limit: int = 1000
    recursion_limit: int = 1000
    length_limit: int = 1000


class AddressMapper:
    """Applies the rules.

    is_local: whether a domain takes bare names as table keys (or is myorigin); null: the sender, in lower case,
    that means nobody.
    """

    def __init__(self, rules: AddressRules, rewriter: Rewriter, is_local: IsLocal, null: str = "") -> None:
        self._rules = rules
        self._rewriter = rewriter
        self._is_local = is_local
        self._null = null
        self.only_completes = not rules.canonical and not rules.masquerade.domains
        """Complete addresses stay as they are, but for aliases."""
        self.has_aliases = rules.virtual is not None

    def is_final(self, address: str) -> bool:
        """Whether an address is complete and no rule changes it, but for aliases."""
        return self.only_completes and is_complete(address)

    def is_final_sender(self, address: str) -> bool:
        """The same of a sender."""
        return self.only_completes and is_complete(address) and address.lower() != self._null

    # Envelopes

    async def envelope(self, queue_id: str, address: str, kind: str, *, mapping: bool) -> str:
        """An envelope address, completed; mapping: canonical maps and masquerading too."""
        if address:
            address = unquote(await self._rewriter.rewrite(RULE_LOCAL, quote(address)))
            if kind == ENVELOPE_SENDER and address.lower() == self._null:
                address = ""
        return await self.canonical(queue_id, address, kind) if mapping else address

    async def canonical(self, queue_id: str, address: str, kind: str) -> str:
        """Canonical maps, then masquerading. kind: one of the four address classes."""
        for table in self._rules.canonical:
            if kind in table.classes:
                address = await self._map_one(queue_id, address, table.maps)
        masquerade = self._rules.masquerade
        return masquerade.apply(address) if kind in masquerade.classes else address

    async def _map_one(self, queue_id: str, address: str, maps: Maps) -> str:
        """The one address that a table makes of another, applied to its own result too."""
        for _ in range(NESTING):
            results = await self._look_up(queue_id, maps, address, self._rules.keep_canonical_extension)
            if not results:
                return address
            if len(results) > 1:
                msg.warning(log.multi_valued(queue_id, maps.name, address))
            before, address = address, results[0]
            if before.lower() == address.lower():
                return address
        msg.warning(log.unreasonable(queue_id, maps.name, "map nesting", address))
        return address

    # Headers

    async def header_address(
        self, queue_id: str, address: Address, rule: str, kind: str, *, mapping: bool
    ) -> bool:
        """Complete and map an address of a header in place; False: nothing has changed."""
        before = external(address.tokens)
        after = await self._rewriter.rewrite(rule, before)
        if mapping:
            internal = unquote(after)
            mapped = await self.canonical(queue_id, internal, kind)
            after = after if mapped == internal else quote(mapped)
        if after == before:
            return False
        address.tokens = [token for item in parse_address(after) for token in item.tokens]
        return True

    # Aliases

    async def expand(self, queue_id: str, address: str) -> list[str]:
        """The addresses that virtual_alias_maps make of one; it alone when it is in no table."""
        maps = self._rules.virtual
        if not maps:
            return [address]
        addresses = [address]
        final: set[str] = set()  # addresses that have expanded to themselves
        at = 0
        while at < len(addresses):
            if len(addresses) > self._rules.expansion_limit:
                self._give_up(log.unreasonable(queue_id, maps.name, "map expansion size", address))
            await self._expand_one(queue_id, maps, addresses, at, final, address)
            at += 1
        return addresses

    async def _expand_one(
        self, queue_id: str, maps: Maps, addresses: list[str], at: int, final: set[str], first: str
    ) -> None:
        """Replace addresses[at] by what the table says, again and again; further results go to the end."""
        count = 0
        while addresses[at].lower() not in final:
            if count >= self._rules.recursion_limit:
                self._give_up(log.unreasonable(queue_id, maps.name, "map nesting", first))
            count += 1
            before = addresses[at]
            results = await self._look_up(queue_id, maps, before, self._rules.keep_virtual_extension)
            if not results:
                return
            self._check_lengths(queue_id, maps, results)
            addresses[at] = results[0]
            addresses += results[1:]
            if before.lower() in [result.lower() for result in results]:
                final.add(before.lower())

    def _check_lengths(self, queue_id: str, maps: Maps, results: list[str]) -> None:
        limit = self._rules.length_limit
        long = next((result for result in results if len(result) > limit), None)
        if long is not None:
            self._give_up(log.unreasonable_result(queue_id, maps.name, long))

    def _give_up(self, why: str) -> None:
        msg.warning(why)
        raise NotAcceptedError(STAT_DEFER, EXPANSION_ERROR)

    # Tables

    async def find(self, queue_id: str, maps: Maps, address: str, keys: int = ADDRESS) -> Found | None:
        """A table's value for an address (internal form). keys: which are tried."""
        try:
            domain = split_address(address)[1]
            local = domain is not None and await self._is_local(domain)
            return await find_address(maps, address, extensions=self._rules.extensions, local=local, keys=keys)
        except TableError:
            msg.warning(log.map_problem(queue_id, maps.name, address))
            raise self._not_accepted(maps) from None

    def _not_accepted(self, maps: Maps) -> NotAcceptedError:
        """Because of what a table says, or can't say."""
        return NotAcceptedError(STAT_WRITE, EXPANSION_ERROR if maps is self._rules.virtual else "")

    async def _look_up(self, queue_id: str, maps: Maps, address: str, propagate: bool) -> list[str]:
        """The addresses (internal form) that a table has for one; none: it is not there. NotAcceptedError."""
        found = await self.find(queue_id, maps, address, EXTERNAL)
        if found is None:
            return []
        value, extension = found
        if value.startswith("@"):
            local = split_address(address)[0]
            return [unquote(await self._rewriter.rewrite(RULE_LOCAL, quote(local + value)))]
        results = []
        for item in parse_address('""' if value == "<>" else value):
            completed = unquote(await self._rewriter.rewrite(RULE_LOCAL, external(item.tokens)))
            results.append(add_extension(completed, extension) if propagate else completed)
        if not results:
            msg.warning(log.no_address(maps.name, address, value))
            msg.warning(log.map_problem(queue_id, maps.name, address))
            raise self._not_accepted(maps)
        return results


def parse_address(text: str) -> list[Address]:
    """The addresses of a comma-separated list in external form."""
    return [item for item in parse(text) if isinstance(item, Address)]
