"""classes - the address class that a domain belongs to

| class | domains | transport |
|---|---|---|
| local | mydestination, inet_interfaces, proxy_interfaces | local_transport |
| virtual alias | virtual_alias_domains | error, unless an alias exists |
| virtual mailbox | virtual_mailbox_domains | virtual_transport |
| relay | relay_domains | relay_transport |
| default | all others | default_transport |

The first that fits counts. A domain in two lists is a mistake that is told once per look.

Sources: ADDRESS_CLASS_README.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Protocol

from pyfix.clients.rewrite import CLASS_ALIAS, CLASS_DEFAULT, CLASS_LOCAL, CLASS_VIRTUAL
from pyfix.maps.table import TableError
from pyfix.trivial_rewrite.hostname import is_literal
from pyfix.unix import msg


class DomainList(Protocol):
    """A list that says which domains are in it. name: the parameter."""

    name: str

    async def matches(self, domain: str, /) -> bool:
        """Whether the domain is in it; TableError when that can't be told."""


class Classes:
    """All domain lists. addresses: those of this host, for address literals; nag: tell mistakes."""

    def __init__(
        self,
        mydestination: DomainList,
        addresses: frozenset[str],
        lists: list[tuple[int, DomainList]],
        *,
        nag: bool = True,
    ) -> None:
        self._mydestination = mydestination
        self._addresses = addresses
        self._lists = lists
        self._nag = nag

    async def is_local(self, domain: str) -> bool:
        """Whether mail for the domain, or address literal, is for this host. TableError."""
        domain = domain.removesuffix(".")
        if not domain or domain.endswith("."):
            return False
        if await self._mydestination.matches(domain):
            return True
        return domain.startswith("[") and literal_address(domain) in self._addresses

    async def of(self, domain: str, *, local: bool) -> int:
        """The class of a domain: a CLASS bit. local: is_local said so. TableError."""
        if local:
            await self._tell_mistakes(domain, self._mydestination.name, (CLASS_ALIAS, CLASS_VIRTUAL))
            return CLASS_LOCAL
        for number, (bit, domains) in enumerate(self._lists):
            if await _matches(domains, domain):
                others = tuple(other for other, _ in self._lists[number + 1 :])
                await self._tell_mistakes(domain, domains.name, others)
                return bit
        return CLASS_DEFAULT

    async def _tell_mistakes(self, domain: str, name: str, others: tuple[int, ...]) -> None:
        if not self._nag:
            return
        for bit, domains in self._lists:
            if bit in others and await _matches(domains, domain):
                msg.warning(in_both(domain, name, domains.name))


async def _matches(domains: DomainList, domain: str) -> bool:
    try:
        return await domains.matches(domain)
    except TableError:
        msg.warning(lookup_failure(domains.name))
        raise


def literal_address(domain: str) -> str:
    """The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]`, in its usual spelling; empty: there is none.

    An IPv4 address written as an IPv6 one counts as the IPv4 address.
    """
    if not is_literal(domain):
        return ""
    first, _, rest = domain[1:-1].partition(":")
    address = ip_address(rest or first)
    return str(getattr(address, "ipv4_mapped", None) or address)


def in_both(domain: str, first: str, second: str) -> str:
    """The domain is listed twice."""
    return f"do not list domain {domain} in BOTH {first} and {second}"


def lookup_failure(parameter: str) -> str:
    """A list or table can't answer."""
    return f"{parameter} lookup failure"


