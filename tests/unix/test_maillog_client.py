import contextlib
import os
import re
import socket
import threading
import time

import pytest

from pyfix.unix.maillog_client import (
    GAP,
    KEEP,
    LATEST,
    LINE,
    PATIENCE,
    RETRY,
    SELDOM,
    STAMP,
    TEXT,
    Append,
    Frame,
    Postlog,
    cut,
    stamp,
    stamp_of,
)
from pyfix.unix.msg import Priority

INFO = Priority.INFO


@pytest.fixture
def fallback():
    return []


@pytest.fixture
def sink(tmp_path, fallback):
    frame = Frame("postfix/smtpd", "mx.example.com")
    made = Postlog(str(tmp_path / "postlog"), frame, lambda: lambda _, text: fallback.append(text))
    yield made
    made._sock.close()


@pytest.fixture
def server(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "postlog"))
        sock.setblocking(False)
        yield sock


class Timer:
    def __init__(self, calls, delay, callback):
        self.calls, self.delay, self.callback = calls, delay, callback
        calls.append(self)

    def __call__(self):
        self.callback()

    def cancel(self):
        self.calls.remove(self)


class Loop:
    def __init__(self):
        self.calls = []

    def call_later(self, delay, callback):
        return Timer(self.calls, delay, callback)

    def turn(self):
        calls, self.calls = self.calls, []
        for call in calls:
            call()


def test_line_has_postfix_frame(sink, server):
    sink(INFO, "connect from a[192.0.2.1]")
    line = server.recv(9999).decode()
    pattern = r"[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d mx postfix/smtpd\[%d\]: connect from a\[192\.0\.2\.1\]"
    assert re.fullmatch(pattern % os.getpid(), line)


def test_day_is_padded_with_a_space():
    assert stamp(1_767_225_600)[3] == " "
    assert len(stamp(1_767_225_600)) == 15


def test_lines_of_one_turn_travel_together(sink, server):
    loop = Loop()
    sink.collect(loop)
    sink(INFO, "one")
    sink(INFO, "two")
    with pytest.raises(BlockingIOError):
        server.recv(9999)
    loop.turn()
    first, second = server.recv(9999).splitlines()
    assert first.endswith(b": one")
    assert second.endswith(b": two")


