"""Answers of MySQL servers, byte by byte."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyfix.wire.mysql import Answer, MysqlError, MysqlRefusal, query


def packets(*payloads: bytes) -> bytes:
    return b"".join([len(data).to_bytes(3, "little") + bytes([at]) + data for at, data in enumerate(payloads, 1)])


EOF, MORE = b"\xfe\0\0\2\0", b"\xfe\0\0\x0a\0"
DONE, DONE_MORE = b"\0\0\0\2\0\0\0", b"\0\xfc\x01\x01\0\x0a\0\0\0"
LONG = b"\xfc\x2c\x01" + 300 * b"x"

ANSWERS = {
    "one row": (packets(b"\1", b"column", EOF, b"\5value", EOF), [[b"value"]]),
    "nothing": (packets(b"\1", b"column", EOF, EOF), []),
    "no result set": (packets(DONE), None),
    "NULL, empty and long": (packets(b"\3", b"a", b"b", b"c", EOF, b"\xfb\0" + LONG, EOF), [[None, b"", 300 * b"x"]]),
    "a procedure": (packets(b"\1", b"c", EOF, b"\1a", MORE, DONE), [[b"a"]]),
    "two results": (packets(b"\1", b"c", EOF, b"\1a", MORE, b"\1", b"c", EOF, b"\1b", EOF), [[b"a"]]),
    "first without rows": (packets(DONE_MORE, b"\1", b"c", EOF, b"\1b", EOF), None),
    "a row that begins as an end does": (
        packets(b"\1", b"c", EOF, b"\xfe\x0a\0\0\0\0\0\0\0" + 10 * b"y", EOF), [[10 * b"y"]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_in_one_piece_and_at_every_split(name: str) -> None:
    data, rows = ANSWERS[name]
    for at in range(len(data)):
        answer = Answer()
        assert not (at and answer.receive(data[:at]))
        assert answer.receive(data[at:])
        assert answer.rows == rows
    answer = Answer()
    assert [answer.receive(data[at : at + 1]) for at in range(len(data))] == [*[False] * (len(data) - 1), True]
    assert answer.rows == rows


@pytest.mark.parametrize(
    ("name", "many"), [("one row", False), ("a procedure", False), ("two results", True), ("first without rows", False)]
)
def test_more_than_one_result_with_rows_is_noticed(name: str, many: bool) -> None:
    answer = Answer()
    answer.receive(ANSWERS[name][0])
    assert answer.many == many


@pytest.mark.parametrize("before", [[], [b"\1", b"c", EOF], [b"\1", b"c", EOF, b"\1a"]])
def test_refusal_carries_the_servers_packet(before: list[bytes]) -> None:
    error = b"\xff\x28\x04#42000You have an error"
    with pytest.raises(MysqlRefusal) as caught:
        Answer().receive(packets(*before, error))
    assert caught.value.packet == error


BROKEN = {
    "farewell of another turn": b"\5\0\0\0\xff\xbf\x0f#x",
    "file wanted": packets(b"\xfbname"),
    "empty packet": packets(b""),
    "a packet that goes on": b"\xff\xff\xff\1",
    "no end of columns": packets(b"\1", b"a", b"b"),
    "value without an end": packets(b"\1", b"a", EOF, b"\5x"),
    "number without an end": packets(b"\1", b"a", EOF, b"\xfc\1"),
    "no number": packets(b"\1", b"a", EOF, b"\xff"),
    "ok without a status": packets(b"\0\0\0"),
    "more than the answer": packets(DONE, b"\0"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_other_bytes_are_no_answer(name: str) -> None:
    with pytest.raises((MysqlError, MysqlRefusal)):
        Answer().receive(BROKEN[name])


@given(st.lists(st.binary(max_size=40), max_size=8), st.binary(max_size=20))
def test_any_bytes_give_an_answer_or_an_error(payloads: list[bytes], rest: bytes) -> None:
    with suppress(MysqlError, MysqlRefusal):
        Answer().receive(packets(*payloads) + rest)


def test_query_packet() -> None:
    assert query(b"SELECT 1") == b"\x09\0\0\0\3SELECT 1"
    with pytest.raises(MysqlError):
        query(b"x" * 0xFFFFFF)
