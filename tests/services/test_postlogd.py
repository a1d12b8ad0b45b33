import asyncio
import socket
import time

import pytest

from pyfix.config.check import maillog_file
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.server.context import Context
from pyfix.services.postlogd import BATCH, ENOUGH, LONGEST, SETTLE, SOONEST, TICK, WINDOW, Postlogd, pause_after
from pyfix.unix import msg
from pyfix.unix.maillog_client import Frame, Postlog, stamp_of
from pyfix.unix.msg import Priority

LINES = 12000


@pytest.fixture
def log_file(tmp_path):
    before = msg.to()
    yield tmp_path / "maillog"
    msg.to(*before)


@pytest.fixture
def postlogd(log_file):
    main = MainCf.from_text(f"maillog_file = {log_file}\nmaillog_file_prefixes = {log_file.parent}\n")
    made = Postlogd(Context(service="postlog", program="postlogd", main=main))
    yield made
    import os

    os.close(made._fd)


def send(postlogd, *datagrams):
    async def scenario(ours, theirs):
        task = asyncio.create_task(postlogd.serve_datagrams(theirs))
        for datagram in datagrams:
            ours.send(datagram)
        await postlogd.retire()
        await task

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.setblocking(False)
    with ours, theirs:
        asyncio.run(scenario(ours, theirs))


def test_each_datagram_is_a_line(postlogd, log_file):
    send(postlogd, b"Nov 21 05:00:00 mx postfix/smtpd[1]: one", b"Nov 21 05:00:00 mx postfix/smtpd[1]: two")
    assert log_file.read_bytes() == (
        b"Nov 21 05:00:00 mx postfix/smtpd[1]: one\nNov 21 05:00:00 mx postfix/smtpd[1]: two\n"
    )


def test_a_datagram_may_hold_several_lines(postlogd, log_file):
    send(postlogd, b"a\nb\nc")
    assert log_file.read_bytes() == b"a\nb\nc\n"


def test_nul_does_not_reach_the_file(postlogd, log_file):
    send(postlogd, b"a\0b")
    assert log_file.read_bytes() == b"a?b\n"


def test_file_is_for_its_owner_only(postlogd, log_file):
    assert log_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["/etc/passwd", "/variable/log"])
def test_log_file_outside_the_prefixes_is_refused_with_its_line(path):
    cfg = MailParams(MainCf.from_text(f"maillog_file = {path}\n"))
    with pytest.raises(BadConfig, match=r"main\.cf, line 1: maillog_file value '.*' does not match"):
        maillog_file(cfg)


def stamped(moment, text):
    return stamp_of(moment) + text


def test_lines_of_daemons_are_in_the_order_in_which_they_were_said(postlogd, log_file):
    now = time.monotonic_ns()
    send(
        postlogd,
        stamped(now - 2, b"removed"),
        stamped(now - 4, b"client=") + b"\n" + stamped(now - 3, b"sent"),
        stamped(now - 5, b"connect"),
    )
    assert log_file.read_bytes() == b"connect\nclient=\nsent\nremoved\n"


def test_a_line_waits_for_earlier_ones_and_a_wrong_stamp_waits_for_nothing(postlogd, log_file, monkeypatch):
    hour = 3600 * 10**9
    now = 2 * hour
    monkeypatch.setattr(time, "monotonic_ns", lambda: now)  # of a system that has run for long enough
    postlogd._waiting += [stamped(now + hour, b"future"), stamped(now - 1, b"new"), stamped(now - hour, b"old")]
    postlogd.write_in_order(600)
    assert log_file.read_bytes() == b"old\nfuture\n"
    postlogd.write_in_order(0)
    assert log_file.read_bytes() == b"old\nfuture\nnew\n"


def test_a_line_that_waits_is_written_when_postlogd_ends_and_nothing_comes_after(postlogd, log_file):
    async def scenario(ours, theirs):
        asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
        task = asyncio.create_task(postlogd.serve_datagrams(theirs))
        ours.send(stamped(time.monotonic_ns(), b"the last"))
        while not postlogd._waiting:
            await asyncio.sleep(0)
        await postlogd.retire()
        await task
        theirs.close()
        await asyncio.sleep(2 * TICK)

    trouble = []
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.setblocking(False)
    with ours:
        asyncio.run(scenario(ours, theirs))
    assert log_file.read_bytes() == b"the last\n"
    assert trouble == []


