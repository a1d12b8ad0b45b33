"""transport - the transport table: where a recipient or a domain goes by hand

Keys: user+ext@domain, user@domain, domain, .parent domains (or parent, see
parent_domain_matches_subdomains), and last `*`. The value is `transport:nexthop`; what is
left out stays as it was, but a transport without a nexthop starts from the recipient's domain.

Sources: transport(5).
"""

from __future__ import annotations

from dataclasses import dataclass

from pyfix.mail.address import NO_EXTENSIONS, Extensions
from pyfix.maps.addresses import TRANSPORT, find_address
from pyfix.maps.maps import Maps

WILDCARD = "*"
WITH_TEXT = frozenset({"error", "retry"})  # services whose nexthop is a reason
NO_TEXT = "Address is undeliverable"


@dataclass(frozen=True, slots=True)
class Route:
    """Transport and nexthop."""

    transport: str
    nexthop: str


class TransportTable:
    """transport_maps. extensions: how they are split off; parent_style: parents without the dot."""

    def __init__(self, maps: Maps, *, extensions: Extensions = NO_EXTENSIONS, parent_style: bool = False) -> None:
        self.maps = maps
        self._extensions = extensions
        self._parent_style = parent_style

    async def route(self, recipient: str, otherwise: Route) -> Route:
        """Where the recipient (user@domain, internal form) goes; `otherwise` fills what is left out.

        TableError: the table can't answer.
        """
        if not self.maps:
            return otherwise
        found = await find_address(
            self.maps, recipient, extensions=self._extensions, keys=TRANSPORT, parent_style=self._parent_style
        )
        value = await self.maps.find(WILDCARD, partial=True) if found is None else found[0]
        if value is None:
            return otherwise
        return apply(value, recipient.rpartition("@")[2], otherwise)


def apply(value: str, domain: str, otherwise: Route) -> Route:
    """What a table's value makes of a route."""
    transport, _, nexthop = value.partition(":")
    if not transport:
        return Route(otherwise.transport, nexthop) if nexthop else otherwise
    return Route(transport, nexthop or (NO_TEXT if transport in WITH_TEXT else domain))
