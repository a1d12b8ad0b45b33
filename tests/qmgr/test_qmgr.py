"""A whole qmgr: from files in the queue to requests at agents, and back."""

import asyncio
import errno
import fcntl
import os
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pyfix.clients.deliver import Answer, Dsn, Flags
from pyfix.clients.rewrite import CLASS_LOCAL, FLAG_ERROR, FLAG_FAIL
from pyfix.qmgr import daemon
from pyfix.qmgr.active import Active
from pyfix.queue import records as rec
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.file import Recipient, mark_done, read_envelope, read_recipients
from pyfix.queue.logs import LogEntry, append_log
from pyfix.queue.scan import RECIPIENT_LIMIT
from pyfix.queue.usual import split_file
from pyfix.wire.stream import CONNECTION, GOAWAY, encode_frame
from tests.queue.build import put, usual_file


def test_a_message_goes_out_and_is_removed(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        queue_id = instance.put("a@virtual.test", "b@virtual.test")
        async with instance.running(virtual=agent):
            await instance.until_logged("removed")
            assert instance.lines == [
                f"{queue_id}: from=<s@a.test>, size=17, nrcpt=2 (queue active)",
                f"{queue_id}: removed",
            ]
            assert instance.where(queue_id) == []
            (request,) = agent.requests
            assert request.nexthop == "virtual.test"
            assert [r.address for r in request.recipients] == ["a@virtual.test", "b@virtual.test"]

    asyncio.run(scenario())


def test_recipients_are_grouped_by_destination_and_limit(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        instance.put(*[f"u{n}@virtual.one.test" for n in range(5)], "x@virtual.two.test")
        async with instance.running("virtual_destination_recipient_limit = 2", virtual=agent):
            await instance.until_logged("removed")
            groups = sorted((r.nexthop, len(r.recipients)) for r in agent.requests)
            assert groups == [
                ("virtual.one.test", 1),
                ("virtual.one.test", 2),
                ("virtual.one.test", 2),
                ("virtual.two.test", 1),
            ]

    asyncio.run(scenario())


def test_a_destination_gets_no_more_than_its_window(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        for n in range(10):
            instance.put(f"u{n}@virtual.test")
        async with instance.running("virtual_initial_destination_concurrency = 3", virtual=agent):
            await instance.until(lambda: len(agent.held) == 3)
            await asyncio.sleep(0.02)
            assert agent.most == 3
            agent.release()
            await instance.until(lambda: len(agent.held) == 4)
            assert agent.most == 4
            while agent.held:
                agent.release()
                await asyncio.sleep(0.005)
            await instance.until(lambda: sum("removed" in line for line in instance.lines) == 10)

    asyncio.run(scenario())


def test_serial_agents_get_several_connections(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy(concurrency=2)
        agent.verdict = lambda _: None
        for n in range(5):
            instance.put(f"u{n}@virtual.test")
        async with instance.running(virtual=agent):
            await instance.until(lambda: len(agent.held) == 5)
            assert len(agent.server.links) == 3
            while agent.held:
                agent.release()
            await instance.until(lambda: sum("removed" in line for line in instance.lines) == 5)

    asyncio.run(scenario())


def test_a_transport_that_is_not_there_defers_its_mail(instance) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@local.test")
        async with instance.running() as qmgr:
            await instance.until(lambda: instance.where(queue_id) == ["deferred", "defer"])
            assert instance.lines[1] == (
                "warning: connect to transport private/local: No such file or directory"
            )
            assert instance.lines[2].startswith(f"{queue_id}: to=<a@local.test>, relay=none, delay=")
            assert instance.lines[2].endswith("dsn=4.3.0, status=deferred (mail transport unavailable)")
            assert 295 < os.stat(f"deferred/{queue_id}").st_mtime - time.time() < 301
            said = len(instance.lines)
            another = instance.put("b@local.test")
            qmgr.trigger(b"I")
            await instance.until(lambda: instance.where(another) == ["deferred", "defer"])
            assert not any("warning" in line for line in instance.lines[said:])

    asyncio.run(scenario())


def test_without_a_retry_service_qmgr_defers_by_itself(instance) -> None:
    async def scenario() -> None:
        open("private/retry", "w").close()  # nobody listens there
        queue_id = instance.put("a@local.test")
        async with instance.running():
            await instance.until(lambda: instance.where(queue_id) == ["deferred", "defer"])
            assert "warning: connect to transport private/retry: Connection refused" in instance.lines
            assert instance.lines[-1].endswith("dsn=4.3.0, status=deferred (mail transport unavailable)")

    asyncio.run(scenario())


def test_a_mixed_message_bounces_at_once_and_keeps_who_is_left(instance, toy) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@virtual.test", "b@error.test", "c@local.test")
        async with instance.running(virtual=toy()):
            await instance.until(lambda: "deferred" in instance.where(queue_id))
            assert instance.where(queue_id) == ["deferred", "defer"]
            assert instance.todo("deferred", queue_id) == ["c@local.test"]
            (report,) = instance.cleanup.posted
            assert (report.value(rec.FROM), report.value(rec.RCPT)) == ("", "s@a.test")
            assert "<b@error.test>: error.test" in report.text
            assert f"{queue_id}: sender non-delivery notification: ABCDE0" in instance.lines

    asyncio.run(scenario())


def test_a_message_whose_bounce_fails_stays(instance) -> None:
    async def scenario() -> None:
        queue_id = instance.put("b@error.test")
        instance.cleanup.status = 2
        async with instance.running() as qmgr:
            await instance.until(lambda: instance.where(queue_id) == ["deferred", "bounce"])
            assert f"{queue_id}: status=deferred (bounce failed)" in instance.lines
            assert not any("service failure" in line for line in instance.lines)
            instance.cleanup.status = 0
            qmgr.trigger(b"FAD")
            await instance.until_logged(f"{queue_id}: removed")
            assert len(instance.cleanup.posted) == 1
            assert instance.where(queue_id) == []

    asyncio.run(scenario())


def test_a_bounce_of_a_later_batch_that_was_not_reported_is_reported(instance, toy) -> None:
    """As a qmgr finds it that was started after the end of another, or a bounce service."""

    async def scenario() -> None:
        queue_id = instance.put(*[f"u{n}@virtual.test" for n in range(RECIPIENT_LIMIT)], "b@error.test")
        fd = instance.queue.open("incoming", queue_id, os.O_RDWR)
        envelope = read_envelope(fd)
        (last,) = read_recipients(fd, envelope)
        mark_done(fd, last.offset)
        os.close(fd)
        append_log(instance.queue, "bounce", queue_id, LogEntry(last, "5.1.1", "failed", "nobody"))
        async with instance.running(virtual=toy()):
            await instance.until_logged(f"{queue_id}: removed")
            assert len(instance.cleanup.posted) == 1
            assert instance.where(queue_id) == []

    asyncio.run(scenario())


def test_a_bounce_log_of_recipients_without_a_mark_is_not_reported(instance, toy) -> None:
    """An agent died between the log and the mark: its recipient is tried again, and may get the message now."""

    async def scenario() -> None:
        queue_id = instance.put("a@virtual.test", "b@error.test", queue="deferred")
        entry = LogEntry(Recipient(1, "a@virtual.test"), "5.1.1", "failed", "nobody")
        append_log(instance.queue, "bounce", queue_id, entry)
        async with instance.running(virtual=toy()):
            await instance.until_logged(f"{queue_id}: removed")
            (report,) = instance.cleanup.posted
            assert "<b@error.test>" in report.text
            assert "<a@virtual.test>" not in report.text
            assert instance.where(queue_id) == []

    asyncio.run(scenario())


def test_a_file_that_can_not_be_opened_waits(instance, toy, monkeypatch) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@virtual.test")
        real = os.open

        def fail(path, *more, **options):
            if path == f"active/{queue_id}":
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return real(path, *more, **options)

        async with instance.running(virtual=toy()) as qmgr:
            with monkeypatch.context() as patch:
                patch.setattr(os, "open", fail)
                await instance.until(lambda: instance.where(queue_id) == ["deferred"])
            qmgr.trigger(b"DA")
            await instance.until_logged(f"{queue_id}: removed")

    asyncio.run(scenario())


def test_what_was_held_for_want_of_bounces_is_returned_once_it_is_released(instance) -> None:
    async def scenario() -> None:
        queue_id = instance.put("b@error.test", done=1, queue="deferred")
        os.rename(f"deferred/{queue_id}", f"hold/{queue_id}")
        with open(f"bounce/{queue_id}", "w") as log:
            log.write("\nrecipient=b@error.test\nstatus=5.1.1\naction=failed\nreason=no such user\n\n")
        async with instance.running() as qmgr:
            os.rename(f"hold/{queue_id}", f"deferred/{queue_id}")
            qmgr.trigger(b"D")
            await instance.until_logged(f"{queue_id}: removed")
            (report,) = instance.cleanup.posted
            assert "<b@error.test>: no such user" in report.text
            assert instance.where(queue_id) == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("sender", "main_cf", "returned"),
    [
        ("s@a.test", "maximal_queue_lifetime = 1h", True),
        ("", "maximal_queue_lifetime = 1h", True),
        ("", "maximal_queue_lifetime = 1d", False),
        ("", "bounce_queue_lifetime = 1h", True),
        ("s@a.test", "maximal_queue_lifetime = 1d", False),
    ],
)
def test_what_waited_too_long_is_returned(instance, sender: str, main_cf: str, returned: bool) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@local.test", sender=sender, age=7200)
        async with instance.running(main_cf):
            await instance.until_logged("status=deferred")
            await instance.until(lambda: "active" not in instance.where(queue_id))
            assert instance.where(queue_id) == ([] if returned else ["deferred", "defer"])
            line = f"{queue_id}: from=<{sender}>, status=expired, returned to sender"
            assert (line in instance.lines) is returned
            assert len(instance.cleanup.posted) == (returned and sender != "")
            for report in instance.cleanup.posted:
                assert "Action: failed\nStatus: 4.3.0\n" in report.text

    asyncio.run(scenario())


def test_the_return_of_what_waited_too_long_is_tried_again(instance) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@local.test", age=7200)
        instance.cleanup.status = 2
        async with instance.running("maximal_queue_lifetime = 1h\nbounce_queue_lifetime = 2h"):
            assert instance.lines[0] == (
                "warning: bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting bounce_queue_lifetime"
            )
            await instance.until(lambda: instance.where(queue_id) == ["deferred", "defer"])
            assert instance.lines[-1] == f"{queue_id}: status=deferred (bounce failed)"

    asyncio.run(scenario())


def test_as_many_recipients_are_taken_as_messages(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        ids = [instance.put("a@virtual.test"), instance.put("b@virtual.test")]
        limits = "qmgr_message_active_limit = 2\nqmgr_message_recipient_limit = 1"
        async with instance.running(limits, virtual=agent):
            await instance.until(lambda: len(agent.held) == 2)
            agent.release()
            agent.release()
            for queue_id in ids:
                await instance.until_logged(f"{queue_id}: removed")
            assert instance.lines[0] == (
                "warning: qmgr_message_recipient_limit is smaller than qmgr_message_active_limit - "
                "adjusting qmgr_message_recipient_limit"
            )

    asyncio.run(scenario())


def test_a_message_stays_whose_sender_can_not_be_told_of_its_delivery(instance) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@error.test", trace=Flags.RECORD)
        instance.cleanup.status = 2
        async with instance.running():
            await instance.until(lambda: "deferred" in instance.where(queue_id))
            assert f"{queue_id}: status=deferred (trace failed)" in instance.lines

    asyncio.run(scenario())


def test_force_expired_mail_is_returned_without_another_try(instance, toy) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@virtual.test", queue="deferred", mode=0o710)
        with open(f"defer/{queue_id}", "w") as log:
            log.write("\nrecipient=a@virtual.test\nstatus=4.4.1\naction=delayed\nreason=timed out\n\n")
        agent = toy()
        async with instance.running(virtual=agent):
            await instance.until_logged(f"{queue_id}: removed")
            assert f"{queue_id}: from=<s@a.test>, status=force-expired, returned to sender" in instance.lines
            assert agent.requests == []
            assert "<a@virtual.test>: timed out" in instance.cleanup.posted[0].text

    asyncio.run(scenario())


def test_the_sender_is_warned_of_a_delay_once(instance) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@local.test", age=7200, warn=3600)
        async with instance.running("delay_warning_time = 1h") as qmgr:
            await instance.until(lambda: instance.where(queue_id) == ["deferred", "defer"])
            assert f"{queue_id}: sender delay notification: ABCDE0" in instance.lines
            qmgr.trigger(b"FAD")
            await instance.until(lambda: sum("status=deferred" in line for line in instance.lines) == 2)
            await instance.until(lambda: instance.where(queue_id) == ["deferred", "defer"])
            (report,) = instance.cleanup.posted
            assert "Subject: Delayed Mail (still being retried)\n" in report.text
            assert "Action: delayed\n" in report.text

    asyncio.run(scenario())


def test_what_was_traced_is_reported_once(instance) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@error.test", "b@local.test", trace=Flags.RECORD)
        async with instance.running() as qmgr:
            await instance.until(lambda: instance.where(queue_id) == ["deferred", "defer"])
            subjects = [report.text.split("Subject: ")[1].split("\n")[0] for report in instance.cleanup.posted]
            assert subjects == ["Undelivered Mail Returned to Sender", "Mail Delivery Status Report"]
            assert "<a@error.test>: error.test" in instance.cleanup.posted[1].text
            assert "<b@local.test>: mail transport unavailable" in instance.cleanup.posted[1].text
            qmgr.trigger(b"FAD")
            await instance.until(lambda: sum("status=deferred" in line for line in instance.lines) == 2)
            await instance.until(lambda: instance.where(queue_id) == ["deferred", "defer"])
            assert len(instance.cleanup.posted) == 2

    asyncio.run(scenario())


def test_a_dead_site_is_not_tried_for_others(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: Answer(-1, Dsn("4.4.1", "connect to x: refused"))
        first = instance.put("a@smtp.test")
        async with instance.running("smtp_initial_destination_concurrency = 1", smtp=agent) as qmgr:
            await instance.until(lambda: instance.where(first) == ["deferred"])
            second = instance.put("b@smtp.test")
            qmgr.trigger(b"I")
            await instance.until(lambda: instance.where(second) == ["deferred", "defer"])
            assert len(agent.requests) == 1
            assert instance.lines[-1].endswith(
                "dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to x: refused)"
            )
            agent.verdict = agent.deliver
            qmgr.trigger(b"FAD")
            await instance.until(lambda: sum("removed" in line for line in instance.lines) == 2)

    asyncio.run(scenario())


def test_a_lost_agent_defers_what_it_had(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        queue_id = instance.put("a@virtual.test")
        async with instance.running(virtual=agent):
            await instance.until(lambda: len(agent.held) == 1)
            for link in list(agent.server.links):
                link.close()
            await instance.until(lambda: instance.where(queue_id) == ["deferred", "defer"])
            assert instance.lines[1] == (
                "warning: transport virtual failure -- see a previous warning/fatal/panic logfile record "
                "for the problem description"
            )
            assert instance.lines[2].endswith("dsn=4.3.0, status=deferred (unknown mail transport error)")

    asyncio.run(scenario())


def test_an_agent_that_says_goaway_loses_nothing(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        instance.put("a@virtual.test")
        async with instance.running(virtual=agent) as qmgr:
            await instance.until(lambda: len(agent.held) == 1)
            (link,) = agent.server.links
            link.goaway()
            await asyncio.sleep(0.01)
            instance.put("b@virtual.test")
            qmgr.trigger(b"I")
            await instance.until(lambda: len(agent.held) == 2)
            assert len(agent.server.links) == 2
            agent.release()
            agent.release()
            await instance.until(lambda: sum("removed" in line for line in instance.lines) == 2)

    asyncio.run(scenario())


class Leaving:
    """Greets peers and leaves at once, but for those whose number `stays` says yes to."""

    def __init__(self, agent, stays) -> None:
        self.server = self
        self.links = agent.server.links
        self.greeted = 0
        self._agent = agent
        self._stays = stays

    async def serve(self, sock: socket.socket) -> None:
        self.greeted += 1
        if self._stays(self.greeted):
            await self._agent.server.serve(sock)
        else:
            with sock:
                await self.turn_away(sock)

    async def turn_away(self, sock: socket.socket) -> None:
        sock.sendall(self._agent.server.greeting + encode_frame(CONNECTION, GOAWAY))


class Mute(Leaving):
    """Says nothing to those that do not stay."""

    async def turn_away(self, _: socket.socket) -> None:
        await asyncio.Event().wait()


def test_an_agent_that_greets_and_leaves_is_followed_by_another(instance, toy) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@virtual.test")
        async with instance.running(virtual=Leaving(toy(), lambda number: number == 3)):
            await instance.until_logged(f"{queue_id}: removed")

    asyncio.run(scenario())


def test_a_transport_whose_agents_greet_and_leave_is_dead_for_a_while(instance, toy) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@virtual.test")
        agents = Leaving(toy(), lambda _: False)
        async with instance.running(virtual=agents) as qmgr:
            await instance.until(lambda: instance.where(queue_id) == ["deferred", "defer"])
            assert instance.lines[1] == (
                "warning: connect to transport private/virtual: agents leave as soon as they are reached"
            )
            assert instance.lines[2].endswith("dsn=4.3.0, status=deferred (mail transport unavailable)")
            greeted = agents.greeted
            another = instance.put("b@virtual.test")
            qmgr.trigger(b"I")
            await instance.until(lambda: instance.where(another) == ["deferred", "defer"])
            assert agents.greeted == greeted

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("others", "reason"), [(Leaving, "agents leave as soon as they are reached"), (Mute, "Connection timed out")]
)
def test_no_mail_waits_for_an_agent_that_left_while_others_were_sought_in_vain(instance, toy, others, reason) -> None:
    async def scenario() -> None:
        agent = toy(concurrency=1)
        agent.verdict = lambda _: None

        def stays(number: int) -> bool:
            if number == 2:
                (link,) = agent.server.links
                link.goaway()
            return number == 1

        first, second = instance.put("a@virtual.test"), instance.put("b@virtual.test")
        async with instance.running("qmgr_ipc_timeout = 1s", virtual=others(agent, stays)):
            await instance.until(lambda: any(instance.where(id_) == ["deferred", "defer"] for id_ in (first, second)))
            assert f"warning: connect to transport private/virtual: {reason}" in instance.lines
            agent.release()
            await instance.until_logged("removed")

    asyncio.run(scenario())


def test_what_an_earlier_qmgr_left_in_active_is_delivered(instance, toy) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@virtual.test", "b@virtual.test", queue="active", done=1)
        async with instance.running(virtual=(agent := toy())):
            await instance.until_logged("removed")
            assert [r.address for r in agent.requests[0].recipients] == ["b@virtual.test"]
            assert instance.where(queue_id) == []

    asyncio.run(scenario())


def test_a_message_without_recipients_left_is_removed_at_once(instance) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@virtual.test", queue="active", done=1)
        async with instance.running():
            await instance.until_logged("removed")
            assert instance.lines[0] == f"{queue_id}: from=<s@a.test>, size=17, nrcpt=1 (queue active)"

    asyncio.run(scenario())


def test_a_file_that_an_agent_still_works_on_is_skipped(instance) -> None:
    async def scenario() -> None:
        queue_id = instance.put("a@virtual.test", queue="active")
        with open(f"active/{queue_id}", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            async with instance.running():
                await instance.until_logged(f"{queue_id}: skipped, still being delivered")
                await asyncio.sleep(0.01)
                assert instance.where(queue_id) == ["incoming"]
                assert 58 < os.stat(f"incoming/{queue_id}").st_mtime - time.time() < 61
                assert len(instance.lines) == 1

    asyncio.run(scenario())


def test_a_bad_file_goes_to_corrupt_and_the_rest_flows(instance, toy) -> None:
    async def scenario() -> None:
        bad = instance.put("a@virtual.test")
        os.truncate(f"incoming/{bad}", 150)
        instance.put("a@virtual.test")
        async with instance.running(virtual=toy()):
            await instance.until_logged("removed")
            await instance.until_logged("corrupt")
            assert instance.where(bad) == ["corrupt"]
            line = f'warning: saving corrupt file "{bad}" from queue "active" to queue "corrupt"'
            assert line in instance.lines

    asyncio.run(scenario())


def test_incomplete_and_future_files_are_left_alone(instance) -> None:
    async def scenario() -> None:
        writing = instance.put("a@virtual.test", mode=0o600)
        later = instance.put("a@virtual.test", queue="deferred")
        os.utime(f"deferred/{later}", (time.time() + 50, time.time() + 50))
        async with instance.running():
            await asyncio.sleep(0.02)
            assert instance.where(writing) == ["incoming"]
            assert instance.where(later) == ["deferred"]
            assert instance.lines == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (FLAG_ERROR, "dsn=5.1.3, status=bounced (bad address syntax)"),
        (FLAG_FAIL, "dsn=4.3.0, status=deferred (address resolver failure)"),
    ],
)
def test_addresses_that_do_not_resolve(instance, flags: int, line: str) -> None:
    async def scenario() -> None:
        instance.resolver.flags["a@virtual.test"] = flags
        instance.put("a@virtual.test")
        async with instance.running():
            await instance.until_logged(line)
            await instance.until(lambda: not os.listdir("active"))

    asyncio.run(scenario())


def test_defer_transports(instance) -> None:
    async def scenario() -> None:
        instance.put("a@virtual.test")
        async with instance.running("defer_transports = smtp, virtual"):
            await instance.until_logged("dsn=4.3.2, status=deferred (deferred transport)")
            await instance.until(lambda: not os.listdir("active"))

    asyncio.run(scenario())


def test_a_flush_tries_mail_of_defer_transports_too(instance, toy) -> None:
    async def scenario() -> None:
        instance.put("a@virtual.test")
        async with instance.running("defer_transports = virtual", virtual=toy()) as qmgr:
            await instance.until_logged("status=deferred (deferred transport)")
            await instance.until(lambda: not os.listdir("active"))
            qmgr.trigger(b"FADI")
            await instance.until_logged("removed")

    asyncio.run(scenario())


def test_a_flush_service_that_hangs_has_few_connections_and_is_told_of_no_more_than_it_can_hear(
    instance, monkeypatch
) -> None:
    told: list[str] = []
    hangs = asyncio.Event()

    async def ask(_: str, **request: str) -> int:
        told.append(request["queue_id"])
        await hangs.wait()
        return 0

    async def scenario() -> None:
        monkeypatch.setattr(daemon, "FLUSH_WAITING", 15)
        monkeypatch.setattr(daemon.flush, "ask_later", ask)
        for n in range(20):
            instance.put(f"u{n}@virtual.test")
        async with instance.running("defer_transports = virtual\nfast_flush_domains = virtual.test") as qmgr:
            await instance.until(lambda: len(os.listdir("deferred")) == 20)
            assert len(told) == daemon.FLUSH_AT_ONCE
            hangs.set()
            await instance.until(lambda: len(told) == 15)
            queue_id = instance.put("one-more@virtual.test")
            qmgr.trigger(b"I")
            await instance.until(lambda: queue_id in os.listdir("deferred") and told[-1] == queue_id)
            assert len(told) == 16

    asyncio.run(scenario())


def test_a_double_bounce_ends_here(instance) -> None:
    async def scenario() -> None:
        instance.resolver.flags["double-bounce@virtual.test"] = CLASS_LOCAL
        queue_id = instance.put("double-bounce@virtual.test", sender="")
        async with instance.running():
            await instance.until_logged("removed")
            assert instance.lines[1].endswith(
                "dsn=2.0.0, status=sent (undeliverable postmaster notification discarded)"
            )
            assert instance.lines[2] == f"{queue_id}: removed"

    asyncio.run(scenario())


def test_no_more_messages_are_active_than_the_limit(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        for n in range(6):
            instance.put(f"u{n}@virtual.test", queue="incoming" if n % 2 else "deferred")
        async with instance.running("qmgr_message_active_limit = 2", virtual=agent):
            for left in range(6, 0, -1):  # the agent holds two until the last
                await instance.until(lambda left=left: len(agent.held) == min(left, 2))
                assert len(os.listdir("active")) <= 2
                agent.release()
            await instance.until(lambda: sum("removed" in line for line in instance.lines) == 6)

    asyncio.run(scenario())


def test_more_recipients_than_one_batch(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        queue_id = instance.put(*[f"u{n}@virtual.test" for n in range(5100)])
        async with instance.running("virtual_destination_recipient_limit = 0", virtual=agent):
            await instance.until_logged("removed")
            assert [len(r.recipients) for r in agent.requests] == [5000, 100]
            assert instance.lines[0] == f"{queue_id}: from=<s@a.test>, size=17, nrcpt=5100 (queue active)"

    asyncio.run(scenario())


def test_retirement_waits_for_what_is_under_way_and_sends_nothing_new(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        first = instance.put("a@virtual.test")
        async with instance.running("virtual_destination_concurrency_limit = 1", virtual=agent) as qmgr:
            await instance.until(lambda: len(agent.held) == 1)
            second = instance.put("b@virtual.test")
            qmgr.trigger(b"I")
            await instance.until(lambda: instance.where(second) == ["active"])
            retiring = asyncio.ensure_future(qmgr.retire())
            await asyncio.sleep(0.01)
            assert not retiring.done()
            agent.release()
            await retiring
            assert instance.where(first) == []
            assert instance.where(second) == ["active"]
            assert len(agent.requests) == 1

    asyncio.run(scenario())


def test_retirement_waits_for_reports(instance) -> None:
    async def scenario() -> None:
        queue_id = instance.put("b@error.test")
        instance.cleanup.held = True
        async with instance.running() as qmgr:
            await instance.until(lambda: bool(instance.cleanup.waiting))
            retiring = asyncio.ensure_future(qmgr.retire())
            await asyncio.sleep(0.01)
            assert not retiring.done()
            instance.cleanup.release()
            await retiring
            assert f"{queue_id}: removed" in instance.lines

    asyncio.run(scenario())


async def _told(words: bytes, qmgr) -> None:
    """A session with qmgr that says these words and ends."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    ours.sendall(words)
    serving = asyncio.ensure_future(qmgr.serve(theirs))
    await asyncio.sleep(0.01)
    ours.close()
    await serving


def test_a_named_file_is_taken_without_a_look_at_incoming(instance, toy, monkeypatch) -> None:
    async def scenario() -> None:
        async with instance.running(out=toy()) as qmgr:
            await asyncio.sleep(0.01)
            monkeypatch.setattr(QueueDirectory, "scan", lambda *_: pytest.fail("a scan"))
            queue_id = instance.put("a@out.test")
            qmgr.named([("ABCDEF123", b"", b""), (queue_id, b"", b""), (queue_id, b"", b"")])
            await instance.until_logged(f"{queue_id}: removed")

    asyncio.run(scenario())


def test_when_who_has_named_files_goes_incoming_is_looked_through(instance, toy) -> None:
    async def scenario() -> None:
        async with instance.running(out=toy()) as qmgr:
            await asyncio.sleep(0.01)
            named, unnamed = instance.put("a@out.test"), instance.put("b@out.test")
            await _told(f"<{named}><{unnamed[:4]}".encode(), qmgr)
            await instance.until_logged(f"{named}: removed")
            await instance.until_logged(f"{unnamed}: removed")

    asyncio.run(scenario())


def test_names_alone_do_not_do_for_long(instance, toy, monkeypatch) -> None:
    async def scenario() -> None:
        async with instance.running(out=toy()) as qmgr:
            await asyncio.sleep(0.01)
            first, second = instance.put("a@out.test"), instance.put("b@out.test")
            qmgr.named([(first, b"", b"")])
            await instance.until_logged(f"{first}: removed")
            assert instance.where(second) == ["incoming"]
            monkeypatch.setattr(daemon, "LOOK_AFTER", -1.0)
            qmgr.named([("ABCDEF123", b"", b"")])
            await instance.until_logged(f"{second}: removed")

    asyncio.run(scenario())


def test_named_files_for_which_there_is_no_room_wait(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        agent.verdict = lambda _: None
        async with instance.running("qmgr_message_active_limit = 1", out=agent) as qmgr:
            await asyncio.sleep(0.01)
            ids = [instance.put("a@out.test") for _ in range(3)]
            qmgr.named([(queue_id, b"", b"") for queue_id in ids])
            for _ in ids:
                await instance.until(lambda: bool(agent.held))
                assert len(instance.where(ids[0])) <= 1
                agent.release()
            for queue_id in ids:
                await instance.until_logged(f"{queue_id}: removed")
            assert agent.most == 1

    asyncio.run(scenario())


def _put_usual(instance, queue: str = "incoming") -> tuple[str, bytes, bytes]:
    """A message as smtpd and cleanup make it; what is said of it when it is named."""
    data = usual_file(recipient=rec.encode(rec.RCPT, b"u@out.test"))
    return put(instance.queue, queue, data), *split_file(data)


def _handed(named: tuple[str, bytes, bytes]) -> bytes:
    queue_id, head, tail = named
    return b"<%b %d %d>%b%b" % (queue_id.encode(), len(head), len(tail), head, tail)


def test_what_is_handed_over_with_a_name_is_not_read(instance, toy, monkeypatch) -> None:
    async def scenario() -> None:
        agent = toy()
        async with instance.running(out=agent) as qmgr:
            await asyncio.sleep(0.01)
            read = _put_usual(instance)
            await _told(f"<{read[0]}>".encode(), qmgr)
            await instance.until_logged(f"{read[0]}: removed")
            monkeypatch.setattr(Active, "_read", lambda *_: pytest.fail("a file is read"))
            named = _put_usual(instance)
            await _told(_handed(named), qmgr)
            await instance.until_logged(f"{named[0]}: removed")
            first, second = agent.requests
            assert second[:8] == (named[0], *first[1:8])
            assert second[9:] == first[9:]
            assert [line.partition(": ")[2] for line in instance.lines[:2]] == [
                line.partition(": ")[2] for line in instance.lines[2:]
            ]

    asyncio.run(scenario())


def test_what_is_handed_over_and_not_usual_is_read(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        async with instance.running(out=agent) as qmgr:
            await asyncio.sleep(0.01)
            queue_id = instance.put("a@out.test", "b@out.test")
            head, tail = split_file(Path("incoming", queue_id).read_bytes())
            await _told(_handed((queue_id, head or b"C", tail or b"E")), qmgr)
            await instance.until_logged(f"{queue_id}: removed")
            assert len(agent.requests[0].recipients) == 2

    asyncio.run(scenario())


def test_nobody_is_believed_about_a_file_that_was_in_active_before(instance, toy) -> None:
    async def scenario() -> None:
        agent = toy()
        named = _put_usual(instance, "active")
        fd = instance.queue.open("active", named[0], os.O_RDWR)
        mark_done(fd, read_envelope(fd).recipients[0].offset)
        os.close(fd)
        async with instance.running(out=agent) as qmgr:
            qmgr.named([named])
            await instance.until_logged(f"{named[0]}: removed")
            assert not agent.requests

    asyncio.run(scenario())


def test_only_who_may_write_to_incoming_names_files(instance, toy, monkeypatch) -> None:
    async def scenario() -> None:
        async with instance.running("authorized_flush_users = static:anyone", out=toy()) as qmgr:
            await asyncio.sleep(0.01)
            monkeypatch.setattr(daemon, "peer_credentials", lambda _: SimpleNamespace(uid=os.geteuid() + 4711))
            queue_id = instance.put("a@out.test", mode=0o600)
            named = _put_usual(instance, "hold")
            os.rename(f"hold/{named[0]}", f"incoming/{named[0]}")
            os.chmod(f"incoming/{named[0]}", 0o600)
            await _told(f"<{queue_id}>".encode() + _handed(named), qmgr)
            await asyncio.sleep(0.02)
            assert instance.where(queue_id) == instance.where(named[0]) == ["incoming"]

    asyncio.run(scenario())


def test_who_keeps_a_trigger_connection_is_sent_away_when_it_leaves(instance) -> None:
    """Else one that leaves by itself, after a bug, would never end, and master begin no other."""

    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        ours.setblocking(False)
        async with instance.running() as qmgr:
            session = asyncio.create_task(qmgr.serve(theirs))
            await asyncio.sleep(0)
            await qmgr.retire()
            async with asyncio.timeout(10):
                await session
                assert await asyncio.get_running_loop().sock_recv(ours, 10) == b""
        ours.close()

    asyncio.run(scenario())
