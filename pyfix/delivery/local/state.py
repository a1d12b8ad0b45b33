"""state - what local knows while it expands one recipient

A State says for whom, as whom and why this very delivery is made; each step of an expansion works on a
changed copy. An Attempt is what all steps of one request share.
"""

from __future__ import annotations

import pwd
from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeVar

from pyfix.delivery.agent import PROBE, Delivery
from pyfix.delivery.command import SHELL
from pyfix.delivery.delivered import delivered_to
from pyfix.delivery.local.setup import Setup
from pyfix.delivery.outcome import Outcome
from pyfix.queue.file import Recipient
from pyfix.unix.as_user import as_user
from pyfix.unix.users import User

T = TypeVar("T")
Parts = Generator[Outcome, None, T]
"""Outcomes as they happen; the value says what the caller wants to know."""



class Rights(NamedTuple):
    """As whom files are touched and commands run. uid 0: nobody was chosen yet, root's own rights."""

    uid: int = 0
    gid: int = 0
    name: str = ""
    home: str = ""
    shell: str = ""


def rights_of(user: pwd.struct_passwd) -> Rights:
    """A user of the system; his shell is the usual one where none is named."""
    return Rights(user.pw_uid, user.pw_gid, user.pw_name, user.pw_dir, user.pw_shell or SHELL)


class State(NamedTuple):
    """One step.

    recipient: as in the queue file, with this step's address; sender: maybe a list's owner;
    delivered: what Delivered-To says; local, user, extension, domain: of the address, in lower case,
    extension with its delimiter; unmatched: extension that no table has matched; owner: who is behind this
    expansion; blamed: who is told when a file or command fails, None: the
    sender; exp_from, exp_type: the name and kind of
    table that led here; level: how deep; relayed: luser_relay led here.
    """

    recipient: Recipient
    sender: str
    delivered: str = ""
    local: str = ""
    user: str = ""
    extension: str = ""
    domain: str = ""
    unmatched: str = ""
    owner: str | None = None
    blamed: str | None = None
    exp_from: str = ""
    exp_type: str = ""
    level: int = 0
    relayed: bool = False
    rights: Rights = Rights()

    def but(self, **changes: Any) -> State:
        """The same with other values."""
        return self._replace(**changes)

    def to(self, **changes: Any) -> State:
        """The same with other values in its recipient."""
        old = self.recipient
        fields = {name: getattr(old, name) for name in Recipient.__slots__} | changes
        return self._replace(recipient=Recipient(**fields))

    def outcome(self, status: str, reason: str, **more: Any) -> Outcome:
        """What became of this step."""
        return Outcome(self.recipient, status, reason, part=True, **more)


class Forward(NamedTuple):
    """Mail to be posted anew: one message for each sender and Delivered-To."""

    state: State
    recipients: list[Recipient]


class Attempt:
    """One request. seen: what was done already; forwards: both of the recipient at hand."""

    __slots__ = ("delivery", "forwards", "headers", "seen", "setup")

    def __init__(self, setup: Setup, delivery: Delivery) -> None:
        self.setup = setup
        self.delivery = delivery
        self.seen: set[str] = set()
        self.forwards: dict[tuple[str, str], Forward] = {}
        self.headers = delivered_to(delivery)

    def been_here(self, key: str) -> bool:
        """Whether this was noted before; notes it, up to duplicate_filter_limit keys."""
        key = key.lower()
        if key in self.seen:
            return True
        limit = self.setup.duplicate_filter_limit
        if not limit or len(self.seen) < limit:
            self.seen.add(key)
        return False

    def was_here(self, key: str) -> bool:
        """Whether this was noted before."""
        return key.lower() in self.seen

    def waiting(self, state: State) -> int:
        """How many parts of this recipient were deferred."""
        return self.delivery.waiting.get(state.recipient.offset, 0)

    @property
    def probe(self) -> bool:
        """Nothing is to be delivered, only to be told where it would go."""
        return bool(self.delivery.request.flags & PROBE)

    def acting(self, rights: Rights, then: User | None = None) -> AbstractContextManager[None]:
        """Be that user for a while; afterwards `then`, or mail_owner."""
        return as_user(rights.uid, rights.gid, then or self.setup.owner)
