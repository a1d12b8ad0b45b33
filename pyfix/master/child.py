"""child - a worker as master sees it

    STARTING --available--> AVAILABLE <--busy/available--> BUSY
        any --leaving, or told to retire--> LEAVING

A worker that has been ordered counts as available, so that one connection starts one.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

from pyfix.server import control

if TYPE_CHECKING:
    from pyfix.master.service import Service


class ChildState(Enum):
    """What a worker does with new connections."""

    STARTING = "will take them"
    AVAILABLE = "takes them"
    BUSY = "has all the sessions that it may have"
    LEAVING = "takes none any more"


TAKES_CONNECTIONS = frozenset({ChildState.STARTING, ChildState.AVAILABLE})

NEXT = {
    (ChildState.STARTING, control.AVAILABLE): ChildState.AVAILABLE,
    (ChildState.STARTING, control.BUSY): ChildState.BUSY,
    (ChildState.STARTING, control.LEAVING): ChildState.LEAVING,
    (ChildState.STARTING, control.IDLE): ChildState.LEAVING,
    (ChildState.AVAILABLE, control.BUSY): ChildState.BUSY,
    (ChildState.AVAILABLE, control.LEAVING): ChildState.LEAVING,
    (ChildState.AVAILABLE, control.IDLE): ChildState.LEAVING,
    (ChildState.BUSY, control.AVAILABLE): ChildState.AVAILABLE,
    (ChildState.BUSY, control.LEAVING): ChildState.LEAVING,
    (ChildState.BUSY, control.IDLE): ChildState.LEAVING,
}
"""(state, word) -> state; any other word changes nothing."""


class Child:
    """One worker; pid None until the zygote has said it, unless master itself made it."""

    __slots__ = ("killed", "pid", "served", "service", "state", "status")

    def __init__(self, service: Service, status: socket.socket) -> None:
        self.service = service
        self.status = status
        self.pid: int | None = None
        self.state = ChildState.STARTING
        self.served = False
        self.killed = False
        """By us: a bad end means nothing."""

    def hear(self) -> list[bytes] | None:
        """Take in what the worker said; None when it has gone."""
        words: list[bytes] = []
        try:
            while word := self.status.recv(64):
                words.append(word)
                self._take(word)
        except BlockingIOError:
            return words
        except OSError:
            return None
        return None

    def _take(self, word: bytes) -> None:
        pid = control.parse_pid(word)
        if pid is not None:
            self.pid = pid
        elif word == control.SERVED:
            self.served = True
        else:
            self.state = NEXT.get((self.state, word), self.state)
            if word == control.IDLE:
                self.service.unwanted()

    def failed_to_start(self, code: int) -> bool:
        """Whether its end means that the next one will end the same way.

        A worker that was killed from outside after it had begun says nothing about the next.
        """
        return self.state is ChildState.STARTING or (code > 0 and not self.served)

    def retire(self) -> None:
        """Tell it to leave when its sessions are over."""
        self.state = ChildState.LEAVING
        control.say(self.status, control.RETIRE)

    def close(self) -> None:
        """It has closed its end. What that means is known when it is reaped; the state stays till then."""
        with suppress(OSError):
            self.status.close()
