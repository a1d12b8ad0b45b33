"""LDAP messages, literally; and bytes that are none."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyfix.wire import ldap
from pyfix.wire.ldap import Conversation, Done, Entry, LdapError, Reference, encode_filter


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes((tag, len(content))) + content


def text(value: bytes) -> bytes:
    return tlv(4, value)


SEARCHED = [
    tlv(0x30, tlv(2, b"\x01"),
        tlv(0x64, text(b"cn=a"), tlv(0x30, tlv(0x30, text(b"Mail"), tlv(0x31, text(b"a@b"), text(b"c")))))),
    tlv(0x30, tlv(2, b"\x01"), tlv(0x73, text(b"ldap://x/"))),
    tlv(0x30, tlv(2, b"\x01"), tlv(0x65, tlv(10, b"\x20"), text(b""), text(b"no such thing"))),
]  # fmt: skip
ANSWERS = [
    Entry(1, "cn=a", {"mail": [b"a@b", b"c"]}),
    Reference(1, ["ldap://x/"]),
    Done(1, ldap.SEARCH_DONE, 32, "no such thing"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_answers_come_in_pieces_of_any_size(size: int) -> None:
    conversation, data = Conversation(), b"".join(SEARCHED)
    found = [a for at in range(0, len(data), size) for a in conversation.receive(data[at : at + size])]
    assert found == ANSWERS


def test_requests_are_what_the_standard_says() -> None:
    conversation = Conversation()
    assert conversation.bind(3, "cn=x", "pw") == bytes.fromhex("3012020101600d0201030404636e3d7880027077")
    assert conversation.unbind() == bytes.fromhex("30050201024200")
    assert conversation.search("dc=t", "sub", "(a=b)", ["m"], size_limit=300) == (
        tlv(0x30, tlv(2, b"\x03"),
            tlv(0x63, text(b"dc=t"), tlv(10, b"\x02"), tlv(10, b"\0"), tlv(2, b"\x01\x2c"), tlv(2, b"\0"),
                tlv(1, b"\0"), tlv(0xA3, text(b"a"), text(b"b")), tlv(0x30, text(b"m"))))
    )  # fmt: skip


@pytest.mark.parametrize(
    ("filter_text", "encoded"),
    [
        ("a=b", tlv(0xA3, text(b"a"), text(b"b"))),
        ("(a>=b)", tlv(0xA5, text(b"a"), text(b"b"))),
        ("(a~=b)", tlv(0xA8, text(b"a"), text(b"b"))),
        ("(a=*)", tlv(0x87, b"a")),
        ("(a=x*y*z)", tlv(0xA4, text(b"a"), tlv(0x30, tlv(0x80, b"x"), tlv(0x81, b"y"), tlv(0x82, b"z")))),
        ("(a=*y)", tlv(0xA4, text(b"a"), tlv(0x30, tlv(0x82, b"y")))),
        (r"(a=\2a\28)", tlv(0xA3, text(b"a"), text(b"*("))),
        ("(&(a=b)(!(c=d)))",
         tlv(0xA0, tlv(0xA3, text(b"a"), text(b"b")), tlv(0xA2, tlv(0xA3, text(b"c"), text(b"d"))))),
        ("(| (a=b) (c=) )", tlv(0xA1, tlv(0xA3, text(b"a"), text(b"b")), tlv(0xA3, text(b"c"), text(b"")))),
        ("(a:dn:2.4:=b)", tlv(0xA9, tlv(0x81, b"2.4"), tlv(0x82, b"a"), tlv(0x83, b"b"), b"\x84\x01\xff")),
    ],
)  # fmt: skip
def test_filters_are_encoded(filter_text: str, encoded: bytes) -> None:
    assert encode_filter(filter_text) == encoded


@pytest.mark.parametrize(
    "bad", ["", "(", "(a=b", "(a=b))", "a", "(&", "(!(a=b)(c=d))", r"(a=\2)", "(:=x)", "(a=b)(c=d)"]
)
def test_what_is_no_filter_is_refused(bad: str) -> None:
    with pytest.raises(LdapError):
        encode_filter(bad)


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1))
def test_a_quoted_value_stays_one(value: str) -> None:
    data = value.encode(errors="replace")
    quoted = ldap.quote_filter(data.decode())
    assert encode_filter(f"(a={quoted})").endswith(data)


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("a,b", r"a\2cb"), (" a ", "\\ a\\ "), ("#x", r"\#x"), ('"\\', r"\22\5c"), ("a=b+c;d", r"a\3db\2bc\3bd")],
)
def test_a_value_in_a_name_is_quoted(value: str, quoted: str) -> None:
    assert ldap.quote_dn(value) == quoted


def test_urls_are_taken_apart() -> None:
    assert ldap.parse_url("ldap:///dc=a%20b?mail,cn?sub?(x=y)") == ("", "dc=a b", ["mail", "cn"], "sub", "(x=y)")
    assert ldap.parse_url("ldaps://h:1/dc=a") == ("ldaps://h:1", "dc=a", [], "base", "(objectClass=*)")
    assert ldap.parse_url("cn=a,dc=b") is None


def test_broken_bytes_are_told_and_nothing_else_happens() -> None:
    chance, data = random.Random(1), b"".join(SEARCHED)
    seen = set()
    for _ in range(3000):
        broken = bytearray(data[: chance.choice([len(data), chance.randrange(1, len(data))])])
        for _ in range(chance.randrange(4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            seen.update(type(answer) for answer in Conversation().receive(bytes(broken)))
        except LdapError:
            seen.add(LdapError)
    assert seen == {Entry, Reference, Done, LdapError}
