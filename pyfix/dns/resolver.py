"""resolver - DNS lookups over dnspython

Configured from /etc/resolv.conf when it is made, before a jail closes; pyfix_dns_nameservers
names other servers (`address`, `address:port`, `[address]:port`). CNAMEs are followed, also where
the answer ends at one. What came is kept for its time to live, at most an hour; that there is
nothing, for a minute; that nobody answered, not at all. What goes through a filter is not kept either: its
tables may change.

Parameters: pyfix_dns_nameservers. Sources: RFC 1035, RFC 7505.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from pyfix.dns import library  # isort: skip - before dnspython
import dns._asyncio_backend
import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rdtypes.IN.SRV
import dns.resolver

from pyfix.config.hosts import SEPARATORS, name_problem
from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.dns import answer
from pyfix.dns.answer import Malformed, NotFound, NullMx, Record, TryAgain
from pyfix.dns.reply_filter import ReplyFilter
from pyfix.mail.error import MailError
from pyfix.unix import msg

MOST_RECORDS = 100
MOST_ALIASES = 10
MOST_KEPT = 5000  # answers in the cache
LONGEST = 3600.0  # seconds that an answer is kept
NEGATIVE = 60.0

_SERVER = re.compile(r"\[([^]]+)\](?::(\d+))?|([^:]+|[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*)(?::(\d+))?", re.ASCII)
UNPRINTABLE = re.compile(r"[^ -~]")
assert library
_ATTEMPTS = 2  # of each server, as resolver(5) has it


class DnsResolver:
    """nameservers: as pyfix_dns_nameservers; empty: those of /etc/resolv.conf."""

    def __init__(
        self,
        nameservers: str = "",
        *,
        timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        reply_filter: ReplyFilter | None = None,
    ) -> None:
        self._backend = dns.asyncbackend.set_default_backend("asyncio")
        self._resolver = _configured(nameservers)
        if timeout is not None:
            self._resolver.timeout = timeout
        self._resolver.lifetime = self._resolver.timeout * _ATTEMPTS * len(self._resolver.nameservers)
        self._clock = clock
        self._filter = reply_filter
        self._kept: dict[tuple[str, str], tuple[float, list[Record] | MailError]] = {}

    @classmethod
    def from_config(cls, main: MainCf, reply_filter: ReplyFilter | None = None) -> DnsResolver:
        """As main.cf says."""
        return cls(MailParams(main).pyfix_dns_nameservers, reply_filter=reply_filter)

    async def lookup(self, name: str, kind: str) -> list[Record]:
        """Records of a name, see answer.Resolver."""
        key = name.lower(), kind
        expires, found = self._kept.get(key, (0.0, None))
        if found is None or expires <= self._clock():
            found = await self._lookup(name, kind, key)
        if isinstance(found, MailError):
            raise found.with_traceback(None)
        return found

    async def _lookup(self, name: str, kind: str, key: tuple[str, str]) -> list[Record] | MailError:
        found: list[Record] | MailError
        ttl = NEGATIVE
        try:
            found, ttl = await self._follow(name, kind)
        except (Malformed, NotFound, NullMx) as error:
            found = error
        if self._filter is not None:
            return found
        if len(self._kept) >= MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = self._clock() + min(ttl, LONGEST), found
        return found

    async def _follow(self, name: str, kind: str) -> tuple[list[Record], float]:
        """The records behind all aliases, and for how many seconds they hold."""
        asked = _ascii(name)
        shown = name if name.isascii() else asked.to_text(omit_final_dot=True)
        for _ in range(MOST_ALIASES):
            try:
                reply = await self._resolver.resolve(
                    asked, kind, raise_on_no_answer=False, search=False, backend=self._backend
                )
            except dns.resolver.NXDOMAIN as error:
                shown = _end_of(error.responses(), shown)  # type: ignore[no-untyped-call]  # dnspython has no types there
                raise NotFound(answer.name_error(shown, kind, answer.NO_NAME)) from None
            except (dns.exception.DNSException, OSError) as error:
                if _is_loop(error):
                    break
                raise TryAgain(answer.name_error(shown, kind, answer.TRY_AGAIN)) from None
            if reply.rrset is not None:
                return _records(name, kind, await self._filtered(name, kind, reply)), reply.expiration - time.time()
            if reply.canonical_name == reply.qname:
                raise _nothing(shown, kind, reply.response)
            asked, shown = reply.canonical_name, reply.canonical_name.to_text(omit_final_dot=True)
        msg.warning(f"dns_lookup: {answer.loop(shown)}")
        raise NotFound(answer.loop(shown), exists=True)

    async def _filtered(self, name: str, kind: str, reply: dns.resolver.Answer) -> list[dns.rdata.Rdata]:
        """The records of an answer that count."""
        found = list(reply)
        if self._filter is None or reply.rrset is None:
            return found
        texts = [f"{reply.rrset.name} {reply.rrset.ttl} IN {kind} {data.to_text()}" for data in found]
        return [found[at] for at in await self._filter.kept(name, kind, texts)]


def _end_of(responses: Mapping[dns.name.Name, dns.message.QueryMessage], name: str) -> str:
    """The name at the end of the aliases that led to nothing; `name` when there were none."""
    for asked, response in responses.items():
        last = response.canonical_name()
        if last != asked:
            return last.to_text(omit_final_dot=True)
    return name


def _is_loop(error: Exception) -> bool:
    """Whether every server's answer was a circle of aliases."""
    if not isinstance(error, dns.resolver.NoNameservers):
        return False
    return all(isinstance(each[3], dns.message.ChainTooLong) for each in error.kwargs["errors"])


