"""alias - the alias databases: who gets mail for a name

A name that stands in its own expansion means the user. An alias with a companion `owner-NAME` gives the
mail a new sender. Files and commands are touched as the owner of the table; where that is root, as default_privs.

Parameters: alias_maps, expand_owner_alias, owner_request_special, reset_owner_alias,
            frozen_delivered_to, propagate_unmatched_extensions
Sources:    aliases(5), local(8)
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterable

from pyfix.clients.deliver import Flags
from pyfix.clients.rewrite import RULE_LOCAL
from pyfix.delivery.local import log
from pyfix.delivery.local.state import Attempt, Parts, Rights, State, rights_of
from pyfix.delivery.outcome import Expanded
from pyfix.mail.address import quote, unquote
from pyfix.maps.run_now import run_now
from pyfix.maps.table import LocalTable, Table, TableError
from pyfix.unix import msg

NOTIFY_NEVER, NOTIFY_SUCCESS = 1, 2

Expand = Callable[[Attempt, State, Iterable[str]], Parts[int]]
"""Deliver to all that these lines name; how many they are."""


def deliver_alias(attempt: Attempt, state: State, name: str, expand: Expand) -> Parts[bool]:
    """Deliver to what a name stands for; False: it is no alias."""
    if state.exp_from.lower() == name:
        return False
    found = None
    try:
        found = _find(attempt, name)
        owner = _owner_address(attempt, name) if found is not None else None
    except TableError:
        yield state.outcome("4.3.0", "alias database unavailable")
        return True
    if found is None:
        return False
    value, rights = found
    if rights is None:
        yield state.outcome("4.3.0", "cannot find alias database owner")
        return True
    if attempt.delivery.request.flags & Flags.MTA_VRFY:
        yield state.outcome("2.0.0", f"aliased to {value}")
        return True
    inner = _inner(attempt, state, name, owner).but(rights=rights)
    count = yield from expand(attempt, inner, [value])
    if not count:
        msg.warning(log.no_recipient(name))
        yield state.outcome("4.3.0", "alias database unavailable")
    else:
        yield from expanded(attempt, state, "expanded" if owner is None else "delivered")
    return True


def _inner(attempt: Attempt, state: State, name: str, owner: str | None) -> State:
    """The state inside of the expansion."""
    cfg = attempt.setup.cfg
    inner = without_success(state).but(exp_from=name, exp_type="alias", blamed=owner)
    if owner is not None:
        inner = inner.to(original="", dsn_orig_rcpt="").but(sender=owner, owner=owner)
    elif cfg.reset_owner_alias:
        inner = inner.but(owner=None)
    if not cfg.frozen_delivered_to:
        inner = inner.but(delivered=state.recipient.address)
    if "alias" not in attempt.setup.propagate:
        inner = inner.but(unmatched="")
    return inner


def without_success(state: State) -> State:
    """What an alias stands for does not report success: the alias does, once."""
    notify = state.recipient.notify
    return state.to(notify=NOTIFY_NEVER if notify == NOTIFY_SUCCESS else notify & ~NOTIFY_SUCCESS)


def expanded(attempt: Attempt, state: State, action: str = "expanded") -> Parts[None]:
    """Tell a sender who wants to know that the address stands for others; for a list, that it was delivered."""
    if state.recipient.notify & NOTIFY_SUCCESS and not attempt.waiting(state):
        yield Expanded(state.recipient, "2.0.0", "alias expanded", action=action, part=True)


def _find(attempt: Attempt, name: str) -> tuple[str, Rights | None] | None:
    """What a name stands for, and the rights of the table that says so (None: its owner has no name)."""
    for table in attempt.setup.alias_maps.tables:
        try:
            value = run_now(table.lookup(name))
        except TableError:
            msg.warning(log.lookup_failed(table.name, name))
            raise
        if value:
            return value, _rights(table)
    return None


def _rights(table: Table) -> Rights | None:
    uid = table_owner(table)
    if uid == 0:
        return Rights()
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        msg.warning(log.no_table_owner(table.name))
        return None
    return rights_of(user)


def table_owner(table: Table) -> int:
    """The uid of who may change a table's file; 0 where there is none."""
    if not isinstance(table, LocalTable):
        return 0
    fd = getattr(table.source.watch, "fd", None)
    return 0 if fd is None else os.fstat(fd).st_uid


def _owner_address(attempt: Attempt, name: str) -> str | None:
    """The sender that mail to this list gets; None: there is no owner- alias. TableError."""
    if not attempt.setup.mail.owner_request_special:
        return None
    owner = f"owner-{name}"
    value = run_now(attempt.setup.alias_maps.find(owner))
    if value is None:
        return None
    address = value if attempt.setup.cfg.expand_owner_alias else quote(owner)
    return unquote(run_now(attempt.setup.rewriter.rewrite(RULE_LOCAL, address)))


def loop_owner(attempt: Attempt, address: str) -> str | None:
    """The owner of the list at an address, with its extension or without; None: there is none. TableError."""
    name = address.rpartition("@")[0]
    owner = _owner_address(attempt, name)
    user = attempt.setup.extensions.split(name)[0]
    return owner if owner or user == name else _owner_address(attempt, user)
