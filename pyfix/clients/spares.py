"""spares - queue files that are asked for before their messages are there

The end of a message asks cleanup for the file of the next one, which then need not wait for it. Such a file
has an id and no name, so nobody sees it. What no message has wanted for KEEP seconds is given back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache

from pyfix.clients.answer import Answer
from pyfix.clients.cleanup import AHEAD, UNUSED
from pyfix.clients.stream import Exchange

KEEP = 0.5  # seconds


Spare = tuple[int, float, Exchange]
"""One file: flags of its message; when it was asked for, the loop's seconds; the request."""


class Spares:
    """Up to `limit` files, 0: none."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: deque[Spare] = deque()
        self._timed = False

    def take(self, flags: int) -> Exchange | None:
        """The request for one that a message with these flags may have."""
        if self._kept and self._kept[0][0] == flags:
            return self._kept.popleft()[2]
        return None

    def ready(self, flags: int) -> tuple[Exchange, Answer] | None:
        """The same with its answer, if that is there already."""
        if self._kept and self._kept[0][0] == flags:
            exchange = self._kept[0][2]
            answer = exchange.arrived()
            if answer is not None:
                self._kept.popleft()
                return exchange, answer
        return None

    def ask(self, message: Exchange, flags: int) -> None:
        """Have one more, where that message comes from."""
        if len(self._kept) >= self.limit:
            return
        exchange = message.another()
        if exchange is None:
            return
        exchange.send(request(flags))
        loop = asyncio.get_running_loop()
        self._kept.append((flags, loop.time(), exchange))
        if not self._timed:
            self._timed = True
            loop.call_later(KEEP, self._look_at_clock, loop)

    def _look_at_clock(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._kept and self._kept[0][1] + KEEP <= loop.time():
            exchange = self._kept.popleft()[2]
            exchange.send(UNUSED)
            exchange.close()
        self._timed = bool(self._kept)
        if self._timed:
            loop.call_later(KEEP, self._look_at_clock, loop)


@lru_cache(maxsize=16)
def request(flags: int) -> bytes:
    """AHEAD with these flags."""
    return AHEAD.encode(flags)
