"""mx_backup - permit_mx_backup: mail for domains that name this host as one of their second-best mail exchangers

With permit_mx_backup_networks all addresses of the best exchangers have to be in these networks.

Parameters: permit_mx_backup_networks.
Sources: postconf(5) permit_mx_backup.
"""

from __future__ import annotations

from pyfix.clients.rewrite import CLASS_LOCAL
from pyfix.dns.answer import TRY_AGAIN, Malformed, NotFound, NullMx, Resolver, TryAgain
from pyfix.maps.match import AddressMatch, parent_matches
from pyfix.smtpd import log
from pyfix.smtpd.relay import is_ours
from pyfix.smtpd.resolver import resolver
from pyfix.smtpd.restrictions import DUNNO, OK, Check, Lists, Stage, Verdict
from pyfix.smtpd.servers import HostAddresses
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply


class MxBackup:
    """What the word needs."""

    __slots__ = ("_hosts", "_networks", "_resolver")

    def __init__(self, lists: Lists) -> None:
        msg.warning(log.to_be_removed("permit_mx_backup", '"relay_domains"'))
        site = lists.site
        self._resolver: Resolver = resolver(lists)
        self._hosts = HostAddresses(lists)
        name, text = "permit_mx_backup_networks", site.cfg.permit_mx_backup_networks
        parents = site.mail.parent_domain_matches_subdomains
        self._networks = AddressMatch(text, name=name, parent=parent_matches(parents, name)) if text else None

    async def takes(self, check: Check, domain: str) -> bool:
        """Whether we are a domain's backup; a refusal becomes a deferral where that can't be told."""
        try:
            records = await self._resolver.lookup(domain, "MX")
        except (NotFound, NullMx):
            return False
        except (TryAgain, Malformed):
            _defer(check, f"information: {TRY_AGAIN}")
            return False
        best = min(record.preference for record in records)
        first = [record.data for record in records if record.preference == best]
        rest = [record.data for record in records if record.preference != best]
        if not await self._is_among(check, first, rest):
            return False
        return self._networks is None or await self._are_near(check, self._networks, first)

    async def _is_among(self, check: Check, first: list[str], rest: list[str]) -> bool:
        """We are one of the rest, and none of the first."""
        for host in first + rest:
            if await self._is_this_host(check, host):
                return host not in first
        return False

    async def _is_this_host(self, check: Check, host: str) -> bool:
        resolved = await check.site.rewrite.resolve("", f"postmaster@{host}")
        if resolved.flags & CLASS_LOCAL:
            return True
        return any(address in check.site.own for address in await self._addresses(check, host))

    async def _are_near(self, check: Check, networks: AddressMatch, hosts: list[str]) -> bool:
        for host in hosts:
            addresses = await self._addresses(check, host)
            for address in addresses:
                if not await networks.matches(address, ""):
                    return False
            if not addresses:
                return False
        return True

    async def _addresses(self, check: Check, host: str) -> list[str]:
        addresses, problem = await self._hosts.find(host)
        if not addresses:
            _defer(check, f"host {host}: {problem}")
        return addresses


def _defer(check: Check, what: str) -> None:
    text = f"<{check.recipient}>: {Stage.RECIPIENT.value} rejected: Unable to look up mail exchanger {what}"
    check.defer_if_reject(Reply(450, "4.4.4", text))


async def permit_mx_backup(check: Check, backup: MxBackup) -> Verdict:
    """The recipient's domain is ours, or we are its backup."""
    if check.recipient is None:
        return DUNNO
    if await is_ours(check):
        return OK
    domain = (await check.resolve_recipient()).recipient.rpartition("@")[2]
    return OK if not domain.startswith("[") and await backup.takes(check, domain) else DUNNO
