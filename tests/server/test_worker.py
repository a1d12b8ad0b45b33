import asyncio
import errno
import os

import pytest

from pyfix.server import control
from pyfix.server.worker import Listener


def run(coro):
    asyncio.run(asyncio.wait_for(coro, 20))


def test_serves_many_sessions_at_once(worker, echo):
    async def scenario():
        async with worker(echo) as master:
            assert await master.word() == control.AVAILABLE
            clients = [await master.connect() for _ in range(5)]
            for reader, writer in clients:
                writer.write(b"hello")
                assert await reader.read(99) == b"hello"
                writer.close()
        assert echo.calls == ["start", "retire"]

    run(scenario())


def test_stops_accepting_at_its_limit_and_resumes_below(worker, echo):
    async def scenario():
        async with worker(echo, limit=1) as master:
            assert await master.word() == control.AVAILABLE
            reader, writer = await master.connect()
            assert await master.word() == control.BUSY
            reader2, writer2 = await master.connect()
            writer2.write(b"waiting")
            writer.write(b"served")
            assert await reader.read(99) == b"served"
            writer.close()
            assert await master.word() == control.SERVED
            assert await master.word() == control.AVAILABLE
            assert await reader2.read(99) == b"waiting"
            writer2.close()

    run(scenario())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
def test_rests_when_nothing_is_left_to_accept_with(worker, echo, lines, monkeypatch, number):
    """A connection stays in the backlog, so that the loop would be told of it without end."""
    refused = 0

    def accept(listener):
        nonlocal refused
        if refused < 2:
            refused += 1
            raise OSError(number, os.strerror(number))
        return take(listener)

    async def scenario():
        loop = asyncio.get_running_loop()
        later, rests = loop.call_later, []

        def soon(delay, callback, *more):
            if delay != 1.0:
                return later(delay, callback, *more)
            rests.append(callback)
            return later(0, callback, *more)

        monkeypatch.setattr(Listener, "take", accept)
        async with worker(echo) as master:
            assert await master.word() == control.AVAILABLE
            monkeypatch.setattr(loop, "call_later", soon)
            reader, writer = await master.connect()
            writer.write(b"x")
            assert await reader.read(99) == b"x"
            assert len(rests) == 2
            writer.close()
        assert lines == [f"warning: accept connection: {os.strerror(number)}"] * 2

    take = Listener.take
    run(scenario())


def test_takes_no_more_than_its_limit_after_a_rest(worker, echo, lines, monkeypatch):
    """The end of a session may have ended the rest before its time."""
    refusing = False

    def accept(listener):
        if refusing and not lines:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return take(listener)

    async def scenario():
        nonlocal refusing
        rested = []
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(Listener, "take", accept)
        async with worker(echo, limit=2) as master:
            assert await master.word() == control.AVAILABLE
            reader, writer = await master.connect()
            writer.write(b"x")
            assert await reader.read(99) == b"x"
            with monkeypatch.context() as patch:
                patch.setattr(loop, "call_later", lambda _, callback: rested.append(callback))
                refusing = True
                clients = [await master.connect() for _ in range(3)]
                while not rested:
                    await asyncio.sleep(0)
            writer.close()
            assert await master.word() == control.SERVED
            assert await master.word() == control.AVAILABLE
            assert await master.word() == control.BUSY
            rested[0]()
            with pytest.raises(BlockingIOError):  # it says nothing
                master.status.recv(99)
            for _, other in clients:
                other.close()

    take = Listener.take
    run(scenario())


def test_retires_on_command_after_its_sessions(worker, echo):
    async def scenario():
        async with worker(echo) as master:
            assert await master.word() == control.AVAILABLE
            reader, writer = await master.connect()
            writer.write(b"first")
            assert await reader.read(99) == b"first"
            control.say(master.status, control.RETIRE)
            assert await master.word() == control.LEAVING
            writer.write(b"still here")
            assert await reader.read(99) == b"still here"
            assert not master.task.done()
            writer.close()
            await master.task

    run(scenario())


def test_leaves_when_nobody_comes(worker, echo):
    async def scenario():
        async with worker(echo, max_idle=0.01) as master:
            assert await master.word() == control.AVAILABLE
            assert await master.word() == control.IDLE
            await master.task

    run(scenario())


