"""queue - one destination of a transport: what waits for it and how much goes on at once

ready:     entries may leave while fewer than the window are busy
dead:      the window is 0 and `why` says why; a timer revives it
suspended: a rate delay runs; nothing leaves until it is over

Pure: timers belong to the transport.

Agents are told to keep connections once entries leave back to back (within a second of the last
answer), and until they do so no longer and no others are busy; they are told to look for kept
ones from then on.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from pyfix.clients.deliver import Dsn, Flags
from pyfix.qmgr.feedback import Rules, Window

if TYPE_CHECKING:
    from pyfix.qmgr.entry import Entry


BACK_TO_BACK = 1.0  # seconds


class Queue:
    """name: unique in its transport; nexthop: what the agent is told; listed: waits its turn in a JobList;
    connections: what agents are told about them.
    """

    __slots__ = ("busy", "connections", "last_done", "listed", "name", "nexthop", "suspended", "todo", "why", "window")

    def __init__(self, name: str, nexthop: str, rules: Rules) -> None:
        self.name = name
        self.nexthop = nexthop
        self.window = Window(rules)
        self.todo: deque[Entry] = deque()
        self.busy = 0
        self.why: Dsn | None = None
        self.suspended = False
        self.listed = False
        self.last_done = 0.0
        self.connections = 0

    @property
    def dead(self) -> bool:
        """Whether the whole destination is in trouble."""
        return self.why is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is known about this destination that would be lost with it."""
        return not (self.todo or self.busy or self.why or self.suspended)

    def may_send(self) -> bool:
        """Whether an entry is there and may leave."""
        return bool(self.todo) and self.busy < self.window.size and not self.suspended

    def take(self) -> Entry:
        """The next entry; it is busy from now on."""
        self.busy += 1
        self._reuse_connections(time.monotonic())
        return self.todo.popleft()

    def done(self) -> None:
        """An entry has come back."""
        self.busy -= 1
        self.last_done = time.monotonic()

    def _reuse_connections(self, now: float) -> None:
        back_to_back = self.last_done + BACK_TO_BACK >= now and self.last_done > 0
        if back_to_back and not self.connections & Flags.CONN_STORE:
            self.connections = Flags.CONN_LOAD | Flags.CONN_STORE
        elif not back_to_back and self.busy <= 1:
            self.connections &= ~Flags.CONN_STORE
