"""kept - connections that are open already are asked on the event loop, without a thread

A table that asks servers may have `lookup_kept(key)`, a coroutine function beside its plain `lookup`. It
gives what `lookup` would, or raises NotNowError where something else than the usual has to be done: connect,
wait for a server that rests, tell of trouble. Then `lookup` does all of it in a thread. A hand-off to a thread
and back costs more than most answers, and threads that wait for each other's lock cost more than that.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pyfix.unix.moment import Moment

T = TypeVar("T")


class Turns:
    """At most so many at once; the others wait for their turn."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[Moment] = deque()

    async def take(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do some work when it is our turn."""
        if self._free:
            self._free -= 1
        else:
            turn = Moment()
            self._waiting.append(turn)
            try:
                await turn
            except BaseException:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
        try:
            return await work()
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.get_loop().call_soon(self._give, turn)  # not now: who is next may be next to pass it on
                return
        self._free += 1

    def _give(self, turn: Moment) -> None:
        if turn.done():
            self._pass_on()
        else:
            turn.come()


class Ear:
    """Tells when there is something to read on a connection.

    The loop goes on watching between two answers, and one timer serves them all: otherwise each
    answer would cost calls of the kernel. What is watched is a descriptor of our own, so the connection
    may be used and closed by any thread.
    """

    def __init__(self, fd: int) -> None:
        """fd: the connection's. Made on the loop that is to watch."""
        self._loop = asyncio.get_running_loop()
        self._fd = os.dup(fd)
        self._watched = False
        self._moment: Moment | None = None
        self._until = 0.0
        self._late = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def here(self) -> bool:
        """Whether this is the loop that watches."""
        return self._loop is asyncio.get_running_loop()

    async def heard(self, until: float) -> None:
        """Wait for something to read, which may come to nothing.

        until: by time.monotonic, no earlier than it was before. TimeoutError: it is past.
        """
        if not self._watched:
            self._watched = True
            self._loop.add_reader(self._fd, self._sound)
        self._until, self._late = until, False
        if self._timer is None:
            self._set_timer()
        self._moment = Moment(loop=self._loop)
        await self._moment
        if self._late:
            raise TimeoutError("no answer in time")

    def close(self) -> None:
        """Watch no more; from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._end)
        except RuntimeError:  # the loop is closed
            os.close(self._fd)

    def _sound(self) -> None:
        moment, self._moment = self._moment, None
        if moment is not None:
            moment.come()
        else:  # the peer hung up, or a thread asks
            self._unwatch()

    def _set_timer(self) -> None:
        self._timer = self._loop.call_later(self._until - time.monotonic(), self._look_at_clock)

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._moment is None:
            return
        if time.monotonic() < self._until:
            self._set_timer()
        else:
            self._late = True
            self._sound()

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._fd)

    def _end(self) -> None:
        self._unwatch()
        if self._timer is not None:
            self._timer.cancel()
        os.close(self._fd)


def ear_for(fd: int, before: Ear | None) -> Ear:
    """The ear of a connection on this loop. before: the one it had."""
    if before is not None:
        if before.here:
            return before
        before.close()
    return Ear(fd)