def test_stays_while_it_holds_something_though_nobody_comes(worker, echo):
    async def scenario():
        echo.holds = lambda: True
        async with worker(echo, max_idle=0.01) as master:
            assert await master.word() == control.AVAILABLE
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(master.word(), 0.1)
            reader, writer = await master.connect()
            writer.write(b"x")
            assert await reader.read(99) == b"x"
            writer.close()

    run(scenario())


@pytest.mark.parametrize("quiet", [True, False], ids=["nobody wants anything", "somebody does"])
def test_leaves_beside_clients_who_stay_when_they_want_nothing(worker, echo, quiet):
    async def scenario():
        loop = asyncio.get_running_loop()
        since = loop.time() + 0.05
        echo.quiet_since = lambda: since
        echo.holds = lambda: not quiet
        async with worker(echo, max_idle=0.05) as master:
            assert await master.word() == control.AVAILABLE
            reader, writer = await master.connect()
            writer.write(b"x")
            assert await reader.read(99) == b"x"
            if quiet:
                assert await master.word() == control.IDLE
                assert since + 0.05 <= loop.time()
                writer.write(b"still here")
                assert await reader.read(99) == b"still here"
            else:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(master.word(), 0.3)
            writer.close()

    run(scenario())


def test_leaves_after_its_number_of_sessions(worker, echo):
    async def scenario():
        async with worker(echo, max_sessions=2) as master:
            assert await master.word() == control.AVAILABLE
            for _ in range(2):
                reader, writer = await master.connect()
                writer.write(b"x")
                assert await reader.read(99) == b"x"
                writer.close()
            await master.task

    run(scenario())


def test_ends_at_once_when_master_has_gone(worker, echo, lines):
    async def scenario():
        async with worker(echo) as master:
            assert await master.word() == control.AVAILABLE
            reader, writer = await master.connect()
            writer.write(b"x")
            assert await reader.read(99) == b"x"
            master.status.close()
            await master.task
            writer.write_eof()  # a session may end later in the same turn of the loop
            assert await reader.read(99) == b""
            await asyncio.sleep(0)
            writer.close()

    run(scenario())
    assert lines == []


def test_who_takes_datagrams_writes_what_has_come_though_master_has_gone(worker, echo):
    over = asyncio.Event()

    async def retire():
        over.set()

    async def serve_datagrams(_):
        await over.wait()
        echo.calls.append("written")

    echo.retire, echo.serve_datagrams = retire, serve_datagrams

    async def scenario():
        async with worker(echo, datagrams=True) as master:
            assert await master.word() == control.AVAILABLE
            master.status.close()
            await master.task
            assert echo.calls == ["start", "written"]

    run(scenario())


def test_bug_ends_its_session_only(worker, echo, lines):
    async def scenario():
        async with worker(echo) as master:
            assert await master.word() == control.AVAILABLE
            reader, writer = await master.connect()
            other_reader, other = await master.connect()
            other.write(b"x")
            assert await other_reader.read(99) == b"x"
            writer.write(b"bug")
            assert await reader.read(99) == b""
            assert control.LEAVING in {await master.word(), await master.word()}
            other.write(b"y")
            assert await other_reader.read(99) == b"y"
            other.close()
            await master.task
            writer.close()

    run(scenario())
    assert len(lines) == 1
    assert lines[0].startswith("error: session ended by a bug: ")
    assert lines[0].endswith("ValueError: a bug")


def test_passes_stress_on(worker, echo):
    async def scenario():
        async with worker(echo) as master:
            control.say(master.status, control.STRESS)
            control.say(master.status, control.CALM)
            await master.word()
            await asyncio.sleep(0.01)
        assert echo.calls == ["start", "stress", "calm", "retire"]

    run(scenario())


def test_a_bug_before_a_session_without_a_task_has_begun_ends_it(worker, echo, lines):
    def take(sock, client, over):
        raise ValueError("a bug")

    async def scenario():
        echo.take = take
        async with worker(echo) as master:
            assert await master.word() == control.AVAILABLE
            reader, writer = await master.connect()
            assert await reader.read(99) == b""
            await master.task
            writer.close()

    run(scenario())
    assert len(lines) == 1
    assert lines[0].startswith("error: session ended by a bug: ")
