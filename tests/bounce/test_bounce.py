"""The bounce, defer and trace services, on a real socket."""

import asyncio
import contextlib
import errno
import os
import re
import resource
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from pyfix.bounce.daemon import Bounce
from pyfix.bounce.notify import Notifier
from pyfix.clients.bounce import APPEND, FAILED, PROTOCOL, REPORT, BounceClient, Command, ReportRequest
from pyfix.clients.deliver import Dsn, recipient_fields
from pyfix.clients.stream import Channel
from pyfix.config.main_cf import MainCf
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.file import Recipient
from pyfix.queue.logs import read_log
from pyfix.server.context import Context
from pyfix.unix import msg
from pyfix.unix.fsync import Sync, sync_all
from pyfix.unix.locks import flock_exclusive
from pyfix.wire.stream import encode_frame

RECIPIENT = Recipient(631, "u@d.test", "alias@d.test", "rfc822;alias@d.test", 6)


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    for name in ("bounce", "defer", "trace", "private"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    before = msg.to(lambda _, text: lines.append(text))
    yield lines
    msg.to(*before)


@contextlib.asynccontextmanager
async def serving(name: str, main_cf: str = "") -> AsyncIterator[Channel]:
    service = Bounce(Context(name, "bounce", MainCf.from_text(main_cf)))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"private/{name}")
    listener.listen()
    listener.setblocking(False)
    channel = Channel(f"private/{name}", PROTOCOL)

    sessions: list[asyncio.Future[None]] = []

    async def accept() -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            sessions.append(asyncio.ensure_future(service.serve(sock)))

    sessions.append(asyncio.ensure_future(accept()))
    try:
        yield channel
    finally:
        channel.close()
        await asyncio.sleep(0.005)
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        listener.close()
        os.unlink(f"private/{name}")


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


def test_an_entry_is_as_postfix_writes_it(lines: list[str]) -> None:
    async def scenario() -> None:
        async with serving("defer") as channel:
            client = BounceClient({"defer": channel})
            dsn = Dsn("4.3.2", "deferred transport", "delayed", mta_type="dns", mta_mname="mx.d.test")
            assert await client.append("defer", "C198A22", RECIPIENT, dsn)

    run(scenario)
    assert Path("defer/C/C198A22").read_text() == (
        "\n<u@d.test>: deferred transport\nrecipient=u@d.test\noriginal_recipient=alias@d.test\noffset=631\n"
        "dsn_orig_rcpt=rfc822;alias@d.test\nnotify_flags=6\nstatus=4.3.2\naction=delayed\n"
        "mta_type=dns\nmta_mname=mx.d.test\nreason=deferred transport\n\n"
    )
    assert lines == []


def test_many_entries_share_a_connection(lines: list[str]) -> None:
    async def scenario() -> None:
        async with serving("bounce", "backwards_bounce_logfile_compatibility = no") as channel:
            client = BounceClient({"bounce": channel})
            dsn = Dsn("5.1.1", "no", "failed")
            entries = [client.append("bounce", "C198A22", RECIPIENT, dsn) for _ in range(20)]
            assert await asyncio.gather(*entries) == [True] * 20

    run(scenario)
    assert Path("bounce/C198A22").read_text().count("\nrecipient=u@d.test\n") == 20


def appended(name: str, queue_ids: list[str]) -> list[bool]:
    """What is said to entries for these messages that come together; each has its number for a reason."""
    answers: list[bool] = []

    async def scenario() -> None:
        async with serving(name) as channel:
            client = BounceClient({name: channel})
            requests = [
                client.append(name, queue_id, RECIPIENT, Dsn("4.3.2", f"number {number}", "delayed"))
                for number, queue_id in enumerate(queue_ids)
            ]
            answers.extend(await asyncio.gather(*requests))

    run(scenario)
    return answers


def reasons(path: str) -> list[str]:
    return re.findall("^reason=(.*)$", Path(path).read_text(), re.MULTILINE)


