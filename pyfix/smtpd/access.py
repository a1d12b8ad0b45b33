"""access - restrictions that ask a table about clients, names and addresses

Each has its keys, the first one found decides:

    client       name, its parents, address, shorter and shorter networks
    helo, etrn   name, its parents
    address      user+ext@domain, user@domain, domain, its parents, user+ext@, user@

Parents are `example.com` where parent_domain_matches_subdomains has smtpd_access_maps, else
`.example.com`. Pattern tables see only the whole name, address or mail address. Mail addresses
are asked for as the resolver completes them, in lower case, first with the quotes
of RFC 5322 and then without where that differs.

A table that can't answer refuses: 451 4.3.5 Server configuration error.

Parameters: smtpd_null_access_lookup_key, recipient_delimiter,
parent_domain_matches_subdomains, allow_untrusted_routing.
Sources: access(5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from pyfix.clients.cleanup import FLAG_DISCARD
from pyfix.clients.rewrite import FLAG_FAIL, FLAG_ROUTED, Resolved
from pyfix.mail.address import Extensions, quote
from pyfix.maps.maps import empty_result, lookup_error
from pyfix.maps.match import parent_matches
from pyfix.maps.network import parse_address
from pyfix.maps.open import open_table
from pyfix.maps.table import LocalTable, Table, TableError, fold_key
from pyfix.smtpd import log
from pyfix.smtpd.actions import Actions, Found
from pyfix.smtpd.notice import Trouble
from pyfix.smtpd.restrictions import DUNNO, OK, BadArgument, Check, Lists, Stage, Verdict
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply

NUMERIC = re.compile(r"[0-9.]+", re.ASCII)
TROUBLE = "451 4.3.5 Server configuration error"


class Access:
    """One table of access restrictions, and what its values mean."""

    __slots__ = ("_actions", "_table", "dot", "extensions", "name", "null_key", "utf8")

    def __init__(self, lists: Lists, spec: str) -> None:
        site = lists.site
        self._actions: Actions = lists.once("actions", lambda: Actions(lists))
        self.name = spec
        self._table: Table = open_table(spec, config_dir=site.main.config_dir, utf8=site.utf8)
        self.extensions = site.extensions
        self.dot = not parent_matches(site.mail.parent_domain_matches_subdomains, "smtpd_access_maps")
        self.null_key = site.cfg.smtpd_null_access_lookup_key
        self.utf8 = site.utf8

    @property
    def parts(self) -> bool:
        """Whether parts of names and addresses may be keys."""
        return self._table.fixed

    async def decide(self, check: Check, stage: Stage, name: str, *things: Sequence[str]) -> Verdict:
        """What the table says about the first thing that it has a key of."""
        for keys in things:
            found = await self.first(keys)
            if found is not None:
                return await self.act(check, found, stage, name)
        return DUNNO

    async def act(self, check: Check, found: tuple[str, str], stage: Stage, name: str) -> Verdict:
        """What something that was found means for what was asked about."""
        action, argument = self._actions.of(found[1])
        return await action(check, Found(self._table.name, *found, stage, name), argument)

    async def first(self, keys: Sequence[str]) -> tuple[str, str] | None:
        """keys[0], which is the whole of what the others are parts of, and the value of the first key that there is."""
        table = self._table
        key = ""
        try:
            for key in keys:
                if isinstance(table, LocalTable) and not table.waits:
                    value = table.lookup_now(key)
                else:
                    value = await table.lookup(key)
                if value:
                    return keys[0], value
                if value is not None:
                    empty_result(table.name, table.name, key)
                    return keys[0], TROUBLE
        except TableError:
            msg.warning(lookup_error(table.name, key))
            return keys[0], TROUBLE
        return None


def access(lists: Lists, word: str, spec: str) -> Access:
    """The table that stands behind a word. BadArgument when none does."""
    if ":" not in spec:
        raise BadArgument(log.bad_table(word, spec or word))
    table: Access = lists.once(spec, lambda: Access(lists, spec))
    return table


# Keys


@lru_cache(4096)
def network_keys(address: str, *, parts: bool) -> tuple[str, ...]:
    """For an address: itself, shorter and shorter networks."""
    if not parts:
        return (address,)
    mark = ":" if ":" in address else "."
    pieces = address.split(mark)
    networks = [mark.join(pieces[:size]) for size in range(len(pieces), 0, -1)]
    return tuple([network for network in networks if network])


@lru_cache(4096)
def domain_keys(name: str, *, dot: bool, parts: bool) -> tuple[str, ...]:
    """For a name: itself and its parents; an IPv4 address has none."""
    keys = [name] if name else []
    if not parts or (NUMERIC.fullmatch(name) and parse_address(name)):
        return tuple(keys)
    at = name.find(".", 1)
    while at > 0:
        start = at if dot else at + 1
        keys.append(name[start:])
        at = name.find(".", start + 1)
    return tuple([key for key in keys if key])


@lru_cache(4096)
def mail_keys(address: str, extensions: Extensions, *, dot: bool, parts: bool) -> tuple[str, ...]:
    """For a complete address in internal form."""
    if not parts:
        return _both_forms(address)
    user, _, domain = address.rpartition("@")
    bare, extension = extensions.split(user)
    users = [user, bare] if extension else [user]
    keys = [form for one in users for form in _both_forms(f"{one}@{domain}")]
    keys += domain_keys(domain, dot=dot, parts=True)
    return *keys, *[form for one in users for form in _both_forms(f"{one}@")]


def _both_forms(address: str) -> tuple[str, ...]:
    external = quote(address)
    return (address,) if external == address else (external, address)


# Restrictions


async def check_client_access(check: Check, table: Access) -> Verdict:
    """The client's verified name, and its address."""
    peer = check.peer
    return await _check_host(check, table, Stage.CLIENT, peer.client, peer.name)


