"""eager - run a coroutine now, and as a task only if it has to wait

Decision code is `async def` because any look-up may wait; most don't. A task for each
decision would cost more than the decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


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


def start(coro: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run `coro` up to where it waits: None when it came to its end, else the task that goes on.

    What it raises before it waits is raised here, later by the task. It must not use
    what needs a current task (asyncio.timeout) before its first wait.
    """
    try:
        waits_for = coro.send(None)
    except StopIteration:
        return None
    return asyncio.get_running_loop().create_task(_finish(_Rest(coro, waits_for)))
