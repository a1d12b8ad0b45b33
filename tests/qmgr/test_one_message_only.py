"""What goes wrong with one message in a way that nobody foresaw: it waits, and the others go their way."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from pyfix.clients.bounce import BounceClient
from pyfix.clients.deliver import Answer
from pyfix.qmgr.active import Active
from pyfix.qmgr.message import Message
from pyfix.queue.directory import QueueDirectory


def _only_for(bad: str, error: Exception, real):
    """Like `real`, but for one message, whose id or self is the first argument or the one after it."""

    def function(*about, **more):
        if any(word == bad or getattr(word, "queue_id", "") == bad for word in about):
            raise error
        return real(*about, **more)

    return function


def test_a_request_that_can_not_be_made_concerns_its_message_only(instance, toy, monkeypatch) -> None:
    async def scenario() -> None:
        agent = toy(1)
        bad = instance.put("a@out.test", "b@out.test")
        with monkeypatch.context() as patch:
            patch.setattr(Message, "request", _only_for(bad, ValueError("no such thing"), Message.request))
            others = [instance.put("b@out.test") for _ in range(3)]
            async with instance.running("out_destination_recipient_limit = 1", out=agent) as qmgr:
                for other in others:
                    await instance.until_logged(f"{other}: removed")
                await instance.until(lambda: instance.where(bad) == ["deferred", "defer"])
                lines = [line for line in instance.lines if bad in line and "error: " in line]
                assert len(lines) == 2
                assert lines[0].startswith(f"error: {bad}: delivery request ended by a bug: ")
                assert lines[0].endswith("ValueError: no such thing")
                line = next(line for line in instance.lines if f"{bad}: to=<a@out.test>" in line)
                assert line.endswith("dsn=4.3.0, status=deferred (unknown mail transport error)")
                assert not any("transport out failure" in line for line in instance.lines)
                assert len(agent.requests) == 3
                assert not qmgr._deliveries.under_way
                assert not qmgr._deliveries.transports["out"].queues
                patch.undo()
                qmgr.trigger(b"DA")
                await instance.until_logged(f"{bad}: removed")

    asyncio.run(scenario())


def test_a_message_of_which_nobody_can_be_told_waits_all_the_same(instance, toy, monkeypatch) -> None:
    async def scenario() -> None:
        bad = instance.put("a@out.test")
        monkeypatch.setattr(Message, "request", _only_for(bad, ValueError("no such thing"), Message.request))
        monkeypatch.setattr(BounceClient, "append", _only_for(bad, ValueError("nor this"), BounceClient.append))
        other = instance.put("b@out.test")
        async with instance.running(out=toy()) as qmgr:
            await instance.until_logged(f"{other}: removed")
            await instance.until(lambda: instance.where(bad) == ["deferred"])
            assert not qmgr._active.messages

    asyncio.run(scenario())


@pytest.mark.parametrize("queue", ["incoming", "deferred", "active"])
def test_a_file_whose_reading_ends_by_a_bug_waits(instance, toy, monkeypatch, queue: str) -> None:
    async def scenario() -> None:
        ids = [instance.put("a@out.test", queue=queue) for _ in range(3)]
        bad, *others = instance.queue.scan(queue)  # the first that comes
        assert {bad, *others} == set(ids)
        with monkeypatch.context() as patch:
            patch.setattr(Active, "_read", _only_for(bad, ValueError("no such thing"), Active._read))
            async with instance.running(out=toy()) as qmgr:
                for other in others:
                    await instance.until_logged(f"{other}: removed")
                await instance.until(lambda: instance.where(bad) == ["deferred"])
                (line,) = [line for line in instance.lines if bad in line]
                assert line.startswith(f"error: {bad}: queue manager ended by a bug: ")
                assert not qmgr._active.messages
                patch.undo()
                qmgr.trigger(b"DA")
                await instance.until_logged(f"{bad}: removed")

    asyncio.run(scenario())


def test_trouble_at_the_end_of_a_message_is_not_its_agents(instance, toy, monkeypatch) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        bad, other = instance.put("a@out.test"), instance.put("b@out.test")
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        monkeypatch.setattr(QueueDirectory, "status", _only_for(bad, error, QueueDirectory.status))
        async with instance.running(out=agent) as qmgr:
            qmgr.named([(bad, b"", b""), (other, b"", b"")])
            await instance.until(lambda: len(agent.held) == 2)
            for _ in range(2):
                agent.release(Answer(-1) if agent.held[0][2].queue_id == bad else None)
            await instance.until_logged(f"{other}: removed")
            await instance.until(lambda: instance.where(bad) == ["deferred"])
            assert not any("transport out failure" in line for line in instance.lines)
            assert not qmgr._active.messages

    asyncio.run(scenario())


def test_a_file_that_can_not_be_looked_at_does_not_end_a_scan(instance, toy, monkeypatch) -> None:
    async def scenario() -> None:
        ids = [instance.put("a@out.test") for _ in range(3)]
        bad, *others = instance.queue.scan("incoming")
        assert {bad, *others} == set(ids)
        error = OSError(errno.EIO, os.strerror(errno.EIO))
        monkeypatch.setattr(QueueDirectory, "status", _only_for(bad, error, QueueDirectory.status))
        async with instance.running(out=toy()):
            for other in others:
                await instance.until_logged(f"{other}: removed")
            assert instance.where(bad) == ["incoming"]
            assert f"warning: status of incoming/{bad}: Input/output error" in instance.lines

    asyncio.run(scenario())


def test_what_was_in_active_is_known_only_until_it_is_there_again(instance, toy) -> None:
    async def scenario() -> None:
        left = instance.put("a@out.test", queue="active")
        async with instance.running(out=toy()) as qmgr:
            assert qmgr._active._were_active == {left}
            await instance.until_logged(f"{left}: removed")
            assert not qmgr._active._were_active

    asyncio.run(scenario())


def test_what_an_agent_has_found_corrupt_as_qmgr_died_is_kept(instance, toy) -> None:
    """In incoming it would be taken for a message that nobody has finished, and be removed after a day."""

    async def scenario() -> None:
        bad, other = instance.put("a@out.test", queue="active", mode=0o400), instance.put("b@out.test", queue="active")
        async with instance.running(out=toy()):
            await instance.until_logged(f"{other}: removed")
            assert instance.where(bad) == ["corrupt"]
            assert f'warning: saving corrupt file "{bad}" from queue "active" to queue "corrupt"' in instance.lines

    asyncio.run(scenario())


@pytest.mark.parametrize("to_queue", ["deferred", "incoming", "corrupt"])
def test_a_file_that_could_not_leave_active_is_taken_up_at_the_next_queue_run(
    instance, toy, monkeypatch, to_queue: str
) -> None:
    """As with a hash directory that can't be made on a full disk. Postfix's qmgr ends, and the next starts over."""

    def rename(self, queue_id: str, source: str, target: str) -> None:
        if (source, target) == ("active", to_queue) and queue_id == bad:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, queue_id, source, target)

    async def scenario() -> None:
        nonlocal bad
        agent = toy()
        agent.verdict = lambda request: Answer(-1 if request.queue_id == bad and not healed else 0)
        bad, other = instance.put("a@out.test", queue="active"), instance.put("b@out.test")
        if to_queue == "corrupt":
            path = instance.queue.path("active", bad)
            whole = Path(path).read_bytes()
            os.truncate(path, 20)
        with monkeypatch.context() as patch:
            patch.setattr(QueueDirectory, "rename", rename)
            async with instance.running(out=agent) as qmgr:
                await instance.until_logged(f"{other}: removed")
                await instance.until(lambda: any(f"active/{bad}: No space left" in line for line in instance.lines))
                assert "active" in instance.where(bad)
                assert bad not in qmgr._active.messages
                healed.append(True)
                patch.undo()
                if to_queue == "corrupt":
                    Path(path).write_bytes(whole)
                qmgr.trigger(b"D")
                await instance.until_logged(f"{bad}: removed")
                assert not qmgr._active.messages

    bad = ""
    healed: list[bool] = []
    real = QueueDirectory.rename
    asyncio.run(scenario())


def test_messages_of_an_active_queue_that_was_away_for_a_while_go_on(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        ids = [instance.put("a@out.test") for _ in range(3)]
        async with instance.running(out=agent) as qmgr:
            await instance.until(lambda: len(agent.held) == 3)
            os.rename("active", "away")
            agent.release(Answer())  # all done, so it is to be removed
            agent.release(Answer(-1))
            agent.release(Answer(-1))
            await instance.until(lambda: not qmgr._active.messages)
            os.rename("away", "active")
            agent.verdict = agent.deliver
            qmgr.trigger(b"D")
            for queue_id in ids:
                await instance.until_logged(f"{queue_id}: removed")
            os.rename("active", "away")
            os.mkdir("active")
            qmgr.trigger(b"D")
            assert not qmgr._active._stuck

    asyncio.run(scenario())


async def taken_from(qmgr, instance, agent, take) -> None:
    """Take the message that an agent has from it, who then can't find it. take: does it."""
    await instance.until(lambda: agent.held)
    take()
    agent.release(Answer(-1))
    await instance.until(lambda: not qmgr._active.messages)


