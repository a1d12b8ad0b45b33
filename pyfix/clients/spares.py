"""spares - queue files that are there before their messages

The end of a message asks cleanup for the file of the next one, which then need not wait for it. Such a file
has an id and no name, so nobody sees it. What no message has wanted for KEEP seconds is given back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, Protocol, TypeVar

from pyfix.clients.stream import Exchange

KEEP = 0.5  # seconds


class Spare(Protocol):
    """One of them. flags: of its message; exchange: where it comes from."""

    flags: int
    exchange: Exchange

    def give_back(self) -> None:
        """Nobody wants it."""


S = TypeVar("S", bound=Spare)


class Spares(Generic[S]):
    """Up to `limit` files, 0: none."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: deque[S] = deque()
        self._old = 0  # so many of them, the first ones, have been here for KEEP seconds
        self._timed = False

    def has_room(self) -> bool:
        """Whether to ask for one more."""
        return len(self._kept) < self._limit

    def keep(self, spare: S) -> None:
        """Have one more; where others have come meanwhile it is too much."""
        if len(self._kept) >= self._limit:
            spare.give_back()
            return
        self._kept.append(spare)
        if not self._timed:
            self._time()

    def take(self, flags: int) -> S | None:
        """One that a message with these flags may have."""
        kept = self._kept
        while kept and kept[0].flags == flags:
            spare = kept.popleft()
            self._old -= self._old > 0
            if not spare.exchange.unheard:  # else cleanup has gone
                return spare
        return None

    def _time(self) -> None:
        self._timed = True
        self._old = len(self._kept)
        asyncio.get_running_loop().call_later(KEEP, self._look)

    def _look(self) -> None:
        for _ in range(self._old):
            self._kept.popleft().give_back()
        self._timed = bool(self._kept)
        if self._timed:
            self._time()
