import asyncio

import pytest

from pyfix.maps.run_now import WaitsError, run_now


async def _value(value: int) -> int:
    return value


async def _fails() -> None:
    raise KeyError("x")


async def _waits() -> None:
    await asyncio.sleep(0)


def test_a_coroutine_that_does_not_wait_gives_its_value() -> None:
    assert run_now(_value(3)) == 3


def test_its_exception_passes_through() -> None:
    with pytest.raises(KeyError):
        run_now(_fails())


def test_one_that_waits_is_refused() -> None:
    with pytest.raises(WaitsError):
        run_now(_waits())