@pytest.fixture
def clock(monkeypatch):
    """Seconds, which the sink takes for the time."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic_ns", lambda: round(now[0] * 1e9))
    return now


def test_lines_of_the_next_gap_leave_with_the_first_one_after_it(sink, server, clock):
    loop = Loop()
    sink.collect(loop)
    sink(INFO, "alone")
    loop.turn()
    assert server.recv(9999).endswith(b": alone")
    for text in ("one", "two"):
        clock[0] += GAP / 3
        sink(INFO, text)
    assert [call.delay for call in loop.calls] == [LATEST]
    clock[0] += GAP
    sink(INFO, "three")
    sink(INFO, "four")
    assert [call.delay for call in loop.calls] == [0]
    loop.turn()
    assert [line.rpartition(b" ")[2] for line in server.recv(9999).split(b"\n")] == [b"one", b"two", b"three", b"four"]
    assert loop.calls == []


def test_lines_after_which_nothing_comes_leave_after_a_while(sink, server, clock):
    loop = Loop()
    sink.collect(loop)
    sink(INFO, "first")
    loop.turn()
    server.recv(9999)
    sink(INFO, "last")
    clock[0] += LATEST
    loop.turn()
    assert server.recv(9999).endswith(b": last")
    assert loop.calls == []


def test_lines_that_postlogd_did_not_take_are_not_hurried_by_later_ones(sink, clock):
    loop = Loop()
    sink.collect(loop)
    for _ in range(3):
        sink(INFO, "unheard")
        clock[0] += 2 * GAP
        sink(INFO, "unheard")
        assert len(loop.calls) == 1
        loop.turn()
    assert [call.delay for call in loop.calls] == [4 * RETRY]


def test_lines_that_are_held_travel_together(sink, server):
    sink.hold()
    sink(INFO, "one")
    sink(INFO, "two")
    with pytest.raises(BlockingIOError):
        server.recv(9999)
    sink.release()
    assert [line.rpartition(b" ")[2] for line in server.recv(9999).split(b"\n")] == [b"one", b"two"]
    sink(INFO, "three")
    assert server.recv(9999).endswith(b"three")


def test_each_line_has_the_second_in_which_it_was_said(sink, server, monkeypatch):
    loop = Loop()
    now = 1_767_225_600_900_000_000
    monkeypatch.setattr("time.time_ns", lambda: now)
    monkeypatch.setattr("time.monotonic_ns", lambda: now - 1_700_000_000_000_000_000)
    sink.collect(loop)
    for _ in range(3):
        sink(INFO, "tick")
        now += 90_000_000
    loop.turn()
    seconds = [line[13:15] for line in server.recv(9999).splitlines()]
    assert seconds == [b"00", b"00", b"01"]


def test_lines_wait_for_postlogd(sink, tmp_path, fallback):
    loop = Loop()
    sink.collect(loop)
    sink(INFO, "early")
    loop.turn()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "postlog"))
        loop.turn()
        assert server.recv(9999).endswith(b": early")
    assert fallback == []


def test_lines_that_wait_too_long_go_to_the_fallback(sink, fallback):
    sink.collect(Loop())
    for number in range(KEEP + 2):
        sink(INFO, f"line {number}")
    assert fallback == ["line 0", "line 1"]


def test_lines_that_wait_for_long_go_to_the_fallback(sink, fallback):
    loop = Loop()
    sink.collect(loop)
    sink(INFO, "unheard")
    while loop.calls:
        loop.turn()
    assert fallback == ["unheard"]


def test_lines_left_at_the_end_go_to_the_fallback(sink, fallback):
    sink(INFO, "last words")
    sink.close()
    assert fallback == ["last words"]


def test_append_writes_whole_lines(tmp_path):
    sink = Append(str(tmp_path / "maillog"), Frame("postfix/master", "mx"))
    sink(INFO, "daemon started")
    os.close(sink._fd)
    assert (tmp_path / "maillog").read_text().endswith(f" mx postfix/master[{os.getpid()}]: daemon started\n")


def test_lines_of_a_daemon_have_stamps_that_rise(tmp_path, server, fallback):
    sink = Postlog(str(tmp_path / "postlog"), Frame("postfix/smtpd", "mx"), lambda: fallback.append, stamps=True)
    loop = Loop()
    sink.collect(loop)
    before = time.monotonic_ns()
    for text in ("one", "two"):
        sink(INFO, text)
    loop.turn()
    lines = server.recv(9999).split(b"\n")
    stamps = [line[:STAMP] for line in lines]
    assert stamp_of(before) < stamps[0] < stamps[1] < stamp_of(time.monotonic_ns())
    assert [line[STAMP:].endswith(text) for line, text in zip(lines, (b": one", b": two"), strict=True)] == [True] * 2
    assert lines == sorted(lines)
    sink._sock.close()


def test_stamps_have_one_length_and_rise_with_time():
    moments = [0, 1, 9, 10, 1 << 40, (1 << 40) + 1, 1 << 59]
    stamps = [stamp_of(moment) for moment in moments]
    assert {len(one) for one in stamps} == {STAMP}
    assert stamps == sorted(stamps)


@pytest.mark.parametrize(
    ("priority", "text", "kept"),
    [
        (INFO, "x" * TEXT, "x" * TEXT),
        (INFO, "x" * 2001, "x" * 2000),
        (Priority.WARNING, "warning: " + "x" * 5000, "warning: " + "x" * 2000),
        (Priority.FATAL, "fatal: " + "ü" * 5000, "fatal: " + "ü" * 1000),
        (INFO, "x" + "ü" * 5000, "x" + "ü" * 999),
    ],
    ids=["just fits", "too long", "warning", "of two bytes", "no half characters"],
)
def test_a_text_is_cut_behind_2000_bytes_without_its_severity(tmp_path, sink, server, priority, text, kept):
    Append(str(tmp_path / "log"), Frame("postfix/smtpd", "mx"))(priority, text)
    sink(priority, text)
    for line in ((tmp_path / "log").read_text(), server.recv(9999).decode()):
        assert line.rstrip("\n").partition("]: ")[2] == kept


@pytest.mark.parametrize("stamps", [False, True], ids=["without stamps", "with stamps"])
def test_many_lines_go_in_several_datagrams_none_lost_and_long_ones_cut(tmp_path, server, stamps):
    sink = Postlog(str(tmp_path / "postlog"), Frame("postfix/smtpd", "mx"), lambda: print, stamps=stamps)
    loop = Loop()
    sink.collect(loop)
    texts = [f"{number} {'x' * (number % 7 * 200)}" for number in range(300)]
    texts[70] = texts[71] = "70 " + "ü" * LINE
    texts[299] = "299 " + "y" * 2 * LINE
    for text in texts:
        sink(INFO, text)
    found = []
    while loop.calls:
        loop.turn()
        with contextlib.suppress(BlockingIOError):
            while data := server.recv(99999):
                found += [line[STAMP * stamps :] for line in data.split(b"\n")]
    frame = len(found[0]) - len(texts[0])
    assert [line[frame:] for line in found] == [cut(INFO, text).encode() for text in texts]
    sink._sock.close()


def test_postlogd_is_asked_ever_more_seldom_but_not_seldom(sink):
    loop = Loop()
    sink.collect(loop)
    sink(INFO, "unheard")
    delays = []
    for _ in range(20):
        loop.turn()
        delays += [call.delay for call in loop.calls]
    assert delays[:3] == [RETRY, 2 * RETRY, 4 * RETRY]
    assert delays[-1] == max(delays) == SELDOM


def test_who_leaves_waits_for_a_postlogd_that_is_being_started(sink, server, fallback):
    """At a reload: the old one has gone, the socket is full, and whoever is not root may have no fallback."""

    def postlogd():
        time.sleep(0.3)  # longer than a line waits otherwise
        server.setblocking(True)
        while not received or received[-1] != b"end":
            received.append(server.recv(9999))

    received = []
    loop = Loop()
    sink.collect(loop)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"of others", server.getsockname())
        sink(INFO, "the last")
        loop.turn()
        thread = threading.Thread(target=postlogd)
        thread.start()
        sink.close()
        other.setblocking(True)
        other.sendto(b"end", server.getsockname())
        thread.join()
    assert fallback == []
    assert received[-2].endswith(b": the last")


def test_without_a_loop_lines_are_offered_for_a_while_then_go_to_the_fallback(sink, clock, fallback):
    sink(INFO, "unheard")
    clock[0] += PATIENCE
    assert not sink.offer()
    assert fallback == []
    clock[0] += 1
    assert sink.offer()
    assert fallback == ["unheard"]
    assert sink.offer()
