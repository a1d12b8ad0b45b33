"""mailbox - the user's own mailbox, or what main.cf has in its place

In this order: mailbox_transport_maps, mailbox_transport (for users that the system does not know,
too), mailbox_command_maps, mailbox_command, home_mailbox, mail_spool_directory. What stands in a mail
spool directory that its user can't write is made by root and given to the user; in one that a group can
write, that group helps.

Parameters: those, strict_mailbox_ownership, prepend_delivered_header
Sources:    local(8) MAILBOX DELIVERY
"""

from __future__ import annotations

import os
import stat
import time
from typing import NamedTuple

from pyfix.delivery import log
from pyfix.delivery.deliver_pass import NoTransportError, deferred, deliver_pass
from pyfix.delivery.local.command import deliver_command
from pyfix.delivery.local.file import deliver_maildir, letter_for
from pyfix.delivery.local.log import maps_trouble
from pyfix.delivery.local.state import Attempt, Parts, Rights, State
from pyfix.delivery.mail_copy import MBOX, MailboxError
from pyfix.delivery.mbox import NotOwnedError, NotRegularError
from pyfix.maps.maps import Maps
from pyfix.maps.run_now import run_now
from pyfix.maps.table import TableError
from pyfix.unix import msg
from pyfix.unix.as_user import can_switch
from pyfix.unix.users import User


def deliver_mailbox(attempt: Attempt, state: State, user: Rights | None) -> Parts[bool]:
    """Deliver to a user; False: there is no such user, and no transport that could know him."""
    if attempt.been_here(f"mailbox {state.local}"):
        return not (state.relayed and attempt.was_here(f"unknown {state.local}"))
    cfg = attempt.setup.cfg
    if (yield from deliver_transport(attempt, state, attempt.setup.mailbox_transport_maps, cfg.mailbox_transport)):
        return True
    if user is None:
        return False
    state = state.but(rights=user)
    try:
        command = run_now(attempt.setup.mailbox_command_maps.find(state.user)) or cfg.mailbox_command
    except TableError:
        msg.warning(maps_trouble("mailbox_command_maps", state.user))
        yield state.outcome("4.3.0", "table lookup failure")
        return True
    if command:
        yield from deliver_command(attempt, state, command)
    else:
        yield from _deliver_place(attempt, state)
    return True


def deliver_transport(attempt: Attempt, state: State, maps: Maps, transport: str) -> Parts[bool]:
    """Pass on to the user's transport, or the one for all; False: there is none."""
    try:
        transport = run_now(maps.find(state.user)) or transport
    except TableError:
        msg.warning(maps_trouble(maps.name, state.user))
        yield state.outcome("4.3.0", "table lookup failure")
        return True
    if not transport:
        return False
    delivery, timeout = attempt.delivery, attempt.setup.mail.ipc_timeout
    try:
        answer = deliver_pass(transport, delivery.request, state.recipient, state.sender, timeout)
    except NoTransportError:
        yield state.outcome("4.3.0", "mail transport unavailable")
        return True
    delivery.answer.bounced += answer.bounced
    if deferred(answer):
        delivery.answer.status = answer.status
        delivery.wait_for(state.recipient)
    return True


def _deliver_place(attempt: Attempt, state: State) -> Parts[None]:
    """To home_mailbox or below mail_spool_directory."""
    home_mailbox, spool = attempt.setup.cfg.home_mailbox, attempt.setup.mail.mail_spool_directory
    if not attempt.setup.cfg.frozen_delivered_to:
        state = state.but(delivered=state.recipient.address)
    if home_mailbox.endswith("/"):
        path = f"{state.rights.home}/{home_mailbox}"
        yield from deliver_maildir(attempt, state, path, state.delivered)
    elif not home_mailbox and spool.endswith("/"):
        yield from deliver_maildir(attempt, state, f"{spool}{state.user}/", state.delivered)
    elif attempt.probe:
        yield state.outcome("2.0.0", "delivers to mailbox")
    else:
        yield from _deliver_mbox(attempt, state, place(state, home_mailbox, spool))


class Place(NamedTuple):
    """A mbox: path; with whose rights it is opened and locked (uid, gid); owner: to give it to, or None."""

    path: str
    uid: int
    gid: int
    owner: tuple[int, int] | None = None


def place(state: State, home_mailbox: str, spool: str) -> Place:
    """Where the user's mbox is."""
    rights = state.rights
    if home_mailbox:
        return Place(f"{rights.home}/{home_mailbox}", rights.uid, rights.gid)
    path = f"{spool}/{state.user}"
    try:
        found = os.stat(spool)
    except OSError:
        return Place(path, rights.uid, rights.gid)
    if found.st_mode & stat.S_IWOTH or not can_switch():
        return Place(path, rights.uid, rights.gid)
    if found.st_mode & stat.S_IWGRP:
        return Place(path, rights.uid, found.st_gid)
    return Place(path, 0, 0, (rights.uid, rights.gid) if rights.uid else None)


def _deliver_mbox(attempt: Attempt, state: State, where: Place) -> Parts[None]:
    prefix = f"cannot update mailbox {where.path} for user {state.user}. "
    try:
        _append(attempt, state, where)
    except NotRegularError:
        yield state.outcome("5.2.0", f"{prefix}destination {where.path} is not a regular file")
    except NotOwnedError:
        msg.warning(log.OWNERSHIP_HINT)
        yield state.outcome("4.2.0", f"{prefix}destination {where.path} is not owned by recipient")
    except MailboxError as error:
        yield state.outcome(error.status, prefix + str(error), **error.more)
    else:
        yield state.outcome("2.0.0", "delivered to mailbox")


def _append(attempt: Attempt, state: State, where: Place) -> None:
    setup, rights = attempt.setup, state.rights
    spool = User("", where.uid, where.gid, "")
    as_spool = attempt.acting(Rights(where.uid, where.gid))
    with as_spool, setup.mbox.opened(where.path, owner=where.owner) as fd:
        setup.mbox.check(os.fstat(fd), rights.uid)
        with attempt.acting(rights, then=spool):
            setup.mbox.append(fd, letter_for(attempt, state, state.delivered, "file").chunks(MBOX, time.time()))
