"""Kept connections asked on an event loop: how many at once, time limits, what is left to a thread."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable

import pytest

from pyfix.maps.kept import Ear, Turns, ear_for
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.table import NotNowError
from pyfix.maps.threads import WORKERS


def test_no_more_than_so_many_have_their_turn_and_all_get_one() -> None:
    async def main() -> None:
        turns, under_way, most, order = Turns(2), 0, 0, []

        async def work(number: int) -> int:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            order.append(number)
            return number

        def job(number: int) -> Callable[[], Awaitable[int]]:
            return lambda: work(number)

        assert await asyncio.gather(*[turns.take(job(number)) for number in range(9)]) == list(range(9))
        assert (most, order) == (2, list(range(9)))

    asyncio.run(main())


def test_who_stops_waiting_takes_no_turn_with_them() -> None:
    async def main() -> None:
        turns, go = Turns(1), asyncio.Event()

        async def nothing() -> None:
            return None

        first = asyncio.create_task(turns.take(go.wait))
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(turns.take(nothing)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        go.set()
        await first
        waiting[1].cancel()  # it has its turn already, or is about to
        await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
        await asyncio.wait_for(turns.take(nothing), 5)

    asyncio.run(main())


def test_many_that_give_up_at_once_do_not_go_deep() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise NotNowError

    async def main() -> None:
        turns = Turns(1)
        asked = [turns.take(fail) for _ in range(3000)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(error) for error in found} == {NotNowError}

    asyncio.run(main())


def test_silence_is_waited_for_as_long_as_is_said() -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ear = Ear(ours.fileno())
            with pytest.raises(TimeoutError):
                await ear.heard(time.monotonic() + 0.01)
            for _ in range(2):
                theirs.send(b"x")
                await ear.heard(time.monotonic() + 5)
                assert ours.recv(10) == b"x"
            ear.close()

    asyncio.run(main())


def test_a_connection_that_ends_while_nobody_waits_does_not_keep_the_loop_busy() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours:
            ear = Ear(ours.fileno())
            theirs.send(b"x")
            await ear.heard(time.monotonic() + 5)
            theirs.close()
            sounds, sound = 0, ear._sound

            def counted() -> None:
                nonlocal sounds
                sounds += 1
                sound()

            loop.add_reader(ear._fd, counted)
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert sounds <= 2
            await ear.heard(time.monotonic() + 5)
            assert (ours.recv(10), ours.recv(10)) == (b"x", b"")
            ear.close()

    asyncio.run(main())


def test_another_loop_listens_with_another_ear() -> None:
    ours, theirs = socket.socketpair()
    before = len(os.listdir("/proc/self/fd"))

    async def main(ear: Ear | None) -> Ear:
        theirs.send(b"x")
        new = ear_for(ours.fileno(), ear)
        assert (new is not ear, ear_for(ours.fileno(), new)) == (True, new)
        await new.heard(time.monotonic() + 5)
        ours.recv(10)
        return new

    with ours, theirs:
        ear = asyncio.run(main(None))
        asyncio.run(main(ear)).close()
        assert len(os.listdir("/proc/self/fd")) == before


class Kept:
    """A connection that says what it is told to."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.closed = False

    async def answer(self) -> str:
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        return "yes"

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("trouble", [OSError(), WrongQuestionError("no"), ValueError("garbage")])
def test_only_open_connections_are_asked_and_those_in_trouble_are_given_up(trouble: Exception) -> None:
    made: list[Kept] = []

    def connect(_: str) -> Kept:
        made.append(Kept())
        return made[-1]

    async def main() -> None:
        servers = Servers("test", ["a"], connect)
        with pytest.raises(NotNowError):
            await servers.ask_kept(Kept.answer)
        assert servers.ask(lambda _: "opened", table="t") == "opened"
        for _ in range(WORKERS + 1):
            assert await servers.ask_kept(Kept.answer) == "yes"
        made[0].trouble = trouble
        with pytest.raises(NotNowError):
            await servers.ask_kept(Kept.answer)
        assert (len(made), made[0].closed) == (1, True)
        with pytest.raises(NotNowError):
            await servers.ask_kept(Kept.answer)

    asyncio.run(main())
