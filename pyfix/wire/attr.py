"""attr - attribute lists, the words that daemons exchange

A list is `name NUL value NUL` for each attribute and one more NUL at its end. A Form
declares one list: its names in order and the kind of each value. Both ends of a
service share the Form, so a strict reader needs one comparison.

Numbers are unsigned decimal text as Postfix writes them (-1 is 4294967295), binary
data are base64 without line breaks.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from enum import Enum
from itertools import chain
from typing import Any


class AttrError(ValueError):
    """A list that is not what the reader expects."""


class Kind(Enum):
    """How a value is written. STR: str; INT: 32-bit int; LONG: 64-bit int; DATA: bytes."""

    STR = "text"
    INT = 32
    LONG = 64
    DATA = "base64"


STR, INT, LONG, DATA = Kind.STR, Kind.INT, Kind.LONG, Kind.DATA
LONGEST_NUMBER = 20  # digits
_SMALL = {str(number): number for number in range(1024)}


class Form:
    """The declaration of one attribute list: (name, kind) pairs in wire order.

    A list is written with one `%` and read with one split; only numbers and binary data are
    looked at one by one.
    """

    __slots__ = ("_data", "_names", "_nuls", "_numbers", "_template", "_width", "fields")

    def __init__(self, *fields: tuple[str, Kind]) -> None:
        self.fields = fields
        self._names = [name for name, _ in fields]
        self._template = "".join([f"{name}\0{'%s' if kind in {STR, DATA} else '%d'}\0" for name, kind in fields]) + "\0"
        self._numbers = [(at, 1 << kind.value) for at, (_, kind) in enumerate(fields) if kind in {INT, LONG}]
        self._data = [at for at, (_, kind) in enumerate(fields) if kind is DATA]
        self._nuls = 2 * len(fields) + 1
        self._width = self._nuls

    def encode(self, *values: str | int | bytes) -> bytes:
        """The list with these values, in the order of the fields."""
        return self._encode(list(values)).encode("utf-8", "surrogateescape")

    def _encode(self, row: list[Any]) -> str:
        if self._numbers and min([row[at] for at, _ in self._numbers]) < 0:
            for at, full in self._numbers:
                row[at] %= full
        for at in self._data:
            row[at] = b2a_base64(row[at], newline=False).decode("ascii")
        text = self._template % tuple(row)
        if text.count("\0") != self._nuls:
            raise AttrError(f"NUL in an attribute value: {text[:200]!r}")
        return text

    def decode(self, data: bytes) -> list[Any]:
        """The values of a list that is all of `data`. AttrError when it is any other list."""
        parts = data.decode("utf-8", "surrogateescape").split("\0")
        if parts[0:-2:2] != self._names or parts[-2:] != ["", ""]:
            raise AttrError(self._complaint(parts))
        return self._typed(parts[1:-2:2])

    def _typed(self, row: list[Any]) -> list[Any]:
        for at, full in self._numbers:
            text = row[at]
            if text in _SMALL:
                row[at] = _SMALL[text]
                continue
            if not (text.isascii() and text.isdigit()) or len(text) > LONGEST_NUMBER:
                raise AttrError(f"bad numerical attribute value {text[:40]!r}")
            value = int(text)
            row[at] = value - full if value >= full >> 1 else value
        for at in self._data:
            row[at] = _decode_data(row[at])
        return row

    def encode_all(self, rows: Iterable[tuple[str | int | bytes, ...]]) -> bytes:
        """Several lists, one after the other."""
        return "".join([self._encode(list(row)) for row in rows]).encode("utf-8", "surrogateescape")

    def decode_all(self, data: bytes) -> list[list[Any]]:
        """The values of each of several lists that are all of `data`."""
        parts = data.decode("utf-8", "surrogateescape").split("\0")
        rows = []
        for at in range(0, len(parts) - 1, self._width):
            row = parts[at : at + self._width]
            if row[0:-1:2] != self._names or row[-1]:
                raise AttrError(self._complaint(row))
            rows.append(self._typed(row[1:-1:2]))
        return rows

    def _complaint(self, parts: list[str]) -> str:
        given = parts[0::2]
        for at, name in enumerate(self._names):
            if at >= len(given) or not given[at]:
                return f"missing attribute {name}"
            if given[at] != name:
                found = given[at][:100].encode("ascii", "replace").decode()
                return f"unexpected attribute {found} (expecting: {name})"
        return "unexpected attribute after the last, or end of list missing"


def _decode_data(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError:
        raise AttrError(f"bad base64 attribute value {text[:40]!r}") from None


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
