"""attr - attribute lists, the words that daemons exchange

A list is `name NUL value NUL` for each attribute and one more NUL at its end. A Form
declares one list: its names in order and the kind of each value. Both ends of a
service share the Form, so a strict reader needs one comparison.

Numbers are unsigned decimal text as Postfix writes them (-1 is 4294967295).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from itertools import chain
from typing import Any


class AttrError(ValueError):
    """A list that is not what the reader expects."""


class Kind(Enum):
    """How a value is written. STR: str; INT: 32-bit int; LONG: 64-bit int."""

    STR = "text"
    INT = 32
    LONG = 64


STR, INT, LONG = Kind.STR, Kind.INT, Kind.LONG
LONGEST_NUMBER = 20  # digits


_ANY = "([^\0]*)"
_DIGITS = f"([0-9]{{1,{LONGEST_NUMBER}}})"


class Form:
    """The declaration of one attribute list: (name, kind) pairs in wire order.

    A list is written with one `%` and read with one match of a pattern; only numbers are looked at one
    by one.
    """

    __slots__ = ("_heads", "_match", "_names", "_nuls", "_numbers", "_template", "fields")

    def __init__(self, *fields: tuple[str, Kind]) -> None:
        self.fields = fields
        self._names = [name for name, _ in fields]
        self._template = "".join([f"{name}\0{'%s' if kind is STR else '%d'}\0" for name, kind in fields]) + "\0"
        pattern = "".join([f"{re.escape(name)}\0{_ANY if kind is STR else _DIGITS}\0" for name, kind in fields])
        self._match = re.compile(pattern + "\0").match
        bits = [(at, kind.value) for at, (_, kind) in enumerate(fields) if kind is not STR]
        self._numbers = [(at, 1 << size - 1, 1 << size) for at, size in bits]  # place, first negative one, how many
        self._nuls = 2 * len(fields) + 1
        self._heads = [*self._names, ""]  # what stands before the NULs at even places

    def encode(self, *values: str | int) -> bytes:
        """The list with these values, in the order of the fields."""
        return self._encode(values).encode("utf-8", "surrogateescape")

    def _encode(self, row: tuple[Any, ...]) -> str:
        text = self._template % row
        if "\0-" in text:
            text = self._template % self._unsigned(row)
        if text.count("\0") != self._nuls:
            raise AttrError(f"NUL in an attribute value: {text[:200]!r}")
        return text

    def _unsigned(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        words = list(row)
        for at, _, count in self._numbers:
            words[at] %= count
        return tuple(words)

    def decode(self, data: bytes) -> list[Any]:
        """The values of a list that is all of `data`. AttrError when it is any other list."""
        text = data.decode("utf-8", "surrogateescape")
        if self._numbers:
            found = self._match(text)
            if found is not None and found.end() == len(text):
                return self._typed([*found.groups()])
        else:
            words = text.split("\0")
            if words[::2] == self._heads and len(words) == self._nuls + 1:
                return words[1:-1:2]
        raise AttrError(self._complaint(text))

    def _typed(self, row: list[Any]) -> list[Any]:
        for at, negative, count in self._numbers:
            value = row[at] = int(row[at])
            if value >= negative:
                row[at] = value - count
        return row

    def encode_all(self, rows: Iterable[tuple[str | int, ...]]) -> bytes:
        """Several lists, one after the other."""
        return "".join(map(self._encode, rows)).encode("utf-8", "surrogateescape")

    def decode_all(self, data: bytes) -> list[list[Any]]:
        """The values of each of several lists that are all of `data`."""
        text = data.decode("utf-8", "surrogateescape")
        rows, at = [], 0
        while at < len(text):
            found = self._match(text, at)
            if found is None:
                raise AttrError(self._complaint(text[at:]))
            rows.append(self._typed([*found.groups()]))
            at = found.end()
        return rows

    def _complaint(self, text: str) -> str:
        """What is wrong with a list."""
        parts = text.split("\0", self._nuls)
        given, values = parts[0::2], parts[1::2]
        for at, (name, kind) in enumerate(self.fields):
            if at >= len(given) or not given[at]:
                return f"missing attribute {name}"
            if given[at] != name:
                found = given[at][:100].encode("ascii", "replace").decode()
                return f"unexpected attribute {found} (expecting: {name})"
            if kind is not STR and at < len(values) and re.fullmatch(_DIGITS, values[at]) is None:
                return f"bad numerical attribute value {values[at][:40]!r}"
        return "unexpected attribute after the last, or end of list missing"


def encode_pairs(pairs: Iterable[tuple[str, str]]) -> bytes:
    """A list of attributes that no Form declares. AttrError: NUL in one of them."""
    words = list(chain.from_iterable(pairs))
    text = "\0".join([*words, "", ""]) if words else "\0"
    if text.count("\0") != len(words) + 1:
        raise AttrError(f"NUL in an attribute: {text[:200]!r}")
    return text.encode("utf-8", "surrogateescape")


def decode_pairs(data: bytes) -> dict[str, str]:
    """All attributes of a list whose reader takes what it finds."""
    parts = data.decode("utf-8", "surrogateescape").split("\0")
    if len(parts) % 2 or parts[-2:] != ["", ""]:
        raise AttrError("end of attribute list missing")
    return dict(zip(parts[0:-2:2], parts[1:-2:2], strict=True))
