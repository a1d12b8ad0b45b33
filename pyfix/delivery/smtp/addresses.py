"""addresses - the servers of a destination, in the order in which they are tried

| destination | servers                                                             |
|-------------|---------------------------------------------------------------------|
| domain:name | for a service of use_srv_lookup what its SRV records name           |
| domain      | its MX hosts, best preference first; without MX records itself      |
| [host]      | its addresses                                                       |
| address     | itself                                                              |

Equals are shuffled. When one of them is this system, it and all that are no better are left out, so
that mail does not come back; when nothing is left, the mail loops.

Parameters: smtp_host_lookup, smtp_dns_support_level, disable_dns_lookups, smtp_address_preference,
smtp_balance_inet_protocols, smtp_randomize_addresses, smtp_mx_address_limit,
smtp_defer_if_no_mx_address_found, ignore_mx_lookup_error, inet_interfaces, inet_protocols,
proxy_interfaces, use_srv_lookup, allow_srv_lookup_fallback, ignore_srv_lookup_error.
Sources: RFC 5321 section 5.1, RFC 7505, RFC 2782.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from pyfix.config.hosts import SEPARATORS
from pyfix.config.params.smtp import SmtpParams
from pyfix.delivery.smtp import log
from pyfix.delivery.smtp.destination import Destination
from pyfix.dns.answer import NotFound, Record, Resolver
from pyfix.dns.hosts import HostsFile
from pyfix.mail.dsn import with_class
from pyfix.mail.error import MailError, Refused, Retry
from pyfix.unix import msg

SMTP_PORT = 25
KINDS = {"ipv4": "A", "ipv6": "AAAA"}


class Server(NamedTuple):
    """Where to connect to. host: its name as logs show it; address: IP address, or path with port 0."""

    host: str
    address: str
    port: int = 0
    preference: int = 0

    @property
    def name(self) -> str:
        """`host[address]`."""
        return f"{self.host}[{self.address}]"

    @property
    def name_port(self) -> str:
        """`host[address]:port`."""
        return f"{self.name}:{self.port}" if self.port else self.name


class Found(NamedTuple):
    """The servers of a destination. last: no other destination may be tried, this system is an MX itself."""

    servers: list[Server]
    last: bool = False


class Loops(Refused):
    """Mail would come back."""

    status = "5.4.6"


@dataclass(frozen=True)
class Here:
    """This system. own: its addresses and those of its proxies; protocols: "ipv4", "ipv6"."""

    own: frozenset[str]
    protocols: tuple[str, ...]


class Finder:
    """Finds servers."""

    def __init__(
        self, cfg: SmtpParams, resolver: Resolver, hosts: HostsFile, here: Here, *, lmtp: bool = False
    ) -> None:
        self._cfg = cfg
        self._resolver = resolver
        self._hosts = hosts
        self._here = here
        self._lmtp = lmtp
        level = cfg.smtp_dns_support_level
        self._srv = frozenset(SEPARATORS.split(cfg.use_srv_lookup.lower())) - {""}
        self._no_mx = level == "disabled" if level else cfg.disable_dns_lookups
        self._native = self._no_mx or "native" in cfg.smtp_host_lookup.lower()
        self._dns = self._no_mx or "dns" in cfg.smtp_host_lookup.lower()

    async def find(self, destination: Destination) -> Found:
        """The servers. MailError: there is none, its status and text say why."""
        detect = destination.port == SMTP_PORT and not self._lmtp
        if destination.mx and not self._no_mx:
            found = await self._service(destination) if destination.service.lower() in self._srv else None
            if found is not None:
                return found
            return await self._domain(destination, detect)
        return Found(await self._host(destination.host, destination.port, detect))

    async def _service(self, destination: Destination) -> Found | None:
        """What the SRV records of a domain name; None: it is to be taken as without such records."""
        name = f"_{destination.service.lower()}._tcp.{destination.host}"
        try:
            records = by_weight(await self._resolver.lookup(name, "SRV"))
        except NotFound:
            if self._cfg.allow_srv_lookup_fallback:
                return None
            raise
        except Retry:
            if self._cfg.ignore_srv_lookup_error:
                return None
            raise
        records = [Record(one.data, at, port=one.port) for at, one in enumerate(records)]
        return Found(self._balanced(self._sorted(await self._all(name, records, "SRV"))))

    async def _domain(self, destination: Destination, detect: bool) -> Found:
        domain, port = destination.host, destination.port
        try:
            records = await self._resolver.lookup(domain, "MX")
        except NotFound:
            return Found(await self._host(domain, port, detect))
        except MailError:
            if not self._cfg.ignore_mx_lookup_error:
                raise
            return Found(await self._host(domain, port, detect))
        return await self._exchangers(domain, port, sorted(records, key=lambda one: one.preference), detect)

    async def _exchangers(self, domain: str, port: int, records: list[Record], detect: bool) -> Found:
        servers = await self._all(domain, [one._replace(port=port) for one in records])
        servers = self._sorted(servers)
        ours = next((one for one in servers if one.address in self._here.own), None) if detect else None
        if ours is None:
            return Found(self._balanced(servers))
        best_found = servers[0].preference
        servers = [one for one in servers if one.preference < ours.preference]
        if servers:
            return Found(self._balanced(servers), last=True)
        if records[0].preference != best_found:
            raise Retry(log.no_primary_relay(domain), status="4.4.4")
        raise Loops(log.loops(domain))

    async def _all(self, domain: str, records: list[Record], kind: str = "MX") -> list[Server]:
        """The servers that records name. MailError: none of them has an address."""
        servers: list[Server] = []
        trouble: MailError = Retry(log.no_valid_host(domain, kind), status="4.4.4")
        passing = self._cfg.smtp_defer_if_no_mx_address_found
        for record in records:
            try:
                addresses = await self._addresses(record.data)
            except MailError as error:
                trouble = error
                passing = passing or isinstance(error, Retry)
                continue
            servers += [Server(record.data, address, record.port, record.preference) for address in addresses]
        if not servers:
            msg.warning(log.no_valid_host(domain, kind))
            raise Retry(trouble.text, status=with_class(trouble.status, "4")) if passing else trouble
        return servers

    async def _host(self, host: str, port: int, detect: bool) -> list[Server]:
        addresses = await self._addresses(host)
        if detect and any(address in self._here.own for address in addresses):
            raise Loops(log.loops(host))
        return self._balanced(self._sorted([Server(host, address, port) for address in addresses]))

    async def _addresses(self, host: str) -> list[str]:
        """The addresses of a host that this system can reach. MailError: none."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass
        native = self._native_addresses(host)
        if native:
            return native
        if self._dns:
            return await self._dns_addresses(host)
        raise Refused(log.no_host(host), status="5.4.4")

    def _native_addresses(self, host: str) -> list[str]:
        if not self._native:
            return []
        versions = [{"ipv4": 4, "ipv6": 6}[protocol] for protocol in self._here.protocols]
        return [one for one in self._hosts.addresses(host) if ip_address(one).version in versions]

    async def _dns_addresses(self, host: str) -> list[str]:
        found: list[str] = []
        trouble: MailError | None = None
        for protocol in self._here.protocols:
            try:
                found += [record.data for record in await self._resolver.lookup(host, KINDS[protocol])]
            except MailError as error:
                if trouble is None or isinstance(error, Retry) or not isinstance(trouble, Retry):
                    trouble = error
        if found:
            return found
        raise trouble or Retry("no network protocol is enabled", status="4.3.5")

    def _sorted(self, servers: list[Server]) -> list[Server]:
        """Best preference first; among equals by chance, or the preferred protocol first."""
        if self._cfg.smtp_randomize_addresses:
            random.shuffle(servers)
        first = {"ipv4": False, "ipv6": True}.get(self._cfg.smtp_address_preference.lower())
        return sorted(
            servers, key=lambda one: (one.preference, first is not None and (":" in one.address) is not first)
        )

    def _balanced(self, servers: list[Server]) -> list[Server]:
        """No more than the limit, and not all of one protocol when there are both."""
        limit = self._cfg.smtp_mx_address_limit
        if not limit or len(servers) <= limit or not self._cfg.smtp_balance_inet_protocols:
            return servers
        six = sum(":" in one.address for one in servers)
        room = dict(zip((False, True), _share(limit, len(servers) - six, six), strict=True))
        chosen = []
        for server in servers:
            is_six = ":" in server.address
            if room[is_six] > 0:
                room[is_six] -= 1
                chosen.append(server)
        return chosen


def by_weight(records: list[Record]) -> list[Record]:
    """SRV records, best priority first; among equals by chance, the heavier ones more often first."""
    left = sorted(records, key=lambda one: (one.preference, one.weight != 0))
    ordered: list[Record] = []
    while left:
        equals = [one for one in left if one.preference == left[0].preference]
        mark = random.randint(0, sum(one.weight for one in equals))  # noqa: S311 - spreads load only
        for chosen in equals:
            mark -= chosen.weight
            if mark <= 0:
                break
        left.remove(chosen)
        ordered.append(chosen)
    return ordered


def _share(limit: int, four: int, six: int) -> tuple[int, int]:
    """How many of each protocol are tried."""
    half = limit // 2
    if six < half:
        return limit - six, six
    if four < half:
        return four, limit - four
    return limit - half, half