def test_what_comes_together_is_synced_together_and_then_answered(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[list[str]] = []

    def sync(files: list[Sync]) -> None:
        synced.append([os.path.basename(os.readlink(f"/proc/self/fd/{file.fd}")) for file in files])
        sync_all(files)

    monkeypatch.setattr("pyfix.bounce.daemon.sync_all", sync)
    assert appended("defer", ["A1", "B2", "A1", "C3"]) == [True] * 4
    assert synced == [["A1", "B2", "C3"]]
    found = [reasons(f"defer/{queue_id[0]}/{queue_id}") for queue_id in ("A1", "B2", "C3")]
    assert found == [["number 0", "number 2"], ["number 1"], ["number 3"]]
    assert lines == []


def test_one_log_that_is_not_durable_has_none_of_what_came_and_does_the_others_no_harm(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert appended("defer", ["B2"]) == [True]

    def sync(files: list[Sync]) -> None:
        sync_all(files)
        files[1].error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pyfix.bounce.daemon.sync_all", sync)
    Path("defer/D").touch()
    assert appended("defer", ["A1", "B2", "D4", "B2", "A1"]) == [True, False, False, False, True]
    assert (reasons("defer/A/A1"), reasons("defer/B/B2")) == (["number 0", "number 4"], ["number 0"])
    assert lines == [
        "warning: append to defer/D4: Not a directory",
        "warning: append to defer/B2: No space left on device",
    ]


def test_a_report_has_what_was_said_in_the_same_breath(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    async def flush(_: Notifier, log: str, report: ReportRequest) -> bool:
        seen.append([entry.reason for entry in read_log(QueueDirectory("."), log, report.queue_id)])
        return True

    monkeypatch.setattr(Notifier, "flush", flush)

    async def scenario() -> None:
        async with serving("bounce") as channel:
            client = BounceClient({"bounce": channel})
            entry = client.append("bounce", "A1", RECIPIENT, Dsn("5.1.1", "no such user", "failed"))
            report = client.flush("bounce", ReportRequest("A1", "s@a.test"))
            assert await asyncio.gather(entry, report) == [True, True]

    run(scenario)
    assert seen == [["no such user"]]


async def asked_and_died(path: str, *requests: bytes) -> None:
    """Ask, and be killed before any of it is read."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        sock.connect(path)
        await asyncio.get_running_loop().sock_recv(sock, 4096)  # the greeting
        for number, request in enumerate(requests):
            sock.send(encode_frame(number + 1, request))


def test_nothing_is_written_down_for_an_agent_that_has_died_since_the_recipient_is_tried_again(
    lines: list[str],
) -> None:
    """What the next one does may be another thing, and qmgr has looked for logs of dead agents before."""
    dsn = Dsn("5.1.1", "no such user", "failed")
    entry = APPEND.encode(Command.APPEND, 0, "A1", *recipient_fields(RECIPIENT), *dsn.fields())

    async def scenario() -> None:
        async with serving("bounce") as channel:
            await asked_and_died(channel.path, entry)
            assert await BounceClient({"bounce": channel}).append("bounce", "B2", RECIPIENT, dsn)

    run(scenario)
    assert [path.name for path in Path("bounce").rglob("*") if path.is_file()] == ["B2"]
    assert lines == []


@pytest.mark.parametrize("command", [Command.FLUSH, Command.WARN, Command.TRACE])
def test_nothing_is_reported_for_who_has_died_since_the_next_one_asks_again(
    lines: list[str], monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """qmgr was killed when its request was not read yet."""
    reported = []

    async def report(_: Notifier, log: str, about: ReportRequest) -> bool:
        reported.append(about.queue_id)
        return True

    for name in ("flush", "warn", "trace"):
        monkeypatch.setattr(Notifier, name, report)

    async def scenario() -> None:
        async with serving("bounce") as channel:
            first, second, third = (
                REPORT.encode(command, *ReportRequest(queue_id, "s@a.test").fields()) for queue_id in ("A1", "B2", "C3")
            )
            await asked_and_died(channel.path, first, second)
            await channel.request(third)

    run(scenario)
    assert reported == ["C3"]


def test_who_asks_for_a_report_that_is_under_way_hears_of_that_one(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """qmgr was killed as cleanup took its time, and the next one has come that far."""
    reported = []

    async def flush(_: Notifier, log: str, about: ReportRequest) -> bool:
        reported.append(about.queue_id)
        under_way.set()
        await taken.wait()
        return True

    async def scenario() -> None:
        async with serving("bounce") as channel:
            first = asyncio.ensure_future(BounceClient({"bounce": channel}).flush("bounce", request))
            await under_way.wait()
            following = Channel(channel.path, PROTOCOL)
            client = BounceClient({"bounce": following})
            second = asyncio.ensure_future(client.flush("bounce", request))
            await client.append("bounce", "B2", RECIPIENT, Dsn("5.1.1", "no such user", "failed"))
            channel.close()
            taken.set()
            assert await second
            assert not await first
            assert await client.flush("bounce", request)
            following.close()

    monkeypatch.setattr(Notifier, "flush", flush)
    request = ReportRequest("A1", "s@a.test")
    under_way, taken = asyncio.Event(), asyncio.Event()
    run(scenario)
    assert reported == ["A1", "A1"]


def test_two_processes_with_the_same_logs_do_not_wait_for_each_other_for_ever(lines: list[str]) -> None:
    """The other one has B2, and wants A1 when we have that and want B2."""
    assert appended("defer", ["B2"]) == [True]
    has_second, got_first = threading.Event(), threading.Event()

    def has_entries(path: str) -> bool:
        return os.path.exists(path) and os.path.getsize(path) > 0

    def other() -> None:
        until = time.monotonic() + 5
        with open("defer/B/B2") as second:
            flock_exclusive(second.fileno(), wait=True)
            has_second.set()
            while not has_entries("defer/A/A1") and time.monotonic() < until:
                time.sleep(0.001)
            with open("defer/A/A1") as first:
                while time.monotonic() < until:
                    if flock_exclusive(first.fileno()):
                        got_first.set()
                        return
                    time.sleep(0.001)

    thread = threading.Thread(target=other)
    thread.start()
    has_second.wait()
    assert appended("defer", ["A1", "B2"]) == [True, True]
    thread.join()
    assert got_first.is_set()
    assert (reasons("defer/A/A1"), reasons("defer/B/B2")) == (["number 0"], ["number 0", "number 1"])
    assert lines == []


def test_more_logs_than_there_are_descriptors(lines: list[str]) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = {int(fd) for fd in os.listdir("/proc/self/fd")}
    free = [fd for fd in range(max(used) + 200) if fd not in used]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[160], before[1]))
    try:
        assert appended("defer", [f"{number:X}" for number in range(0x1000, 0x1100)]) == [True] * 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert lines == []


def test_no_space_is_told(lines: list[str]) -> None:
    async def scenario() -> None:
        os.rmdir("trace")
        Path("trace").touch()
        async with serving("trace") as channel:
            client = BounceClient({"trace": channel})
            assert not await client.append("trace", "C198A22", RECIPIENT, Dsn("2.0.0", "ok", "delivered"))

    run(scenario)
    assert lines == ["warning: append to trace/C198A22: Not a directory"]


@pytest.mark.parametrize(
    "request_list",
    [
        REPORT.encode(9, 0, "active", "C198A22", "", 0, "s@a.test", "", 0),
        REPORT.encode(Command.ONE, 0, "active", "C198A22", "", 0, "s@a.test", "", 0),
        b"nrequest\x00x\0\0",
        b"nrequest\x000\0\0",
        b"nonsense",
    ],
)
def test_malformed_requests_are_refused(lines: list[str], request_list: bytes) -> None:
    async def scenario() -> None:
        async with serving("bounce") as channel:
            assert await channel.request(request_list) == (FAILED, b"")

    run(scenario)


def test_other_service_names_are_refused(lines: list[str]) -> None:
    with pytest.raises(SystemExit):
        Bounce(Context("smtp", "bounce", MainCf.from_text("")))
    assert lines == ["fatal: unexpected service name: smtp"]
