"""Envelopes, contents and marks of queue files."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyfix.queue import records as rec
from pyfix.queue import walk
from pyfix.queue.file import (
    CorruptQueueFile,
    Recipient,
    content_bytes,
    kill_record,
    mark_done,
    mark_warned,
    read_content,
    read_envelope,
    read_recipients,
)
from tests.queue.build import TIME, file_bytes, message

GOLDEN = Path(__file__).parent.parent / "golden/queue"
SENDER = rec.encode(rec.FROM, b"s@example.com")


def attr(name, value):
    return rec.attribute(name, value)


def rcpt(address, kind=rec.RCPT):
    return rec.encode(kind, address.encode())


@pytest.fixture
def opened():
    """Descriptors of files with the given bytes."""
    made = []

    def make(data):
        fd = os.memfd_create("queue file")
        os.write(fd, data)
        made.append(fd)
        return fd

    yield make
    for fd in made:
        os.close(fd)


def test_a_file_of_real_postfix_is_understood(opened):
    fd = opened((GOLDEN / "8831120C0F4").read_bytes())
    e = read_envelope(fd)
    assert (e.sender, e.arrival[0], e.create_time) == ("sender@example.net", 1795236976, 1795236976)
    assert (e.envelope_id, e.ret_flags, e.attrs["encoding"]) == ("abc+1", 2, "8bit")
    assert e.handed_on()[3] == "127.0.0.1"
    assert e.warn_time == 1795236976 + 4 * 3600
    assert [(r.address, r.original, r.dsn_orig_rcpt, r.notify) for r in e.recipients] == [
        ("real@dm.test", "alias@hold.test", "rfc822;orig@example.com", 12),
        ("two@dm.test", "two@dm.test", "rfc822;orig@example.com", 12),
    ]
    assert (e.rcpt_count, e.rcpt_unread, e.done_count, e.rcpt_offset, e.warnings) == (2, 0, 0, 0, [])
    content = content_bytes(fd, e.content_offset)
    assert content.startswith(b"Received: from client.test (localhost [127.0.0.1])\n\tby mx.example.com")
    assert content.endswith(b"\nline one\n.dot line\n" + b"x" * 5000 + b"\n\xc3\xa4\n")


def test_extended_records_overrule_some_and_not_others(opened):
    late = attr("encoding", "7bit") + rec.encode(rec.FILT, b"smtp:b") + attr("log_ident", "LATE") + rcpt("late@x")
    early = (attr("encoding", "8bit"), rec.encode(rec.FILT, b"smtp:a"), attr("log_ident", "EARLY"))
    e = read_envelope(opened(file_bytes(TIME, SENDER, *early, rcpt("r@x"), extracted=late, count=2)))
    assert (e.attrs["encoding"], e.filter, e.attrs["log_ident"]) == ("7bit", "smtp:b", "EARLY")
    assert [r.address for r in e.recipients] == ["r@x", "late@x"]


def test_done_recipients_are_counted_and_their_attributes_forgotten(opened):
    data = file_bytes(
        *(TIME, SENDER, attr("notify_flags", "4"), rcpt("o@x", rec.ORCP), rcpt("a@x", rec.DONE)),
        *(rcpt("b@x"), rcpt("c@x", rec.DRCP), attr("trace_flags", "1024"), rcpt("d@x", rec.KILL)),
        count=3,
    )
    e = read_envelope(opened(data))
    assert [(r.address, r.original, r.notify) for r in e.recipients] == [("b@x", "", 0)]
    assert (e.done_count, e.rcpt_unread, e.trace_flags) == (2, 0, 1024)
    assert data[e.trace_offset : e.trace_offset + 1] == b"A"


def test_many_recipients_come_in_batches(opened):
    early = [part for i in range(25) for part in (rcpt(f"o{i}@x", rec.ORCP), rcpt(f"r{i}@x"))]
    late = b"".join(rcpt(f"late{i}@x") for i in range(5)) + attr("message_id", "<m@x>")
    for opts in (0, 1):
        fd = opened(file_bytes(TIME, SENDER, *early, extracted=late, count=30, opts=opts))
        whole = read_envelope(fd)
        e = read_envelope(fd, recipient_limit=10)
        assert (len(e.recipients), e.attrs["message_id"]) == (10, "<m@x>")
        found = list(e.recipients)
        while e.rcpt_offset:
            assert len(read_recipients(fd, e, 10)) <= 10
            found += e.recipients
        assert found == whole.recipients
        assert len(found) == 30
        assert (e.rcpt_unread, read_recipients(fd, e, 10)) == (0, [])


def test_a_file_larger_than_one_read(opened):
    text = rec.encode_text([b"x" * 1000] * 300)
    early = [rcpt(f"recipient-number-{i}@example.com") for i in range(4000)]
    fd = opened(file_bytes(TIME, SENDER, *early, text=text, extracted=rcpt("late@x"), count=4001))
    e = read_envelope(fd)
    assert (len(e.recipients), e.rcpt_unread, e.recipients[-1].address) == (4001, 0, "late@x")
    assert content_bytes(fd, e.content_offset, b"\r\n") == (b"x" * 1000 + b"\r\n") * 300


ODD_RECORDS = {
    "shorter": rec.encode(rec.NORM, b"y" * 75),
    "longer": rec.encode(rec.NORM, b"y" * 77),
    "long": rec.encode(rec.NORM, b"y" * 300),
    "empty": rec.encode(rec.NORM),
    "without line end": rec.encode(rec.CONT, b"y" * 76),
    "filler": rec.encode(rec.DTXT, b"y" * 76),
    "like heads": rec.encode(rec.NORM, b"N\x4c" * 38),
    "line ends in it": rec.encode(rec.NORM, b"\r\n" * 38),
}


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"", b"<p>"])
@pytest.mark.parametrize("where", [0, 1, 20, 39])
@pytest.mark.parametrize("odd", ODD_RECORDS.values(), ids=ODD_RECORDS)
def test_lines_of_one_length_are_read_as_others_are(opened, odd, where, eol):
    lines = [rec.encode(rec.NORM, b"%d-" % number + b"x" * (74 - number // 10)) for number in range(40)]
    lines.insert(where, odd)
    fd = opened(rec.encode_text([b"Subject: test", b""]) + b"".join(lines) + b"X\0")
    pieces = [data + (eol if kind == rec.NORM else b"") for kind, data in read_content(fd, 0) if kind != rec.DTXT]
    assert content_bytes(fd, 0, eol) == b"".join(pieces)


def test_pointers_are_followed_and_filler_passed_over(opened):
    head = TIME + SENDER + rcpt("a@x")
    heap = len(head) + rec.POINTER_SIZE + len(rcpt("skipped@x"))
    back = heap + len(rcpt("b@x")) + rec.POINTER_SIZE
    pieces = [TIME, SENDER, rcpt("a@x"), rec.pointer_record(97 + heap), rcpt("skipped@x"), rcpt("b@x")]
    pieces += [rec.pointer_record(97 + back), rec.encode(rec.DTXT, b"filler"), rec.pointer_record(0), rcpt("c@x")]
    e = read_envelope(opened(file_bytes(*pieces, count=3)))
    assert [r.address for r in e.recipients] == ["a@x", "b@x", "c@x"]


def test_edited_content_is_read_in_its_new_order(opened):
    one, two, end = rec.encode_text([b"one"]), rec.encode_text([b"two"]), b"X\0"
    start = 10
    heap = start + len(one) + rec.POINTER_SIZE + len(b"N\x03old") + len(end)
    back = start + len(one) + rec.POINTER_SIZE + len(b"N\x03old")
    data = b"#" * start + one + rec.pointer_record(heap) + b"N\x03old" + end + b"E\0"
    heap += 2
    data = data.replace(b"%15d" % (heap - 2), b"%15d" % heap) + b"w\x02##" + two + rec.pointer_record(back)
    fd = opened(data)
    assert content_bytes(fd, start) == b"one\ntwo\n"
    assert list(read_content(fd, start)) == [(b"N", b"one"), (b"N", b"two")]


@pytest.mark.parametrize(
    ("records", "content"),
    [
        (b"", b""),
        (b"N\0", b"\n"),
        (b"N\x01a" + b"N\x01b", b"a\nb\n"),
        (b"L\x01a" + b"L\x01b" + b"N\x01c", b"abc\n"),
        (b"N\x01a" + b"L\x01b", b"a\nb"),
        (b"L\x01a" + b"w\x02xx" + b"N\0", b"a\n"),
    ],
)
def test_text_without_line_end_is_joined_to_what_follows(opened, monkeypatch, records, content):
    fd = opened(records + b"X\0")
    assert content_bytes(fd, 0) == content
    monkeypatch.setattr("pyfix.queue.file.CHUNK", 1)
    assert content_bytes(fd, 0) == content


@pytest.mark.parametrize("data", [b"N\x01a", b"S\x01a" + b"X\0", b"p\x02zz" + b"X\0", b"", b"N\x05a"])
def test_bad_content_is_corrupt(opened, data):
    with pytest.raises(CorruptQueueFile):
        content_bytes(opened(data), 0)
    with pytest.raises(CorruptQueueFile):
        list(read_content(opened(data), 0))


GOOD = message()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "message rejected: missing end record"),
        (GOOD[:-2], "message rejected: missing end record"),
        (GOOD[:150], "message rejected: missing end record"),
        (GOOD.replace(TIME, b""), "message rejected: missing end record"),
        (file_bytes(SENDER, rcpt("r@x")), "message rejected: missing arrival time record"),
        (file_bytes(TIME, rcpt("r@x")), "message rejected: missing sender record"),
        (file_bytes(TIME, SENDER, size=False), "message rejected: missing size record"),
        (rec.encode(rec.SIZE, b"x") + b"E\0", "message rejected: weird size record"),
        (rec.encode(rec.SIZE, b"0 5") + b"E\0", "invalid size record: 0 5"),
        (rec.encode(rec.SIZE, b"5 5 1 0 -1") + b"E\0", "invalid size record: 5 5 1 0 -1"),
        (rec.encode(rec.SIZE, b"5 5 1 32") + b"E\0", "invalid flags in size record: 5 5 1 32"),
        (rec.encode(rec.ATTR, b"foo") + b"E\0", "bad attribute record: missing '=' after attribute name: foo"),
        (rec.encode(rec.ATTR, b"fo\0o=x") + b"E\0", "bad attribute record: missing '=' after attribute name: fo"),
        (rec.encode(rec.PTR, b"zz") + b"E\0", "malformed pointer record value: zz"),
        (b"N\xff\xff\xff\xff\xff\x01", "too many length bits, record type 78"),
        (rec.pointer_record(0) + b"p\x0f" + b"%15d" % 17, "too many reverse jump records"),
    ],
)
def test_what_postfix_refuses_is_corrupt_in_its_words(opened, monkeypatch, data, text):
    monkeypatch.setattr(walk, "_REVERSE_LIMIT", 100)
    with pytest.raises(CorruptQueueFile) as caught:
        read_envelope(opened(data))
    assert str(caught.value) == text


def test_what_postfix_warns_of_is_kept(opened):
    odd = (attr("notify_flags", "99"), attr("ret_flags", "9"), rec.encode(rec.VERP, b"+=x"))
    twice = (rcpt("one@x", rec.ORCP), rcpt("two@x", rec.ORCP), rcpt("r@x"))
    e = read_envelope(opened(file_bytes(TIME, SENDER, *odd, *twice)))
    assert e.warnings == [
        "ignoring malformed DSN notify flags <99>",
        "ignoring malformed DSN RET flags in queue file record:9",
        'ignoring bad VERP request: "+=x"',
        "ignoring out-of-order original recipient <one@x>",
    ]
    assert e.recipients[0].original == "two@x"


def test_an_old_size_record_with_one_number_is_enough(opened):
    data = rec.encode(rec.SIZE, b"%15d" % 30) + file_bytes(TIME, SENDER, rcpt("r@x"), size=False)
    fd = opened(data)
    e = read_envelope(fd)
    assert content_bytes(fd, e.content_offset).startswith(b"Subject: test\n")


def test_marks_change_the_file_in_place(opened):
    warn = rec.encode(rec.WARN, b"%15d" % 1795214011)
    fd = opened(file_bytes(TIME, SENDER, warn, attr("trace_flags", "1024"), rcpt("a@x"), rcpt("b@x"), count=2))
    e = read_envelope(fd)
    mark_done(fd, e.recipients[0].offset)
    mark_done(fd, e.recipients[0].offset)
    mark_warned(fd, e)
    mark_warned(fd, e)
    kill_record(fd, e.trace_offset)
    after = read_envelope(fd)
    assert after.recipients == [Recipient(e.recipients[1].offset, "b@x")]
    assert (after.done_count, after.warn_time, after.trace_flags) == (1, -1795214011, 0)
    with pytest.raises(ValueError, match="no recipient record at offset 0"):
        mark_done(fd, 0)


ALPHABET = st.sampled_from([bytes((c,)) for c in b"CTSRDOAWVLMNXEpwK/>i<ocnF"])
DATA = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [b"              0", b"             17", b"1795214011 1", b"10 40 1 0 10", b"a=b", b"notify_flags=4"]
    ),
)


@given(st.lists(st.tuples(ALPHABET, DATA), max_size=30), st.binary(max_size=5))
def test_any_file_is_read_or_corrupt(pairs, tail):
    fd = os.memfd_create("queue file")
    try:
        os.write(fd, rec.encode_all(pairs) + tail)
        walk_limit, walk._REVERSE_LIMIT = walk._REVERSE_LIMIT, 50
        try:
            e = read_envelope(fd, 3)
            while e.rcpt_offset and len(e.recipients) < 1000:
                if not read_recipients(fd, e, 3):
                    break
            content_bytes(fd, e.content_offset)
        except CorruptQueueFile:
            pass
        finally:
            walk._REVERSE_LIMIT = walk_limit
    finally:
        os.close(fd)


def test_content_comes_once():
    fd = os.memfd_create("queue file")
    try:
        os.write(fd, GOOD[:-2] + b"M\0E\0")
        with pytest.raises(CorruptQueueFile, match="content after content"):
            read_envelope(fd)
    finally:
        os.close(fd)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
@example(GOOD.rindex(b"E"), ord("M"))  # a second content goes back to the end of the first
def test_a_changed_byte_is_read_or_corrupt(at, value):
    fd = os.memfd_create("queue file")
    try:
        os.write(fd, GOOD[:at] + bytes((value,)) + GOOD[at + 1 :])
        with suppress(CorruptQueueFile):
            content_bytes(fd, read_envelope(fd).content_offset)
    finally:
        os.close(fd)
