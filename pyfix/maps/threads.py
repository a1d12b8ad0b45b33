"""threads - where tables that ask servers are asked, so that no event loop waits for them

Drivers of databases block. A table has a few threads of its own, which start when they are
needed: a server that hangs holds up its own table only. A program without an event loop does
without them.

Questions go through a queue, answers back in one call into the loop: a pool of concurrent.futures
costs three times the hand-off.
"""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

WORKERS = 4
"""Threads of a table, and so connections to a server."""

Lookup = Callable[[str], str | None]
Question = tuple[Lookup, str, asyncio.AbstractEventLoop, "asyncio.Future[str | None]"]


class TableThreads:
    """The threads of one table; they end with this object."""

    def __init__(self) -> None:
        self._questions: SimpleQueue[Question | None] = SimpleQueue()
        self._started = 0
        self._asked = 0

    async def run(self, lookup: Lookup, key: str) -> str | None:
        """The lookup's answer; what it raises passes through."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return lookup(key)
        answer: asyncio.Future[str | None] = loop.create_future()
        if self._asked >= self._started < WORKERS:
            self._started += 1
            Thread(target=_work, args=[self._questions], name="table", daemon=True).start()
        self._asked += 1
        self._questions.put((lookup, key, loop, answer))
        try:
            return await answer
        finally:
            self._asked -= 1

    def __del__(self) -> None:
        for _ in range(self._started):
            self._questions.put(None)


def _work(questions: "SimpleQueue[Question | None]") -> None:
    """What a thread does. It holds on to nothing of a table between two questions, so that the table can end."""
    while (question := questions.get()) is not None:
        _answer(*question)
        del question


def _answer(lookup: Lookup, key: str, loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[str | None]") -> None:
    try:
        value = lookup(key)
    except BaseException as error:  # for the one who asked, whatever it is
        _tell(loop, answer, answer.set_exception, error)
    else:
        _tell(loop, answer, answer.set_result, value)


def _tell(
    loop: asyncio.AbstractEventLoop,
    answer: "asyncio.Future[str | None]",
    say: Callable[..., None],
    what: BaseException | str | None,
) -> None:
    def told() -> None:
        if not answer.done():
            say(what)

    if not loop.is_closed():
        loop.call_soon_threadsafe(told)
