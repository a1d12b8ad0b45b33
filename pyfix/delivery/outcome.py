"""outcome - what became of one recipient

An agent yields one for each recipient; the class of the status decides: 2 sent, 4 deferred,
5 bounced. A recipient that stands for several deliveries (an alias of a file and a command) has an
outcome for each of them, its parts, and is marked at the end, by Settled, when none was deferred.
Agents of batches await a Turn between the steps of a delivery.
"""

from __future__ import annotations

import errno
from collections.abc import Generator
from enum import Enum

from pyfix.clients.deliver import Dsn
from pyfix.queue.file import Recipient
from pyfix.unix.fsync import Sync


class Fate(Enum):
    """What a status means. probe: the word for a probe; action: of the DSN."""

    SENT = ("sent", "deliverable", "delivered")
    DEFERRED = ("deferred", "undeliverable", "delayed")
    BOUNCED = ("bounced", "undeliverable", "failed")

    def __init__(self, _: str, probe: str, action: str) -> None:
        self.probe = probe
        self.action = action


SENT, BOUNCED = Fate.SENT, Fate.BOUNCED  # a member's name is looked up in ten times the time
FATES = {"2": Fate.SENT, "4": Fate.DEFERRED, "5": Fate.BOUNCED}

MAY_PASS = frozenset(
    {
        *(errno.EINTR, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOLCK, errno.ENOMEM),
        *(errno.EROFS, errno.ESTALE, errno.ETIMEDOUT),
    }
)
"""The machine's trouble, not a file's: never a reason to bounce, whatever the default (Postfix takes that)."""


class Outcome:
    """One recipient's.

    status: enhanced code; reason: text for the log and for reports; relay: what the log names as
    the relay (None: the agent's usual word); action: instead of the fate's own ("relayed", ...);
    site: the trouble is the whole destination's; part: others of this recipient may follow, then
    Settled; features: what else the log line says (", tls=..."); blamed: who is told of a bounce instead of
    the sender (None: the sender); dsn_more: diag_type, diag_text, mta_type, mta_mname.
    """

    __slots__ = ("blamed", "dsn", "fate", "features", "part", "recipient", "relay", "site")

    def __init__(
        self,
        recipient: Recipient,
        status: str,
        reason: str,
        *,
        relay: str | None = None,
        action: str = "",
        site: bool = False,
        part: bool = False,
        features: str = "",
        blamed: str | None = None,
        **dsn_more: str,
    ) -> None:
        self.recipient = recipient
        self.fate = FATES.get(status[:1], Fate.DEFERRED)
        self.dsn = Dsn(status, reason, action or self.fate.action, **dsn_more)
        self.relay = relay
        self.site = site
        self.part = part
        self.features = features
        self.blamed = blamed

    def become(self, status: str, reason: str) -> None:
        """Another status of the same recipient."""
        before, self.fate = self.fate, FATES[status[:1]]
        self.dsn.status, self.dsn.reason = status, reason
        if self.fate is not before:
            self.dsn.action = self.fate.action


class Expanded(Outcome):
    """A recipient that stands for others: no line in the log, only who asked is told."""

    __slots__ = ()


class Settled:
    """All parts of a recipient have been told."""

    __slots__ = ("recipient",)

    def __init__(self, recipient: Recipient) -> None:
        self.recipient = recipient


Who = tuple[int, int]
"""uid, gid."""


class Turn:
    """Awaited between two steps. who: as whom the next one is to be done; sync: what is to be done before it."""

    __slots__ = ("sync", "who")

    def __init__(self, who: Who) -> None:
        self.who = who
        self.sync: Sync | None = None

    def __await__(self) -> Generator[Turn, None, None]:
        yield self
