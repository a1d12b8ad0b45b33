"""ldap - what is said to an LDAP server: requests as bytes, answers as objects

    conversation = Conversation()
    data = conversation.search("dc=example", "sub", "(mail=a@b.test)", ["maildrop"])
    for answer in conversation.receive(received): ...     Entry, Reference, Done

Only what a client that looks things up needs. LdapError for bytes that are no LDAP.

Sources: RFC 4511 (messages), RFC 4515 (filters), RFC 4514 (names), RFC 4516 (URLs), X.690 (BER).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

LIMIT = 16 << 20  # bytes; a longer message is a broken peer
DEEPEST = 50  # filters within filters

SCOPES = {"base": 0, "one": 1, "sub": 2}
START_TLS = b"1.3.6.1.4.1.1466.20037"

# Results.
SUCCESS, SIZE_LIMIT_EXCEEDED, REFERRAL, NO_SUCH_OBJECT = 0, 4, 10, 32

# Tags.
BOOLEAN, INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31
BIND, BIND_DONE, UNBIND, SEARCH, ENTRY, SEARCH_DONE, REFERENCE, EXTENDED, EXTENDED_DONE = (
    0x60, 0x61, 0x42, 0x63, 0x64, 0x65, 0x73, 0x77, 0x78,
)  # fmt: skip


class LdapError(ValueError):
    """Bytes that are no LDAP message, or a filter that is none."""


class Entry(NamedTuple):
    """One thing found. attributes: values by name in lower case."""

    number: int
    dn: str
    attributes: dict[str, list[bytes]]


class Reference(NamedTuple):
    """URLs of servers that know more."""

    number: int
    urls: list[str]


class Done(NamedTuple):
    """The end of an answer. kind: BIND_DONE, SEARCH_DONE, EXTENDED_DONE; code: the result."""

    number: int
    kind: int
    code: int
    text: str


class Url(NamedTuple):
    """What an LDAP URL asks for. host: "" for the same server."""

    host: str
    base: str
    attributes: list[str]
    scope: str
    filter: str


class Conversation:
    """One connection. number: of the last request."""

    def __init__(self) -> None:
        self.number = 0
        self._buffer = b""

    def bind(self, version: int, dn: str, password: str) -> bytes:
        """Who we are, by a password; empty for nobody."""
        return self._request(BIND, _int(version) + _octets(dn) + _tlv(0x80, password.encode()))

    def bind_sasl(self, mechanism: str, credentials: bytes) -> bytes:
        """Who we are, by a SASL mechanism of one step."""
        sasl = _octets(mechanism) + _tlv(OCTETS, credentials)
        return self._request(BIND, _int(3) + _octets("") + _tlv(0xA3, sasl))

    def start_tls(self) -> bytes:
        """Ask for TLS from the next byte on."""
        return self._request(EXTENDED, _tlv(0x80, START_TLS))

    def search(
        self,
        base: str,
        scope: str,
        filter: str,  # noqa: A002 - LDAP's word
        attributes: Iterable[str],
        *,
        dereference: int = 0,
        size_limit: int = 0,
        time_limit: int = 0,
    ) -> bytes:
        """What to look for. LdapError: the filter is none."""
        wanted = b"".join([_octets(name) for name in attributes])
        return self._request(
            SEARCH,
            _octets(base)
            + _int(SCOPES[scope], ENUMERATED)
            + _int(dereference, ENUMERATED)
            + _int(size_limit)
            + _int(time_limit)
            + b"\x01\x01\x00"  # values too
            + encode_filter(filter)
            + _tlv(SEQUENCE, wanted),
        )

    def unbind(self) -> bytes:
        """Good bye."""
        return self._request(UNBIND, b"")

    def receive(self, data: bytes) -> Iterator[Entry | Reference | Done]:
        """All messages that are complete with these bytes. LdapError."""
        self._buffer += data
        while (size := _size(self._buffer)) and size <= len(self._buffer):
            message, self._buffer = self._buffer[:size], self._buffer[size:]
            yield from _message(message)

    def _request(self, tag: int, content: bytes) -> bytes:
        self.number += 1
        return _tlv(SEQUENCE, _int(self.number) + _tlv(tag, content))


# Writing BER


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content


def _int(value: int, tag: int = INTEGER) -> bytes:
    return _tlv(tag, value.to_bytes(value.bit_length() // 8 + 1))


def _octets(text: str, tag: int = OCTETS) -> bytes:
    return _tlv(tag, text.encode("utf-8", "surrogateescape"))


# Reading BER


def _size(data: bytes) -> int:
    """How long the element at the start is; 0 when that can't be told yet."""
    if len(data) < 2:
        return 0
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        if not 2 < start <= 6:
            raise LdapError("bad length")
        if len(data) < start:
            return 0
        size = int.from_bytes(data[2:start])
    if size > LIMIT:
        raise LdapError(f"message of {size} bytes")
    return start + size


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Tags and contents of all elements."""
    found = []
    while data:
        size = _size(data)
        if not size or size > len(data):
            raise LdapError("short element")
        start = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
        found.append((data[0], data[start:size]))
        data = data[size:]
    return found


def _message(data: bytes) -> Iterator[Entry | Reference | Done]:
    if data[0] != SEQUENCE:
        raise LdapError("no message")
    try:
        (_, inside), *_ = _elements(data)
        (_, number), (tag, content), *_ = _elements(inside)
        if tag == ENTRY:
            (_, dn), (_, attributes) = _elements(content)
            yield Entry(int.from_bytes(number), _text(dn), dict(map(_attribute, _elements(attributes))))
        elif tag == REFERENCE:
            yield Reference(int.from_bytes(number), [_text(url) for _, url in _elements(content)])
        elif tag in (BIND_DONE, SEARCH_DONE, EXTENDED_DONE):
            (_, code), _, (_, text), *_ = _elements(content)
            yield Done(int.from_bytes(number), tag, int.from_bytes(code), _text(text))
    except ValueError as error:
        raise LdapError(f"broken message: {error}") from None


def _attribute(element: tuple[int, bytes]) -> tuple[str, list[bytes]]:
    (_, name), (_, values) = _elements(element[1])
    return _text(name).lower(), [value for _, value in _elements(values)]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


# Filters


def quote_filter(text: str) -> str:
    """A value within a filter."""
    return re.sub(r"[*()\\\0]", lambda match: f"\\{ord(match[0]):02x}", text)


def quote_dn(text: str) -> str:
    """A value within a name."""
    quoted = re.sub(r'[,+"\\<>;=\0]', lambda match: f"\\{ord(match[0]):02x}", text)
    quoted = re.sub(r"\A[ #]", r"\\\g<0>", quoted)
    return re.sub(r" \Z", r"\\ ", quoted) if len(text) > 1 else quoted


def encode_filter(text: str) -> bytes:
    """A filter as it is sent. LdapError."""
    if not text.startswith("("):
        text = f"({text})"
    encoded, rest = _filter(text, DEEPEST)
    if rest:
        raise LdapError(f"bad filter: {text}")
    return encoded


_SETS = {"&": 0xA0, "|": 0xA1, "!": 0xA2}
_ITEM = re.compile(r"\((?P<name>[\w.;-]+)(?P<kind>=|~=|>=|<=)(?P<value>[^()]*)\)", re.DOTALL)
_RULE = re.compile(r"\((?P<name>[\w.;-]*)(?P<dn>:dn)?(?::(?P<rule>[\w.-]+))?:=(?P<value>[^()]*)\)", re.DOTALL)
_KINDS = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}


def _filter(text: str, depth: int) -> tuple[bytes, str]:
    """The filter at the start of a text, and what follows it."""
    tag = _SETS.get(text[1:2])
    if text[:1] == "(" and tag is not None and depth:
        parts = []
        rest = text[2:].lstrip()
        while rest.startswith("("):
            part, rest = _filter(rest, depth - 1)
            parts.append(part)
            rest = rest.lstrip()
        if rest.startswith(")") and (tag != 0xA2 or len(parts) == 1):
            return _tlv(tag, b"".join(parts)), rest[1:]
    match = _ITEM.match(text)
    if match is not None:
        return _item(match["name"], match["kind"], match["value"]), text[match.end() :]
    match = _RULE.match(text)
    if match is None or not (match["name"] or match["rule"]):
        raise LdapError(f"bad filter: {text}")
    return _extensible(match), text[match.end() :]


def _item(name: str, kind: str, value: str) -> bytes:
    if kind == "=" and value == "*":
        return _octets(name, 0x87)
    if kind == "=" and "*" in value:
        first, *middle, last = value.split("*")
        parts = [(0x80, first), *[(0x81, part) for part in middle], (0x82, last)]
        pieces = b"".join([_tlv(tag, _value(part)) for tag, part in parts if part])
        return _tlv(0xA4, _octets(name) + _tlv(SEQUENCE, pieces))
    return _tlv(_KINDS[kind], _octets(name) + _tlv(OCTETS, _value(value)))


def _extensible(match: re.Match[str]) -> bytes:
    content = _octets(match["rule"], 0x81) if match["rule"] else b""
    content += _octets(match["name"], 0x82) if match["name"] else b""
    content += _tlv(0x83, _value(match["value"]))
    return _tlv(0xA9, content + (b"\x84\x01\xff" if match["dn"] else b""))


def _value(text: str) -> bytes:
    """The bytes that a value in a filter stands for."""
    data = text.encode("utf-8", "surrogateescape")
    if re.search(rb"\\(?![0-9A-Fa-f]{2})", data):
        raise LdapError(f"bad escape in filter: {text}")
    return re.sub(rb"\\(..)", lambda match: bytes((int(match[1], 16),)), data)


_URL = re.compile(r"(?P<scheme>ldaps?|ldapi)://(?P<host>[^/?]*)(?:/(?P<rest>.*))?", re.IGNORECASE | re.DOTALL)


def parse_url(text: str) -> Url | None:
    """An LDAP URL taken apart; None when it is none."""
    match = _URL.fullmatch(text)
    if match is None:
        return None
    base, attributes, scope, found, *_ = ((match["rest"] or "").split("?") + [""] * 4)[:5]
    return Url(
        f"{match['scheme']}://{match['host']}" if match["host"] else "",
        unquote(base),
        [unquote(name) for name in attributes.split(",") if name],
        scope.lower() if scope.lower() in SCOPES else "base",
        unquote(found) or "(objectClass=*)",
    )
