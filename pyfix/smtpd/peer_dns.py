"""peer_dns - what a client's address is called, asked of /etc/hosts and DNS

For daemons in a jail: hosts and servers were read before it closed.

Parameters: pyfix_dns_nameservers.
"""

from __future__ import annotations

from ipaddress import ip_address

from pyfix.config.main_cf import MainCf
from pyfix.dns.answer import Resolver
from pyfix.dns.hosts import HostsFile
from pyfix.mail.error import MailError, Retry
from pyfix.smtpd import log
from pyfix.smtpd.peer import OK, PERMANENT, TEMPORARY, Names, is_host_name
from pyfix.unix import msg


class DnsNames:
    """Names and addresses. Like peer.look_up, with the same outcomes and warnings."""

    def __init__(self, hosts: HostsFile, resolver: Resolver) -> None:
        self._hosts = hosts
        self._resolver = resolver

    @classmethod
    def from_config(cls, main: MainCf) -> DnsNames:
        """As the system and main.cf have it now."""
        from pyfix.dns.resolver import DnsResolver  # dnspython: only where it is needed

        return cls(HostsFile.read(), DnsResolver.from_config(main))

    async def look_up(self, address: str) -> Names:
        """The name, and whether the name has the address."""
        try:
            name = self._hosts.name(address) or await self._ptr(address)
        except MailError as error:
            code = _code(error)
            return Names(name_code=code, reverse_code=code)
        if not is_host_name(name):
            msg.warning(log.not_a_name(name))
            return Names()
        try:
            found = await self._addresses(name, "AAAA" if ":" in address else "A")
        except MailError as error:
            msg.warning(log.not_forward(name, address, error.text))
            return Names(reverse_name=name, name_code=_code(error), reverse_code=OK)
        if ip_address(address) not in found:
            msg.warning(log.not_forward(name, address))
            return Names(reverse_name=name, reverse_code=OK)
        return Names(name, name, OK, OK)

    async def _ptr(self, address: str) -> str:
        records = await self._resolver.lookup(ip_address(address).reverse_pointer, "PTR")
        return records[0].data

    async def _addresses(self, name: str, kind: str) -> set[object]:
        known = self._hosts.addresses(name)
        found = known or [record.data for record in await self._resolver.lookup(name, kind)]
        return {ip_address(each) for each in found}


def _code(error: MailError) -> int:
    return TEMPORARY if isinstance(error, Retry) else PERMANENT
