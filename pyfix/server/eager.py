"""eager - run a coroutine now, and as a task only if it has to wait

Decision code is `async def` because any look-up may wait; most don't. A task for each
decision would cost more than the decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from pyfix.unix.moment import Moment

ENDED = object()
"""In place of what a coroutine waits for that has come to its end."""


class _Rest:
    """What is left of a coroutine that was started by hand and now waits."""

    __slots__ = ("_coro", "_waits_for")

    def __init__(self, coro: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._coro = coro
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        coro, waits_for = self._coro, self._waits_for
        try:
            while True:
                try:
                    value = yield waits_for
                except GeneratorExit:
                    coro.close()
                    raise
                except BaseException as error:
                    waits_for = coro.throw(error)
                else:
                    waits_for = coro.send(value)
        except StopIteration:
            return


async def _finish(rest: _Rest) -> None:
    await rest


def begun(coro: Coroutine[Any, Any, None]) -> Any:
    """Run `coro` up to where it waits: for what, or ENDED."""
    return next(coro.__await__(), ENDED)  # where send() would raise StopIteration, with a traceback


def start(coro: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run `coro` up to where it waits: None when it came to its end, else the task that goes on.

    What it raises before it waits is raised here, later by the task. It must not use
    what needs a current task (asyncio.timeout) before its first wait.
    """
    waits_for = begun(coro)
    if waits_for is ENDED:
        return None
    return asyncio.get_running_loop().create_task(_finish(_Rest(coro, waits_for)))


class Driven:
    """A coroutine that waits. It needs no task as long as it waits for Moments only."""

    __slots__ = ("_coro", "_done", "_steps", "_task")

    def __init__(
        self, coro: Coroutine[Any, Any, None], waits_for: Any, done: Callable[[BaseException | None], None]
    ) -> None:
        self._coro = coro
        self._steps = coro.__await__()
        self._done = done
        self._task: asyncio.Task[None] | None = None
        self._wait(waits_for)

    def _wait(self, waits_for: Any) -> None:
        if type(waits_for) is Moment:
            waits_for._asyncio_future_blocking = False  # noqa: SLF001 - as a task does, to say that it knows
            waits_for.resume = self._resume
            return
        self._task = asyncio.get_running_loop().create_task(_finish(_Rest(self._coro, waits_for)))
        self._task.add_done_callback(self._task_done)

    def _resume(self) -> None:
        try:
            waits_for = next(self._steps, ENDED)  # as begun() does
        except (Exception, asyncio.CancelledError) as error:
            self._done(error)
        else:
            if waits_for is ENDED:
                self._done(None)
            else:
                self._wait(waits_for)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._done(asyncio.CancelledError() if task.cancelled() else task.exception())


def drive(coro: Coroutine[Any, Any, None], done: Callable[[BaseException | None], None]) -> Driven | None:
    """Like start(), for who is called when it ends: `done`, with what it raised, and only when it has waited.

    The caller keeps what is returned.
    """
    waits_for = begun(coro)
    return None if waits_for is ENDED else Driven(coro, waits_for, done)
