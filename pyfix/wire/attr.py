"""attr - attribute lists, the words that daemons exchange

A list is `name NUL value NUL` for each attribute and one more NUL at its end. A Form
declares one list: its names in order and the kind of each value. Both ends of a
service share the Form, so a strict reader needs one comparison.

Numbers are unsigned decimal text as Postfix writes them (-1 is 4294967295), binary
data are base64 without line breaks.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any


class AttrError(ValueError):
    """A list that is not what the reader expects."""


def _encode_str(value: str) -> bytes:
    data = value.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise AttrError(f"NUL in attribute value {value!r}")
    return data


def _decode_str(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _unsigned(bits: int) -> Callable[[int], bytes]:
    mask = (1 << bits) - 1
    return lambda value: b"%d" % (value & mask)


def _signed(bits: int) -> Callable[[bytes], int]:
    half, full = 1 << (bits - 1), 1 << bits

    def decode(data: bytes) -> int:
        if not data.isdigit() or len(data) > 20:
            raise AttrError(f"bad numerical attribute value {data[:40]!r}")
        value = int(data)
        return value - full if value >= half else value

    return decode


def _decode_data(data: bytes) -> bytes:
    try:
        return b64decode(data, validate=True)
    except ValueError:
        raise AttrError(f"bad base64 attribute value {data[:40]!r}") from None


class Kind(Enum):
    """How a value is written. STR: str; INT: 32-bit int; LONG: 64-bit int; DATA: bytes."""

    STR = (_encode_str, _decode_str)
    INT = (_unsigned(32), _signed(32))
    LONG = (_unsigned(64), _signed(64))
    DATA = (b64encode, _decode_data)


STR, INT, LONG, DATA = Kind.STR, Kind.INT, Kind.LONG, Kind.DATA


class Form:
    """The declaration of one attribute list: (name, kind) pairs in wire order."""

    __slots__ = ("_decoders", "_encoders", "_names", "_width", "fields")

    def __init__(self, *fields: tuple[str, Kind]) -> None:
        self.fields = fields
        self._names = [name.encode("ascii") for name, _ in fields]
        self._encoders: list[Callable[[Any], bytes]] = [kind.value[0] for _, kind in fields]
        self._decoders: list[Callable[[bytes], Any]] = [kind.value[1] for _, kind in fields]
        self._width = 2 * len(fields) + 1

    def encode(self, *values: str | int | bytes) -> bytes:
        """The list with these values, in the order of the fields."""
        parts = [b""] * (self._width + 1)
        parts[0:-2:2] = self._names
        parts[1:-2:2] = [encode(value) for encode, value in zip(self._encoders, values, strict=True)]
        return b"\0".join(parts)

    def decode(self, data: bytes) -> list[Any]:
        """The values of a list that is all of `data`. AttrError when it is any other list."""
        parts = data.split(b"\0")
        if parts[0:-2:2] != self._names or parts[-2:] != [b"", b""]:
            raise AttrError(self._complaint(parts))
        return [decode(part) for decode, part in zip(self._decoders, parts[1:-2:2], strict=True)]

    def encode_all(self, rows: Iterable[tuple[str | int | bytes, ...]]) -> bytes:
        """Several lists, one after the other."""
        return b"".join([self.encode(*row) for row in rows])

    def decode_all(self, data: bytes) -> list[list[Any]]:
        """The values of each of several lists that are all of `data`."""
        parts = data.split(b"\0")
        rows = []
        for at in range(0, len(parts) - 1, self._width):
            row = parts[at : at + self._width]
            if row[0:-1:2] != self._names or row[-1]:
                raise AttrError(self._complaint(row))
            rows.append([decode(part) for decode, part in zip(self._decoders, row[1:-1:2], strict=True)])
        return rows

    def _complaint(self, parts: list[bytes]) -> str:
        given = parts[0::2]
        for at, name in enumerate(self._names):
            if at >= len(given) or not given[at]:
                return f"missing attribute {name.decode()}"
            if given[at] != name:
                found = given[at].decode("ascii", "replace")[:100]
                return f"unexpected attribute {found} (expecting: {name.decode()})"
        return "unexpected attribute after the last, or end of list missing"


def encode_pairs(pairs: Iterable[tuple[str, str]]) -> bytes:
    """A list of attributes that no Form declares."""
    return b"".join([_encode_str(name) + b"\0" + _encode_str(value) + b"\0" for name, value in pairs]) + b"\0"


def decode_pairs(data: bytes) -> dict[str, str]:
    """All attributes of a list whose reader takes what it finds."""
    parts = data.split(b"\0")
    if len(parts) % 2 or parts[-2:] != [b"", b""]:
        raise AttrError("end of attribute list missing")
    return dict(zip(map(_decode_str, parts[0:-2:2]), map(_decode_str, parts[1:-2:2]), strict=True))