def test_a_message_that_was_away_is_left_alone_while_it_is_delivered_again(instance, toy) -> None:
    """As by `postsuper -h` while an agent had it, `postsuper -H` and `postqueue -i`, and then comes a queue run."""

    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        queue_id = instance.put("a@out.test")
        async with instance.running(out=agent) as qmgr:
            await taken_from(qmgr, instance, agent, lambda: os.rename(f"active/{queue_id}", f"hold/{queue_id}"))
            os.rename(f"hold/{queue_id}", f"incoming/{queue_id}")
            qmgr.trigger(b"IA")
            await instance.until(lambda: agent.held)
            qmgr.trigger(b"D")
            assert instance.where(queue_id) == ["active"]
            agent.release()
            await instance.until_logged(f"{queue_id}: removed")
            assert not any("No such file" in line for line in instance.lines)

    asyncio.run(scenario())


def test_of_a_message_that_was_taken_away_nothing_is_remembered(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        queue_id = instance.put("a@out.test")
        async with instance.running(out=agent) as qmgr:
            await taken_from(qmgr, instance, agent, lambda: os.unlink(f"active/{queue_id}"))
            qmgr.trigger(b"D")
            assert not qmgr._active._stuck
            assert not qmgr._active._were_active

    asyncio.run(scenario())


@pytest.mark.parametrize("log", ["defer", "bounce"])
def test_logs_of_an_earlier_try_go_however_soon_the_next_one_comes(instance, toy, log: str) -> None:
    """Such as of an agent that died between a bounce and its mark: of success at the next try nobody is told."""

    async def scenario() -> None:
        queue_id = instance.put("a@out.test", queue="active")
        Path(log, queue_id).write_text("\nrecipient=a@out.test\nreason=no\n\n")
        async with instance.running(out=toy()):
            await instance.until_logged(f"{queue_id}: removed")
            assert instance.where(queue_id) == []
            assert not instance.cleanup.posted

    asyncio.run(scenario())
