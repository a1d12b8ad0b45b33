"""servers - access tables asked about the servers of a domain: its mail exchangers, name servers, addresses

    check_sender_mx_access type:table     check_helo_ns_access ...     check_client_a_access ...

Keys are the name of each server with its parents, and its addresses with their networks; of
the A kind only the domain's own addresses. A domain without MX records is its own mail
exchanger; one without NS records has those of its parent. What can't be looked up is left
out, with a warning. Values that permit are refused: who runs a domain's DNS would decide.

Addresses are those that the system has for a name: its hosts file is read, too, and no filter
of DNS replies is asked.

Sources: postconf(5) check_sender_mx_access and its kind.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

from pyfix.config.networks import protocols
from pyfix.dns.answer import NO_DATA, NO_NAME, TRY_AGAIN, Dropped, Malformed, NotFound, NullMx, Resolver, TryAgain
from pyfix.dns.hosts import HostsFile
from pyfix.maps.network import parse_address
from pyfix.smtpd import log
from pyfix.smtpd.access import Access, access, domain_keys, network_keys, never_ok
from pyfix.smtpd.hostnames import is_literal
from pyfix.smtpd.peer import UNKNOWN
from pyfix.smtpd.resolver import resolver, unfiltered_resolver
from pyfix.smtpd.restrictions import DUNNO, Check, Lists, Stage, Verdict
from pyfix.unix import msg

KINDS = {"ipv4": "A", "ipv6": "AAAA"}
NO_HOST = "Name or service not known"
NO_ADDRESS = "No address associated with hostname"
NOT_NOW = "Temporary failure in name resolution"


class HostAddresses:
    """The addresses that the system has for names."""

    __slots__ = ("_file", "_kinds", "_resolver")

    def __init__(self, lists: Lists) -> None:
        self._resolver: Resolver = unfiltered_resolver(lists)
        self._file: HostsFile = lists.once("hosts", HostsFile.read)
        self._kinds = [KINDS[protocol] for protocol in protocols(lists.site.main)]

    async def find(self, host: str) -> tuple[list[str], str]:
        """Addresses, and why there are none."""
        addresses = _numeric(host) or self._known(host)
        reason = NO_HOST
        for kind in [] if addresses else self._kinds:
            try:
                records = await self._resolver.lookup(host.removesuffix("."), kind)
                addresses += [record.data for record in records]
            except NotFound as error:
                reason = NO_ADDRESS if error.exists else reason
            except (TryAgain, Malformed, NullMx):
                reason = NOT_NOW
        return addresses, reason

    def _known(self, host: str) -> list[str]:
        """What the hosts file says."""
        known = self._file.addresses(host)
        return [address for kind in self._kinds for address in known if (":" in address) == (kind == "AAAA")]


class Servers:
    """One restriction: its word, its table, and which servers it is about ("MX", "NS", "A")."""

    __slots__ = ("_hosts", "_kind", "_resolver", "_table", "_word")

    def __init__(self, lists: Lists, word: str, spec: str) -> None:
        """BadArgument without a table."""
        self._word = word
        self._table: Access = access(lists, word, spec)
        self._kind = word.lower().removesuffix("_access").rpartition("_")[2].upper()
        self._resolver: Resolver = resolver(lists)
        self._hosts = HostAddresses(lists)

    async def decide(self, check: Check, name: str, stage: Stage, about: str = "") -> Verdict:
        """What the table says about the servers of a name or of a mail address's domain.

        about: how replies and the log call it; empty: by that name.
        """
        about = about or name
        found = await self._find(name, f"{stage.value} {about}")
        if found is None:
            return DUNNO
        return never_ok(check, self._word, name, await self._table.act(check, found, stage, about))

    async def _find(self, name: str, about: str) -> tuple[str, str] | None:
        domain = name.rpartition("@")[2]
        if domain.startswith("["):
            literal = domain[1:-1]
            if self._kind == "NS" or not domain.endswith("]") or not is_literal(literal):
                return None
            return await self._by_address(literal[5:] if ":" in literal else literal)
        for server in await self._servers(domain, name):
            if parse_address(server) is not None:
                found = await self._by_address(server)
            else:
                found = None if self._kind == "A" else await self._by_name(server)
                for address in [] if found else await self._addresses_of(server, about):
                    found = found or await self._by_address(address)
            if found is not None:
                return found
        return None

    async def _by_name(self, server: str) -> tuple[str, str] | None:
        return await self._table.first(domain_keys(server, dot=self._table.dot, parts=self._table.parts))

    async def _by_address(self, address: str) -> tuple[str, str] | None:
        return await self._table.first(network_keys(address, parts=self._table.parts))

    async def _servers(self, domain: str, name: str) -> list[str]:
        """Host names."""
        while self._kind != "A":
            try:
                return [record.data for record in await self._resolver.lookup(domain, self._kind)]
            except NotFound as error:
                if self._kind == "MX":
                    break
                reason = NO_DATA if error.exists else NO_NAME
                _, dot, domain = domain.partition(".")
                if not dot:
                    msg.warning(log.no_servers(self._kind, name, reason))
                    return []
            except NullMx:
                return []
            except Dropped:
                msg.warning(log.no_servers(self._kind, domain, "DNS reply filter policy"))
                return []
            except (TryAgain, Malformed) as error:
                reason = TRY_AGAIN if isinstance(error, TryAgain) else "Malformed or unexpected name server reply"
                msg.warning(log.no_servers(self._kind, domain, reason))
                return []
        return [domain]

    async def _addresses_of(self, server: str, about: str) -> list[str]:
        addresses, reason = await self._hosts.find(server)
        if not addresses and self._kind != "A":
            msg.warning(log.no_server_address(self._kind, server, about, reason))
        return addresses


def _numeric(name: str) -> list[str]:
    """The address that a name like `127.1` is."""
    try:
        return [socket.inet_ntoa(socket.inet_aton(name))]
    except (OSError, UnicodeError):
        return []


# Restrictions: what the servers are of


async def _client(check: Check, servers: Servers) -> Verdict:
    name = check.peer.name
    return DUNNO if name == UNKNOWN else await servers.decide(check, name, Stage.CLIENT, check.peer.client)


async def _reverse_client(check: Check, servers: Servers) -> Verdict:
    name = check.peer.names.reverse_name
    return DUNNO if name == UNKNOWN else await servers.decide(check, name, Stage.REVERSE_CLIENT)


async def _helo(check: Check, servers: Servers) -> Verdict:
    return await servers.decide(check, check.helo, Stage.HELO) if check.helo else DUNNO


async def _sender(check: Check, servers: Servers) -> Verdict:
    return await servers.decide(check, check.sender, Stage.SENDER) if check.sender else DUNNO


async def _recipient(check: Check, servers: Servers) -> Verdict:
    return await servers.decide(check, check.recipient, Stage.RECIPIENT) if check.recipient else DUNNO


WHOSE: dict[str, Callable[[Check, Any], Awaitable[Verdict]]] = {
    "client": _client,
    "reverse_client_hostname": _reverse_client,
    "helo": _helo,
    "sender": _sender,
    "recipient": _recipient,
}
"""check_NAME_mx_access, check_NAME_ns_access, check_NAME_a_access"""
