"""kept - connections that are open already are asked on the event loop, without a thread

A table that asks servers may have `lookup_kept(key)`, a coroutine function beside its plain `lookup`. It
gives what `lookup` would, or raises NotNowError where something else than the usual has to be done: connect,
wait for a server that rests, tell of trouble. Then `lookup` does all of it in a thread. A hand-off to a thread
and back costs more than most answers, and threads that wait for each other's lock cost more than that.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class NotNowError(Exception):
    """This has to be asked in a thread."""


class Turns:
    """At most so many at once; the others wait for their turn."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do some work when it is our turn."""
        if self._free:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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
                turn.set_result(None)
                return
        self._free += 1


async def readable(fd: int, until: float) -> None:
    """Wait for something to read. until: by time.monotonic. TimeoutError."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[bool] = loop.create_future()
    loop.add_reader(fd, _set, ready, True)
    timer = loop.call_later(until - time.monotonic(), _set, ready, False)
    try:
        if not await ready:
            raise TimeoutError("no answer in time")
    finally:
        timer.cancel()
        loop.remove_reader(fd)


def _set(future: "asyncio.Future[bool]", value: bool) -> None:
    if not future.done():
        future.set_result(value)
