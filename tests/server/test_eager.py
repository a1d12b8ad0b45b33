"""A coroutine that does not wait costs no task; one that waits goes on as one."""

import asyncio

import pytest

from pyfix.server.eager import start


def test_runs_to_its_end_at_once() -> None:
    async def scenario() -> None:
        ran = []

        async def decide() -> None:
            ran.append(1)

        assert start(decide()) is None
        assert ran == [1]

    asyncio.run(scenario())


def test_goes_on_as_a_task_when_it_waits() -> None:
    async def scenario() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        got: list[object] = []

        async def decide() -> None:
            got.append(await future)
            await asyncio.sleep(0)
            try:
                await failing
            except ValueError:
                got.append("failed")

        failing: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = start(decide())
        assert task is not None
        future.set_result(7)
        failing.set_exception(ValueError())
        await task
        assert got == [7, "failed"]

    asyncio.run(scenario())


def test_cancel_reaches_the_coroutine() -> None:
    async def scenario() -> None:
        cleaned = []

        async def decide() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                cleaned.append(1)

        task = start(decide())
        assert task is not None
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cleaned == [1]

    asyncio.run(scenario())


def test_errors_are_raised_where_they_happen() -> None:
    async def scenario() -> None:
        async def early() -> None:
            raise ValueError("early")

        async def late() -> None:
            await asyncio.sleep(0)
            raise ValueError("late")

        with pytest.raises(ValueError, match="early"):
            start(early())
        task = start(late())
        assert task is not None
        with pytest.raises(ValueError, match="late"):
            await task

    asyncio.run(scenario())
