"""A coroutine that does not wait costs no task; one that waits goes on as one."""

import asyncio

import pytest

from pyfix.server.eager import drive, start
from pyfix.unix.moment import Moment


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


def test_who_waits_for_a_moment_goes_on_when_it_comes() -> None:
    async def scenario() -> None:
        got: list[object] = []

        async def decide() -> None:
            await first
            got.append("first")
            await asyncio.sleep(0)  # from here on in a task
            await second
            got.append("second")
            raise ValueError

        first, second = Moment(), Moment()
        assert drive(decide(), got.append) is not None
        first.come()
        assert got == ["first"]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second.come()
        assert got == ["first"]
        while len(got) < 3:
            await asyncio.sleep(0)
        assert got[1] == "second"
        assert isinstance(got[2], ValueError)

    asyncio.run(scenario())


def test_a_driven_coroutine_tells_what_it_raised() -> None:
    async def scenario() -> None:
        got: list[object] = []

        async def decide() -> None:
            await moment
            raise ValueError

        moment = Moment()
        assert drive(decide(), got.append) is not None
        moment.come()
        moment.come()
        assert [type(error) for error in got] == [ValueError]

    asyncio.run(scenario())


def test_a_moment_that_has_come_is_not_waited_for() -> None:
    async def scenario() -> None:
        moment = Moment()
        moment.come()

        async def decide() -> None:
            await moment

        assert drive(decide(), print) is None

    asyncio.run(scenario())