def _nothing(name: str, kind: str, response: dns.message.Message) -> MailError:
    """What it means that an answer has no record of the wanted kind."""
    owners = {rrset.name.to_text(omit_final_dot=True).lower() for rrset in response.answer}
    if not owners or (owners == {name.lower()} and kind == "MX"):
        return NotFound(answer.name_error(name, kind, answer.NO_DATA), exists=True)
    if name.lower() in owners:
        return Malformed(answer.malformed(name, kind))
    return TryAgain(answer.name_error(name, kind, answer.TRY_AGAIN))


def _records(name: str, kind: str, reply: list[dns.rdata.Rdata]) -> list[Record]:
    found = [_record(data) for data in reply[:MOST_RECORDS]]
    if kind in {"MX", "SRV"} and any(record.data == "" for record in found):
        raise NullMx((answer.null_mx if kind == "MX" else answer.null_srv)(name))
    if kind in {"MX", "SRV", "NS"}:
        found = [record for record in found if _is_host(name, kind, record.data)]
    if not found:
        raise Malformed(answer.malformed(name, kind))
    return found


def _record(data: dns.rdata.Rdata) -> Record:
    if isinstance(data, dns.rdtypes.ANY.MX.MX):
        return Record(data.exchange.to_text(omit_final_dot=True).removesuffix("."), data.preference)
    if isinstance(data, dns.rdtypes.ANY.NS.NS | dns.rdtypes.ANY.PTR.PTR):
        return Record(data.target.to_text(omit_final_dot=True))
    if isinstance(data, dns.rdtypes.ANY.TXT.TXT):
        return Record(UNPRINTABLE.sub(" ", b"".join(data.strings).decode("latin-1")))
    if isinstance(data, dns.rdtypes.IN.SRV.SRV):
        host = data.target.to_text(omit_final_dot=True).removesuffix(".")
        return Record(host, data.priority, data.weight, data.port)
    return Record(data.to_text())


def _is_host(name: str, kind: str, host: str) -> bool:
    """Whether the data of an MX, SRV or NS record can be a host; else it is left out. Odd ones are warned of."""
    problem = name_problem(host)
    if problem is None:
        return True
    numeric = problem.startswith("numeric")
    if not numeric:
        msg.warning(f"valid_hostname: {problem}")
    what = "numeric" if numeric else "malformed"
    msg.warning(f"{what} domain name in resource data of {kind} record for {name}: {host:.100}")
    return numeric


def _ascii(name: str) -> dns.name.Name:
    """The name as it is asked for; NotFound when it can't be one."""
    try:
        text = name if name.isascii() else name.encode("idna").decode("ascii")
        if name_problem(text) is None:
            return dns.name.from_text(text)
    except (UnicodeError, dns.exception.DNSException):
        pass
    raise NotFound(answer.bad_name(name))


def _configured(nameservers: str) -> dns.asyncresolver.Resolver:
    servers = [_server(word) for word in SEPARATORS.split(nameservers) if word]
    try:
        resolver = dns.asyncresolver.Resolver(configure=not servers)
    except (dns.resolver.NoResolverConfiguration, OSError):
        resolver = dns.asyncresolver.Resolver(configure=False)
        servers = [dns.nameserver.Do53Nameserver("127.0.0.1")]
    if servers:
        resolver.nameservers = servers
    resolver.timeout = max(resolver.timeout, 5.0)
    return resolver


def _server(word: str) -> dns.nameserver.Nameserver:
    found = _SERVER.fullmatch(word)
    if found is None:
        msg.fatal(f"bad pyfix_dns_nameservers value: {word}")
    return dns.nameserver.Do53Nameserver(found[1] or found[3], int(found[2] or found[4] or 53))
