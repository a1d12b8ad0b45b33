"""Connections are served from within the selector, and asyncio misses nothing of its own meanwhile."""

import asyncio
import contextlib
import errno
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from pyfix.unix.loop import Loop, running


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> list[dict[str, Any]]:
    """Run it on a loop of its own; what the loop's exception handler heard."""
    heard: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, about: heard.append(about))
        runner.run(scenario())
    return heard


Pair = Callable[[], tuple[socket.socket, socket.socket]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Makes two connected sockets that don't block."""
    with contextlib.ExitStack() as opened:

        def make() -> tuple[socket.socket, socket.socket]:
            ours, theirs = (opened.enter_context(sock) for sock in socket.socketpair())
            ours.setblocking(False)
            theirs.setblocking(False)
            return ours, theirs

        yield make


def test_a_timer_ends_a_wait_that_began_without_it(pair: Pair) -> None:
    async def scenario() -> None:
        ours, theirs = pair()
        loop, due = running(), asyncio.Event()

        def read() -> None:
            ours.recv(10)
            loop.call_later(0.001, due.set)

        loop.poller.add(ours.fileno(), read)
        loop.call_later(30, due.set)  # the wait that begins is as long as this
        loop.call_soon(theirs.send, b"x")
        async with asyncio.timeout(20):
            await due.wait()
        loop.poller.remove(ours.fileno())

    assert run(scenario) == []


def test_timers_are_not_kept_from_their_time_by_busy_connections(pair: Pair) -> None:
    async def scenario() -> None:
        ours, theirs = pair()
        loop, due = running(), asyncio.Event()

        def read() -> None:
            ours.recv(10)
            theirs.send(b"x")  # there is always more

        loop.poller.add(ours.fileno(), read)
        theirs.send(b"x")
        loop.call_later(0.01, due.set)
        async with asyncio.timeout(20):
            await due.wait()
        loop.poller.remove(ours.fileno())

    assert run(scenario) == []


def test_a_task_goes_on_when_a_connection_brings_what_it_waits_for(pair: Pair) -> None:
    async def scenario() -> None:
        ours, theirs = pair()
        came = running().create_future()
        running().poller.add(ours.fileno(), lambda: came.done() or came.set_result(ours.recv(10)))
        theirs.send(b"word")
        assert await came == b"word"
        running().poller.remove(ours.fileno())

    assert run(scenario) == []


def test_asyncios_own_descriptors_and_threads_are_heard(pair: Pair) -> None:
    async def scenario() -> None:
        ours, theirs = pair()
        await running().sock_sendall(theirs, b"x" * 3)
        assert await running().sock_recv(ours, 10) == b"xxx"
        done = running().create_future()
        thread = threading.Thread(target=lambda: running_loop.call_soon_threadsafe(done.set_result, 1))
        running_loop = running()
        thread.start()
        assert await done == 1
        thread.join()

    assert run(scenario) == []


def test_calls_after_come_when_all_that_came_together_is_served_and_before_any_wait(pair: Pair) -> None:
    said: list[str] = []

    async def scenario() -> None:
        poller, over = running().poller, asyncio.Event()
        ends = [pair() for _ in range(3)]

        def read(sock: socket.socket) -> None:
            sock.recv(10)
            said.append("read")
            poller.after(lambda: said.append("after"))
            if said.count("read") == 3:
                poller.after(over.set)

        for ours, theirs in ends:
            poller.add(ours.fileno(), lambda ours=ours: read(ours))
            theirs.send(b"x")
        poller.after(lambda: said.append("first"))  # not from a connection's call: before the next wait
        await over.wait()
        for ours, _ in ends:
            poller.remove(ours.fileno())

    assert run(scenario) == []
    assert said == ["first", "read", "read", "read", "after", "after", "after"]


def test_a_bug_in_one_call_is_told_and_keeps_no_other_from_being_served(pair: Pair) -> None:
    async def scenario() -> None:
        poller, over = running().poller, asyncio.Event()
        (first, say_first), (second, say_second) = pair(), pair()

        def broken() -> None:
            poller.remove(first.fileno())
            raise RuntimeError("broken")

        def broken_after() -> None:
            raise RuntimeError("broken after")

        def sound() -> None:
            poller.remove(second.fileno())
            poller.after(broken_after)
            poller.after(over.set)

        poller.add(first.fileno(), broken)
        poller.add(second.fileno(), sound)
        say_first.send(b"x")
        say_second.send(b"x")
        await over.wait()

    assert [str(about["exception"]) for about in run(scenario)] == ["broken", "broken after"]


def test_who_waits_to_write_is_still_read_from(pair: Pair) -> None:
    said: list[str] = []

    async def scenario() -> None:
        poller, over = running().poller, asyncio.Event()
        ours, theirs = pair()

        def read() -> None:
            said.append(ours.recv(10).decode())
            if len(said) == 2:
                over.set()

        def write() -> None:
            said.append("room")
            poller.remove_writer(ours.fileno())
            theirs.send(b"more")

        poller.add(ours.fileno(), read)
        poller.add_writer(ours.fileno(), write)
        await over.wait()
        poller.add_writer(ours.fileno(), write)
        poller.remove(ours.fileno())
        poller.remove(ours.fileno())  # nothing any more
        theirs.send(b"unread")
        while len(said) < 3:
            await asyncio.sleep(0)
        assert said == ["room", "more", "room"]

    assert run(scenario) == []


def test_what_comes_while_there_is_no_room_is_read(pair: Pair) -> None:
    async def scenario() -> None:
        poller, over = running().poller, asyncio.Event()
        ours, theirs = pair()
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 100_000)

        def read() -> None:
            assert ours.recv(10) == b"word"
            over.set()

        poller.add(ours.fileno(), read)
        poller.add_writer(ours.fileno(), lambda: None)
        theirs.send(b"word")
        async with asyncio.timeout(20):
            await over.wait()
        poller.remove_writer(ours.fileno())
        poller.remove(ours.fileno())

    assert run(scenario) == []