async def check_reverse_client_hostname_access(check: Check, table: Access) -> Verdict:
    """The name that the client's address has, whether or not it leads back, and the address. It may not permit: who
    sends mail makes up that name.
    """
    name = check.peer.names.reverse_name
    verdict = await _check_host(check, table, Stage.REVERSE_CLIENT, name, name)
    return never_ok(check, "check_reverse_client_hostname_access", name, verdict)


async def _check_host(check: Check, table: Access, stage: Stage, about: str, name: str) -> Verdict:
    names = domain_keys(name, dot=table.dot, parts=table.parts)
    return await table.decide(check, stage, about, names, network_keys(check.peer.address, parts=table.parts))


def never_ok(check: Check, word: str, name: str, verdict: Verdict) -> Verdict:
    """The verdict of a table that may not permit, since others than the receiver decide what it is asked about."""
    if verdict is not OK or check.delegated.flags & FLAG_DISCARD:
        return verdict
    for line in log.permits(word, name):
        msg.warning(line)
    return check.configuration_error()


async def check_helo_access(check: Check, table: Access) -> Verdict:
    """The name in HELO."""
    return await _check_name(check, table, Stage.HELO, check.helo)


async def check_etrn_access(check: Check, table: Access) -> Verdict:
    """The domain in ETRN."""
    return await _check_name(check, table, Stage.ETRN, check.domain)


async def _check_name(check: Check, table: Access, stage: Stage, name: str | None) -> Verdict:
    if name is None:
        return DUNNO
    return await table.decide(check, stage, name, domain_keys(name, dot=table.dot, parts=table.parts))


async def check_sender_access(check: Check, table: Access) -> Verdict:
    """The sender, or smtpd_null_access_lookup_key for the null sender."""
    if check.sender is None:
        return DUNNO
    if not check.sender:
        return await table.decide(check, Stage.SENDER, "", (table.null_key,))
    resolved = await check.site.rewrite.resolve("", check.sender)
    return await _check_mail(check, table, Stage.SENDER, check.sender, resolved)


async def check_recipient_access(check: Check, table: Access) -> Verdict:
    """The recipient. OK means nothing for an address with a route in it: it would relay."""
    if not check.recipient:
        return DUNNO
    resolved = check.resolved or await check.resolve_recipient()
    verdict = await _check_mail(check, table, Stage.RECIPIENT, check.recipient, resolved)
    routed = resolved.flags & FLAG_ROUTED and not check.site.cfg.allow_untrusted_routing
    return DUNNO if verdict is OK and routed else verdict


async def _check_mail(
    check: Check, table: Access, stage: Stage, address: str, resolved: Resolved
) -> Verdict:
    if resolved.flags & FLAG_FAIL:
        return check.refuse_hard(Reply(451, "4.3.0", f"<{address}>: Temporary lookup failure"), Trouble.DATA)
    complete = fold_key(resolved.recipient, utf8=table.utf8)
    keys = mail_keys(complete, table.extensions, dot=table.dot, parts=table.parts)
    return await table.decide(check, stage, address, keys)


BY_LIST = {
    Stage.CLIENT: check_client_access,
    Stage.HELO: check_helo_access,
    Stage.SENDER: check_sender_access,
    Stage.RECIPIENT: check_recipient_access,
    Stage.ETRN: check_etrn_access,
}


async def check_by_list(check: Check, table: Access) -> Verdict:
    """A table without a word before it: what the list is about."""
    function = BY_LIST.get(check.list_stage)
    if function is not None:
        return await function(check, table)
    msg.warning(log.needs_word(check.list_stage.value, table.name))
    return check.configuration_error()
