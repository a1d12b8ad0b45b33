"""service - one line of master.cf at work

    WAITING     no worker takes connections: master listens, and starts one when one comes
    SERVED      a worker takes connections itself
    FULL        all sessions that maxproc allows are in use; connections wait in the backlog
    THROTTLED   workers fail at their start: nothing happens for a while
    STOPPED     the line is gone, or the suite ends

The state follows from what the workers do (STATES); on entering it master listens or not.

Where max_idle is not set, a worker of a service that is seldom wanted leaves early and gives its memory back: after
`linger` seconds without work, which double when it was missed SOON afterwards, and else halve. So a system with steady
traffic keeps its workers, and one with a message an hour has none.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import Protocol

from pyfix.config.master_cf import Service as Entry
from pyfix.master import log, trigger
from pyfix.master.child import TAKES_CONNECTIONS, Child, ChildState
from pyfix.master.listen import Endpoint
from pyfix.master.loop import Callback, Timer
from pyfix.server import control, programs
from pyfix.unix import msg

STRESS_TIME = 1000
"""Seconds between warnings of a process limit, and how long stress lasts after the last one reached."""

LEAST_LINGER, MOST_LINGER = 1.0, 100.0
"""Seconds, at first and at most (what max_idle is by default)."""
SOON = 30.0
"""Seconds within which a worker that has left is missed."""


class State(Enum):
    """Who takes the connections of a service."""

    WAITING = "master"
    SERVED = "workers"
    FULL = "nobody: no sessions left"
    THROTTLED = "nobody: workers fail"
    STOPPED = "nobody"


STATES = {  # (throttled, a worker takes connections, another process is allowed)
    (False, False, False): State.FULL,
    (False, False, True): State.WAITING,
    (False, True, False): State.SERVED,
    (False, True, True): State.SERVED,
    (True, False, False): State.THROTTLED,
    (True, False, True): State.THROTTLED,
    (True, True, False): State.SERVED,
    (True, True, True): State.SERVED,
}


class Suite(Protocol):
    """What a service asks of master."""

    def watch(self, endpoint: Endpoint, callback: Callback) -> None:
        """Call back while a connection waits there."""

    def forget(self, endpoint: Endpoint) -> None:
        """Watch it no more."""

    def call_later(self, delay: float, callback: Callback) -> Timer:
        """Call back once, after seconds."""

    def start_worker(self, service: Service) -> Child | None:
        """Order a worker; None when that is not possible now."""


class Service:
    """A service, its endpoints and its workers.

    maxproc: sessions at once, 0 for any number; throttle_time: seconds.
    """

    def __init__(
        self, suite: Suite, entry: Entry, endpoints: list[Endpoint], *, maxproc: int, throttle_time: float
    ) -> None:
        self._suite = suite
        self.children: set[Child] = set()
        self.state = State.STOPPED
        self.used = False
        self.stressed = False
        self.linger = LEAST_LINGER
        self._unwanted_at: float | None = None
        """When a worker left that was not missed yet."""
        self._wake_timer: Timer | None = None
        self._throttle_timer: Timer | None = None
        self._stress_timer: Timer | None = None
        self._warn_timer: Timer | None = None
        self.configure(entry, endpoints, maxproc=maxproc, throttle_time=throttle_time)

    def configure(
        self, entry: Entry, endpoints: list[Endpoint], *, maxproc: int, throttle_time: float
    ) -> None:
        """Take a (new) line of master.cf; the service must be stopped."""
        self.entry = entry
        self.endpoints = endpoints
        self.maxproc = maxproc
        self.throttle_time = throttle_time
        self.processes = programs.processes(entry.program, maxproc)
        self.share = programs.share(entry.program, maxproc)

    @property
    def single(self) -> bool:
        """Never more than one process, not even for the time of a reload."""
        return self.entry.program in programs.SINGLE or self.maxproc == 1

    @property
    def stress_capable(self) -> bool:
        """Whether strangers can use up its sessions."""
        public = any(e.kind == "inet" and not _is_loopback(e.address) for e in self.endpoints)
        return (public or self.entry.type == "pass") and self.maxproc > 1

    # States

    def update(self) -> None:
        """Be in the state that the workers make."""
        if self.state is not State.STOPPED:
            self._enter(STATES[self._throttle_timer is not None, self._taken(), self._room()])

    def _taken(self) -> bool:
        return any(child.state in TAKES_CONNECTIONS for child in self.children)

    def _room(self) -> bool:
        counted = [c for c in self.children if self.single or c.state is not ChildState.LEAVING]
        return len(counted) < self.processes

    def _enter(self, state: State) -> None:
        if state is self.state:
            return
        self.state = state
        if state is State.WAITING:
            for endpoint in self.endpoints:
                self._suite.watch(endpoint, self._connection)
        else:
            for endpoint in self.endpoints:
                self._suite.forget(endpoint)
        if state is State.FULL and self.stress_capable:
            self._stress()

    def start(self) -> None:
        """Begin, with a wake-up if the line asks for one."""
        self.state = State.THROTTLED  # any but STOPPED: update() finds the real one
        self.update()
        if self.entry.wakeup:
            self._wake()

    def stop(self) -> None:
        """Take no more connections; workers are told to retire."""
        self._enter(State.STOPPED)
        for name in ("_wake_timer", "_throttle_timer"):
            timer: Timer | None = getattr(self, name)
            if timer is not None:
                timer.cancel()
                setattr(self, name, None)
        self.retire()

    def retire(self) -> None:
        """Tell all workers to leave when their sessions are over."""
        for child in self.children:
            child.retire()

    # Events

    def _connection(self) -> None:
        """A connection waits and no worker takes it."""
        self.used = True
        self._miss()
        child = self._suite.start_worker(self)
        if child is None:
            self.pause(1)
        else:
            self.children.add(child)
            self.update()

    def unwanted(self) -> None:
        """A worker leaves because nobody wants anything."""
        self._unwanted_at = time.monotonic()

    def _miss(self) -> None:
        """One that has left would be wanted now: let the next stay longer if that was soon, else shorter."""
        if self._unwanted_at is not None:
            soon = time.monotonic() - self._unwanted_at < SOON
            self.linger = min(2 * self.linger, MOST_LINGER) if soon else max(self.linger / 2, LEAST_LINGER)
            self._unwanted_at = None

    def lost(self, child: Child) -> None:
        """A worker has gone, or never came to be."""
        self.children.discard(child)
        self.update()

    def throttle(self, path: str) -> None:
        """Workers fail before they have served anybody."""
        msg.warning(log.throttled(path))
        self.pause(self.throttle_time)

    def pause(self, seconds: float) -> None:
        """Start no workers for a while."""
        if self._throttle_timer is None and self.state is not State.STOPPED:
            self._throttle_timer = self._suite.call_later(seconds, self._resume)
            self.update()

    def _resume(self) -> None:
        self._throttle_timer = None
        self.update()

    def _wake(self) -> None:
        if self.used or not self.entry.wakeup_if_used:
            for endpoint in self.endpoints:
                trigger.wake(endpoint)
        self._wake_timer = self._suite.call_later(self.entry.wakeup, self._wake)

    # Stress

    def _stress(self) -> None:
        self._warn_of_limit()
        if self._stress_timer is not None:
            self._stress_timer.cancel()
        self._stress_timer = self._suite.call_later(STRESS_TIME, self._calm)
        self._tell_stress(on=True)

    def _calm(self) -> None:
        self._stress_timer = None
        self._tell_stress(on=False)

    def _tell_stress(self, *, on: bool) -> None:
        if self.stressed is not on:
            self.stressed = on
            for child in self.children:
                control.say(child.status, control.STRESS if on else control.CALM)

    def _warn_of_limit(self) -> None:
        if self._warn_timer is None:
            self._warn_timer = self._suite.call_later(STRESS_TIME, self._warn_again)
            for line in log.process_limit(self.entry.name, self._address(), self.maxproc):
                msg.warning(line)

    def _warn_again(self) -> None:
        self._warn_timer = None

    def _address(self) -> str:
        first = self.endpoints[0]
        return f"{first.address}:{first.port}" if first.kind == "inet" else first.address


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