def test_one_that_hangs_up_while_we_wait_to_write_is_noticed(pair: Pair) -> None:
    async def scenario() -> None:
        poller, over = running().poller, asyncio.Event()
        ours, theirs = pair()
        while True:
            try:
                ours.send(b"x" * 100_000)
            except BlockingIOError:
                break
        poller.add_writer(ours.fileno(), over.set)
        theirs.close()
        await over.wait()
        poller.remove_writer(ours.fileno())

    assert run(scenario) == []


def test_a_descriptor_that_can_not_be_watched_is_an_error_of_add() -> None:
    async def scenario() -> None:
        with open(os.devnull) as file, pytest.raises(OSError, match="not permitted"):
            running().poller.add(file.fileno(), lambda: None)

    assert run(scenario) == []


def test_what_was_canceled_ends_one_call_and_not_the_loop(pair: Pair) -> None:
    async def scenario() -> None:
        poller, over = running().poller, asyncio.Event()
        (first, say_first), (second, _) = pair(), pair()

        def canceled() -> None:
            poller.remove(first.fileno())
            poller.after(canceled_after)
            raise asyncio.CancelledError

        def canceled_after() -> None:
            poller.after(over.set)
            raise asyncio.CancelledError

        def canceled_writer() -> None:
            poller.remove_writer(second.fileno())
            raise asyncio.CancelledError

        poller.add(first.fileno(), canceled)
        poller.add_writer(second.fileno(), canceled_writer)
        say_first.send(b"x")
        await over.wait()

    assert [type(about["exception"]) for about in run(scenario)] == [asyncio.CancelledError] * 3


def test_who_can_not_wait_to_write_is_still_read_from(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be no memory to watch one more descriptor."""

    class Full:
        def __init__(self, epoll: Any) -> None:
            self.poll, self.unregister, self.register = epoll.poll, epoll.unregister, epoll.register

        def modify(self, fd: int, events: int) -> None:
            raise OSError(errno.ENOSPC, "no space")

    async def scenario() -> None:
        poller, over = running().poller, asyncio.Event()
        ours, theirs = pair()
        poller.add(ours.fileno(), over.set)
        with monkeypatch.context() as patch:
            patch.setattr(poller, "_epoll", Full(poller._epoll))
            with pytest.raises(OSError, match="no space"):
                poller.add_writer(ours.fileno(), over.set)
        theirs.send(b"x")
        await over.wait()
        poller.remove(ours.fileno())

    assert run(scenario) == []
