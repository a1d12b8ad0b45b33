"""Records: their bytes, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyfix.queue import records as rec
from pyfix.queue.records import CorruptQueueFile, Truncated


@pytest.mark.parametrize(
    ("kind", "data", "wire"),
    [
        pytest.param(rec.MESG, b"", b"M\0", id="empty"),
        pytest.param(rec.FROM, b"sender@example.net", b"S\x12sender@example.net", id="short"),
        pytest.param(rec.NORM, b"x" * 127, b"N\x7f" + b"x" * 127, id="one length byte"),
        pytest.param(rec.NORM, b"x" * 128, b"N\x80\x01" + b"x" * 128, id="two length bytes"),
        pytest.param(rec.NORM, b"x" * 300, b"N\xac\x02" + b"x" * 300, id="300"),
        pytest.param(rec.CONT, b"x" * 20000, b"L\xa0\x9c\x01" + b"x" * 20000, id="three length bytes"),
    ],
)
def test_a_record_is_type_length_and_data(kind, data, wire):
    assert rec.encode(kind, data) == wire
    assert list(rec.iterate(wire)) == [(0, kind, data)]


def test_the_size_record_has_six_wide_numbers():
    assert rec.size_record(347, 733, 1, 12, 347, 0) == (
        b"C_            347             733               1              12             347               0"
    )
    assert len(rec.size_record()) == rec.SIZE_SIZE


def test_lines_become_text_records_in_bulk():
    lines = [b"one", b"", b"x" * 2048, b"y" * 5000]
    assert rec.encode_text(lines) == b"".join(rec.encode(rec.NORM, line) for line in lines)
    assert rec.encode_text([]) == b""


@pytest.mark.parametrize(
    ("line", "wire"),
    [
        (b"", b"N\0"),
        (b"abc", b"N\x03abc"),
        (b"abcd", b"L\x03abcN\x01d"),
        (b"abcdef", b"L\x03abcN\x03def"),
        (b"abcdefg", b"L\x03abcL\x03defN\x01g"),
    ],
    ids=len,
)
def test_long_lines_are_cut_in_pieces(line, wire):
    assert rec.encode_line(line, 3) == wire


@pytest.mark.parametrize(
    ("wire", "error", "text"),
    [
        (b"N", Truncated, "unexpected EOF reading length, record type 78"),
        (b"N\x80", Truncated, "unexpected EOF reading length, record type 78"),
        (b"N\x05abc", Truncated, "unexpected EOF in data, record type 78 length 5"),
        (b"N\xff\xff\xff\xff\xff\x01", CorruptQueueFile, "too many length bits, record type 78"),
        (b"N\xff\xff\xff\xff\x0f", CorruptQueueFile, "illegal length -1, record type 78"),
    ],
)
def test_what_is_no_record_is_told_with_its_place(wire, error, text):
    with pytest.raises(error, match=f"^{text}$") as caught:
        list(rec.iterate(b"M\0" + wire))
    assert caught.value.offset == 2


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a=b", (b"a", b"b")),
        (b" a = b ", (b"a", b"b")),
        (b"a=b=c", (b"a", b"b=c")),
        (b"a=", (b"a", b"")),
        (b"a=b\0c", (b"a", b"b")),
        (b"foo", "missing '=' after attribute name"),
        (b"fo\0o=x", "missing '=' after attribute name"),
        (b"a b=c", "missing '=' after attribute name"),
        (b"=foo", "missing attribute name"),
        (b"", "missing attribute name"),
    ],
)
def test_attributes_are_names_and_values(data, expected):
    if isinstance(expected, tuple):
        assert rec.split_attribute(data) == expected
        return
    with pytest.raises(ValueError, match=expected):
        rec.split_attribute(data)


KINDS = st.integers(0, 255).map(lambda number: bytes((number,)))


@given(st.lists(st.tuples(KINDS, st.binary(max_size=300))))
def test_what_is_encoded_is_decoded(pairs):
    wire = rec.encode_all(pairs)
    assert [(kind, data) for _, kind, data in rec.iterate(wire)] == pairs
    offsets = [offset for offset, _, _ in rec.iterate(wire)]
    for cut in set(range(len(wire))) - set(offsets):
        with pytest.raises(Truncated) as caught:
            list(rec.iterate(wire[:cut]))
        assert caught.value.offset == max(offset for offset in offsets if offset < cut)


@given(st.binary(max_size=100))
def test_any_bytes_are_records_or_corrupt(wire):
    offset: int | None = len(wire)
    try:
        list(rec.iterate(wire))
    except CorruptQueueFile as error:
        offset = error.offset
    assert offset is not None
    assert 0 <= offset <= len(wire)


@pytest.mark.parametrize("length", [1, 76, 127])
def test_lines_of_one_length_are_encoded_like_others(length):
    lines = [bytes([number % 250]) * length for number in range(100)]
    rows = bytearray(b"".join(b"??" + line for line in lines))
    assert rec.encode_rows(rows, length + 2) == rec.encode_text(lines)