def test_who_had_to_wait_is_given_time_to_say_what_comes_before_it(postlogd, log_file, monkeypatch):
    """After a postlogd has started, as with each reload, daemons send what has waited, one sooner than the other."""

    def look():
        asyncio.run(looks())

    async def looks():
        monkeypatch.setattr(postlogd, "_watch", lambda *, on: None)
        postlogd._tick = None
        postlogd._look()

    def later(seconds):
        nonlocal now
        now += round(seconds * 1e9)

    now = 10**15
    monkeypatch.setattr(time, "monotonic_ns", lambda: now)
    ours, postlogd._sock = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    postlogd._sock.setblocking(False)
    with ours, postlogd._sock:
        said = now - 10**9
        ours.send(stamped(said + 2, b"to="))
        look()
        later(0.9 * SETTLE)
        ours.send(stamped(said, b"client=") + b"\n" + stamped(now, b"connect"))
        look()
        later(0.9 * SETTLE)
        ours.send(stamped(said + 1, b"from="))
        look()
        assert log_file.read_bytes() == b""
        later(1.1 * SETTLE)
        look()
        assert log_file.read_bytes() == b"client=\nfrom=\nto=\nconnect\n"
        for _ in range(round(LONGEST / SETTLE)):  # always late: lines don't wait for ever
            ours.send(stamped(said, b"."))
            look()
            later(0.5 * SETTLE)
        assert not log_file.read_bytes().endswith(b".\n")
        later(LONGEST)
        ours.send(stamped(said, b"."))
        look()
        assert log_file.read_bytes().endswith(b"connect\n" + b".\n" * (1 + round(LONGEST / SETTLE)))
        later(LONGEST)
        look()
        ours.send(stamped(now, b"on time"))
        later(1.1 * WINDOW)
        look()
        assert log_file.read_bytes().endswith(b"on time\n")


def test_a_line_without_a_stamp_is_written_at_once(postlogd, log_file):
    async def scenario(ours, theirs):
        postlogd._sock = theirs
        ours.send(stamped(time.monotonic_ns(), b"of a daemon"))
        ours.send(b"of a command")
        assert postlogd.receive() == 2

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.setblocking(False)
    with ours, theirs:
        asyncio.run(scenario(ours, theirs))
    assert log_file.read_bytes() == b"of a command\n"


@pytest.mark.parametrize(
    ("count", "pause", "following"),
    [
        (0, TICK, TICK),
        (ENOUGH, TICK, TICK),
        (2 * ENOUGH, TICK, TICK / 2),
        (ENOUGH, TICK / 2, TICK / 2),
        (2, TICK / 2, TICK),
        (BATCH, TICK, SOONEST),
    ],
)
def test_looks_follow_each_other_as_fast_as_the_socket_fills(count, pause, following):
    assert pause_after(count, pause) == pytest.approx(following)


def test_no_datagram_wakes_it_while_lines_wait_and_the_next_look_is_sooner_after_many(postlogd, monkeypatch):
    watched = []

    async def looks():
        monkeypatch.setattr(postlogd, "_watch", lambda *, on: watched.append(on))
        for _ in range(2 * ENOUGH):
            ours.send(stamped(time.monotonic_ns(), b"said"))
        monkeypatch.setattr(postlogd, "write_in_order", lambda _: None)
        postlogd._look()
        assert postlogd._pause == pytest.approx(TICK / 2)
        postlogd._waiting.clear()
        postlogd._look()

    ours, postlogd._sock = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    postlogd._sock.setblocking(False)
    with ours, postlogd._sock:
        asyncio.run(looks())
    assert watched == [False, True]


def test_a_flood_of_lines_gets_there_in_order(postlogd, log_file, tmp_path):
    """A message to thousands of recipients: more than the socket holds, and sooner than postlogd reads."""
    refused, open_sinks = [], []

    async def scenario(theirs):
        task = asyncio.create_task(postlogd.serve_datagrams(theirs))
        sink = Postlog(path, Frame("postfix/discard", "mx"), lambda: lambda *line: refused.append(line), stamps=True)
        sink.collect(asyncio.get_running_loop())
        for number in range(LINES):
            sink(Priority.INFO, f"line {number} {'x' * 100}")
            if number % 1000 == 0:
                await asyncio.sleep(0)
        open_sinks.append(sink)
        while not refused and log_file.read_bytes().count(b"\n") < LINES:
            await asyncio.sleep(0.01)
        await postlogd.retire()
        await task

    path = str(tmp_path / "postlog")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as theirs:
        theirs.bind(path)
        theirs.setblocking(False)
        asyncio.run(asyncio.wait_for(scenario(theirs), 30))
    open_sinks[0]._sock.close()
    assert refused == []
    numbers = [int(line.split(b": line ")[1].split()[0]) for line in log_file.read_bytes().splitlines()]
    assert numbers == list(range(LINES))
