"""The bounce, defer and trace logs."""

import errno
import os
from pathlib import Path

import pytest

from pyfix.mail.address import quote
from pyfix.queue.file import Recipient
from pyfix.queue.logs import LogEntry, append_log, read_log, read_reasons, remove_log
from pyfix.queue.memory import MemoryQueue
from pyfix.unix import msg
from tests.queue.build import spool

GOLDEN = Path(__file__).parent.parent / "golden/queue"
FIRST = Recipient(727, "real@dm.test", "alias@hold.test", "rfc822;orig@example.com", 12)
SECOND = Recipient(810, "two@dm.test", "Two@dm.test", "rfc822;orig@example.com", 12)


@pytest.fixture
def queue():
    memory = MemoryQueue()
    yield memory
    memory.close()


@pytest.fixture
def warnings():
    lines = []
    before = msg.to(lambda _, line: lines.append(line))
    yield lines
    msg.to(*before)


def text_of(queue, log, queue_id):
    fd = queue.open(log, queue_id)
    try:
        return os.pread(fd, 100000, 0)
    finally:
        os.close(fd)


def write(queue, log, queue_id, text):
    fd = queue.open(log, queue_id, os.O_RDWR | os.O_CREAT)
    os.write(fd, text)
    os.close(fd)


def test_a_log_is_written_like_that_of_real_postfix(tmp_path):
    queue = spool(tmp_path)
    for recipient in (FIRST, SECOND):
        append_log(queue, "defer", "8831120C0F4", LogEntry(recipient, "4.3.2", "delayed", "deferred transport"))
    golden = (GOLDEN / "8831120C0F4.defer").read_bytes()
    assert (tmp_path / "defer/8/8831120C0F4").read_bytes() == golden
    assert (tmp_path / "defer/8/8831120C0F4").stat().st_mode & 0o777 == 0o600


def test_what_was_written_is_read(queue):
    entries = [
        LogEntry(FIRST, "4.3.2", "delayed", "try later", "smtp", "450 try later", "dns", "mx.example"),
        LogEntry(Recipient(0, ""), "5.1.1", "failed", "no such user"),
        LogEntry(Recipient(5, 'q"q p@dm.test'), "5.1.1", "failed", "\udcff 8 bit"),
    ]
    for entry in entries:
        append_log(queue, "bounce", "ABCDEF", entry, compatible=False)
    names = LogEntry.__slots__
    read = [[getattr(entry, name) for name in names] for entry in read_log(queue, "bounce", "ABCDEF")]
    assert read == [[getattr(entry, name) for name in names] for entry in entries]


def test_no_reason_can_forge_an_entry(queue):
    append_log(queue, "bounce", "ABCDEF", LogEntry(FIRST, "5.0.0", "failed", "x\n\nrecipient=forged@x"))
    (entry,) = read_log(queue, "bounce", "ABCDEF")
    assert entry.reason == "x??recipient=forged@x"


@pytest.mark.parametrize(
    ("log", "text", "expected"),
    [
        ("defer", b"\n<old@x>: no reply\n\n", ("old@x", "4.0.0", "delayed", "no reply")),
        ("bounce", b"\n<>: no reply\n\n", ("", "5.0.0", "failed", "no reply")),
        ("trace", b"recipient=<>\n\n", ("", "5.0.0", "failed", "(description unavailable)")),
        ("bounce", b"recipient=a@x\nreason=\n\n", ("a@x", "5.0.0", "failed", "(description unavailable)")),
        ("defer", b"<o@x>: r\nrecipient=n@x\nreason=s \nstatus=4.1.1\n\n", ("n@x", "4.1.1", "delayed", "s")),
    ],
)
def test_old_and_short_entries_are_understood(queue, log, text, expected):
    write(queue, log, "ABCDEF", text)
    (entry,) = read_log(queue, log, "ABCDEF")
    assert (entry.recipient.address, entry.status, entry.action, entry.reason) == expected


