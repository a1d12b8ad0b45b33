"""Attribute lists: what is written is read, and nothing else is."""

import pytest

from pyfix.wire.attr import INT, LONG, STR, AttrError, Form, decode_pairs, encode_pairs

FORM = Form(("request", STR), ("status", INT), ("offset", LONG), ("text", STR))
LIST = b"request\0rewrite\0status\0" + b"3\0offset\0" + b"17\0text\0x\0\0"


def test_list_has_postfix_bytes() -> None:
    assert FORM.encode("rewrite", 3, 17, "x") == LIST
    assert FORM.decode(LIST) == ["rewrite", 3, 17, "x"]


def test_negative_numbers_travel_unsigned() -> None:
    data = FORM.encode("", -1, -2, "")
    assert b"status\x004294967295\0" in data
    assert FORM.decode(data) == ["", -1, -2, ""]


def test_octets_that_are_no_utf8_survive() -> None:
    value = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert FORM.decode(FORM.encode(value, 0, 0, ""))[0] == value


def test_empty_values_do_not_end_the_list() -> None:
    rows: list[tuple[str, int, int, str]] = [("", 0, 0, ""), ("x", 1, 2, "y")]
    assert FORM.decode_all(FORM.encode_all(rows)) == [list(row) for row in rows]
    assert FORM.decode_all(b"") == []


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        pytest.param(b"\0", "missing attribute request", id="empty"),
        pytest.param(b"request\0x\0\0", "missing attribute status", id="short"),
        pytest.param(LIST.replace(b"status", b"stotus"), "unexpected attribute stotus", id="other name"),
        pytest.param(LIST[:-1], "end of list missing", id="no end"),
        pytest.param(LIST[:-1] + b"more\0x\0\0", "after the last", id="more"),
        pytest.param(LIST.replace(b"\x003\0", b"\0three\0"), "bad numerical", id="number"),
    ],
)
def test_other_lists_are_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(AttrError, match=complaint):
        FORM.decode(data)


@pytest.mark.parametrize("data", [b"a\0x\0b\0y\0", b"a\0x\0\0", b"a\0x\0b\0y\0c\0z\0\0", b"a\0x\0c\0y\0\0", b"\0", b""])
def test_other_lists_than_those_of_texts_are_refused_too(data: bytes) -> None:
    form = Form(("a", STR), ("b", STR))
    assert form.decode(b"a\0x\0b\0y\0\0") == ["x", "y"]
    with pytest.raises(AttrError):
        form.decode(data)


def test_nul_in_a_value_can_not_forge_an_attribute() -> None:
    with pytest.raises(AttrError, match="NUL"):
        FORM.encode("a\0status", 0, 0, "")


def test_pairs() -> None:
    assert decode_pairs(encode_pairs([("protocol", "x"), ("more", "")])) == {"protocol": "x", "more": ""}
    with pytest.raises(AttrError):
        decode_pairs(b"protocol\0x\0")
