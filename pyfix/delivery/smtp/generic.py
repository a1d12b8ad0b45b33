"""generic - addresses of this site made valid for the rest of the world, on their way out

The sender, the recipients and the addresses in the message's own headers; not those in attached messages.

Parameters: smtp_generic_maps, propagate_unmatched_extensions, recipient_delimiter, mydestination, myorigin,
inet_interfaces, proxy_interfaces. Sources: generic(5).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

from pyfix.clients.rewrite import RULE_LOCAL, Rewriter
from pyfix.config.hosts import SEPARATORS
from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.delivery.smtp import log
from pyfix.mail.address import NO_EXTENSIONS, Extensions, quote, split_address, unquote
from pyfix.mail.headers import ADDRESSES, KNOWN, fold_addresses, header_name
from pyfix.mail.tokens import Address, external, external_address, header_text, parse
from pyfix.maps.addresses import EXTERNAL, add_extension, extensions_of, find_address, keep_user
from pyfix.maps.maps import Maps
from pyfix.maps.resolve_local import local_domains
from pyfix.unix import msg


@dataclass(frozen=True, slots=True)
class Generic:
    """is_local: whether a domain takes bare names as table keys; propagate: extensions that a key left out."""

    maps: Maps
    rewriter: Rewriter
    is_local: Callable[[str], Awaitable[bool]]
    extensions: Extensions = NO_EXTENSIONS
    propagate: bool = False
    token_limit: int = 10240

    async def address(self, address: str) -> str:
        """What stands for an address, both in internal form. TableError."""
        domain = split_address(address)[1]
        local = domain is not None and await self.is_local(domain)
        found = await find_address(self.maps, address, extensions=self.extensions, local=local, keys=EXTERNAL)
        if found is None:
            return address
        value, extension = found
        results = _addresses(quote(keep_user(value, address)) if value[:1] == "@" else value)
        if len(results) != 1:
            msg.warning(log.multi_valued(self.maps.name, address))
        if not results:
            return address
        completed = unquote(await self.rewriter.rewrite(RULE_LOCAL, external_address(results[0].tokens)))
        return add_extension(completed, extension) if self.propagate else completed

    async def headers(self, lines: list[bytes]) -> list[bytes]:
        """The lines of all headers, with other addresses. TableError."""
        result: list[bytes] = []
        for header in _headers(lines):
            result += await self._header(header)
        return result

    async def _header(self, lines: list[bytes]) -> list[bytes]:
        name = header_name(lines[0])
        if name is None or not KNOWN.get(name.lower(), 0) & ADDRESSES:
            return lines
        raw = b"\n".join(lines).partition(b":")[2]
        items = parse(raw.decode("utf-8", "surrogateescape"), self.token_limit)
        changed = False
        for item in items:
            if isinstance(item, Address):
                changed |= await self._change(item)
        if not changed:
            return lines
        return fold_addresses(name + b": " + header_text(items).encode("utf-8", "surrogateescape"))

    async def _change(self, item: Address) -> bool:
        before = unquote(external(item.tokens))
        after = await self.address(before)
        if after == before:
            return False
        item.tokens = [token for one in _addresses(quote(after)) for token in one.tokens]
        return True


def _addresses(text: str) -> list[Address]:
    return [item for item in parse(text) if isinstance(item, Address)]


def _headers(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Each header's lines."""
    header: list[bytes] = []
    for line in lines:
        if header and line[:1] not in {b" ", b"\t"}:
            yield header
            header = []
        header.append(line)
    if header:
        yield header


def make_generic(main: MainCf, maps: Maps, rewriter: Rewriter) -> Generic | None:
    """As main.cf says; None: it does not say anything."""
    if not maps:
        return None
    mail = MailParams(main)
    return Generic(
        maps,
        rewriter,
        local_domains(main),
        extensions=extensions_of(mail),
        propagate="generic" in SEPARATORS.split(mail.propagate_unmatched_extensions.lower()),
        token_limit=mail.header_address_token_limit,
    )