def test_what_a_crash_left_of_an_entry_is_not_read_and_goes(queue):
    append_log(queue, "bounce", "ABCDEF", LogEntry(FIRST, "5.0.0", "failed", "x"))
    first = text_of(queue, "bounce", "ABCDEF")
    append_log(queue, "bounce", "ABCDEF", LogEntry(SECOND, "5.0.0", "failed", "y"))
    both = text_of(queue, "bounce", "ABCDEF")
    third = LogEntry(Recipient(0, "three@dm.test"), "5.1.1", "failed", "z")
    for size in range(len(both)):
        write(queue, "bounce", f"CUT{size}", both[:size])
        left = [entry.recipient.address for entry in read_log(queue, "bounce", f"CUT{size}")]
        assert left == ([FIRST.address] if size >= len(first) else [])
        append_log(queue, "bounce", f"CUT{size}", third)
        left.append("three@dm.test")
        assert [entry.recipient.address for entry in read_log(queue, "bounce", f"CUT{size}")] == left


def test_a_recipient_that_was_tried_twice_is_told_of_once(queue):
    for reason in ("x", "x", "y"):
        append_log(queue, "bounce", "ABCDEF", LogEntry(FIRST, "5.0.0", "failed", reason))
    assert [entry.reason for entry in read_log(queue, "bounce", "ABCDEF")] == ["x", "y"]


def test_unknown_names_are_warned_of_and_passed_over(queue, warnings):
    write(queue, "defer", "ABCDEF", b"\nrecipient=a@x\ncolour=blue\nnonsense\n\n")
    assert len(read_log(queue, "defer", "ABCDEF")) == 1
    assert warnings == [
        "warning: defer/ABCDEF: unknown attribute name: colour, ignored",
        "warning: defer/ABCDEF: malformed record: nonsense...",
    ]


def test_a_log_that_is_not_there_is_empty(queue):
    assert read_log(queue, "defer", "ABCDEF") == []
    assert not remove_log(queue, "defer", "ABCDEF")


def test_a_removed_log_is_gone(queue):
    append_log(queue, "defer", "ABCDEF", LogEntry(FIRST, "4.0.0", "delayed", "x"))
    assert remove_log(queue, "defer", "ABCDEF")
    assert read_log(queue, "defer", "ABCDEF") == []


def test_an_entry_that_can_not_be_written_leaves_no_trace(queue, monkeypatch):
    append_log(queue, "defer", "ABCDEF", LogEntry(FIRST, "4.0.0", "delayed", "x"))
    before = text_of(queue, "defer", "ABCDEF")

    def fsync(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        append_log(queue, "defer", "ABCDEF", LogEntry(SECOND, "4.0.0", "delayed", "y"))
    assert text_of(queue, "defer", "ABCDEF") == before


def test_an_entry_of_a_log_whose_name_may_be_lost_leaves_no_trace(queue, monkeypatch):
    def sync_name(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(queue, "sync_name", sync_name)
    with pytest.raises(OSError, match="Input/output"):
        append_log(queue, "bounce", "ABCDEF", LogEntry(FIRST, "5.0.0", "failed", "x"))
    assert read_log(queue, "bounce", "ABCDEF") == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n<a@x>: r\nrecipient=a@x\noriginal_recipient=o@x\noffset=7\nstatus=4.0.0\naction=delayed\nreason=r\n\n",
        b'\nrecipient="a b"@x\nstatus=5.0.0\naction=failed\nreason=\xff r \n\n' * 2,
        b"\nrecipient=a@x \noriginal_recipient= \nstatus=5.0.0\naction=failed\nreason=r\n\n",
        b"\nrecipient=<>\nstatus=5.0.0\nreason=r\n\n\nrecipient=b@x\nreason=s\n\n",
        b"\nrecipient=a@x\nreason=r\n\n\n<old@x>: no reply\n\n",
        b"\nrecipient=a@x\nreason=r\nstatus=4.0.0\n\n",
        b"\nrecipient=a@x\nrecipient=b@x\nreason=r\n\n",
        b"\nrecipient=a@x\nreason=r\n\n\nrecipient=b@x\nreas",
    ],
    ids=["none", "whole", "twice", "spaces", "null", "old", "order", "two names", "cut"],
)
def test_a_report_has_what_the_log_has(queue, text):
    write(queue, "defer", "ABCDEF", text)
    entries = [
        (quote(e.recipient.address), quote(e.recipient.original), e.reason) for e in read_log(queue, "defer", "ABCDEF")
    ]
    assert read_reasons(queue, "defer", "ABCDEF") == entries
    assert bool(entries) == bool(text)
