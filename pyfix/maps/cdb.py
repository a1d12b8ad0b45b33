"""cdb - lookup table in a constant database, NAME.cdb

The file never changes: postmap makes a new one and renames it into place, which the next
lookup sees. Files are those of cdb and tinycdb; strings do not end in NUL.

    2048 bytes      256 pairs: where a table begins, how many slots it has
    records         length of key, length of value, key, value
    tables          pairs: hash of a key, where its record begins (0: the slot is free)

Numbers are 32 bits, least byte first.

See also: cdb_table(5), https://cr.yp.to/cdb/cdb.txt
"""

import contextlib
import mmap
import os
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from typing import BinaryIO

from pyfix.maps.index import Duplicates, Style
from pyfix.maps.lines import decode, encode
from pyfix.maps.table import OpenError, Options, TableError
from pyfix.maps.watch import IndexFile
from pyfix.unix import msg
from pyfix.unix.files import rename_durably

TABLES = 256
HEADER = 8 * TABLES
LIMIT = 1 << 32

_PAIR = struct.Struct("<II")


def cdb_hash(key: bytes) -> int:
    """The hash of a key."""
    value = 5381
    for byte in key:
        value = (value * 33 & 0xFFFFFFFF) ^ byte
    return value


class CdbTable:
    """cdb:name."""

    fixed = True

    def __init__(self, name: str, fd: int) -> None:
        """OpenError: no cdb file. The descriptor is the table's from now on."""
        self._name = name
        self.watch = IndexFile(fd)
        if os.fstat(fd).st_size < HEADER:
            raise OpenError("short file")
        self._data = mmap.mmap(fd, 0, prot=mmap.PROT_READ)

    def lookup(self, key: str) -> str | None:
        """The value under this key; TableError when the file makes no sense."""
        try:
            wanted = encode(key)
            value = self._get(wanted)
            if value is None:  # as some other programs write them
                value = self._get(wanted + b"\0")
        except struct.error:
            raise TableError(self._name, "broken file") from None
        return None if value is None else decode(value.removesuffix(b"\0"))

    def _get(self, key: bytes) -> bytes | None:
        data = self._data
        hashed = cdb_hash(key)
        start, slots = _PAIR.unpack_from(data, 8 * (hashed % TABLES))
        for step in range(slots):
            found, record = _PAIR.unpack_from(data, start + 8 * ((hashed // TABLES + step) % slots))
            if not record:
                return None
            if found == hashed:
                key_end = record + 8 + len(key)
                lengths = _PAIR.unpack_from(data, record)
                if lengths[0] == len(key) and data[record + 8 : key_end] == key:
                    return data[key_end : key_end + lengths[1]]
        return None

    def items(self) -> Iterator[tuple[str, str]]:
        """All keys and values in the order in which they were written. TableError."""
        try:
            at, end = HEADER, min(_PAIR.unpack_from(self._data, 8 * number)[0] for number in range(TABLES))
            while at < end:
                key_length, length = _PAIR.unpack_from(self._data, at)
                value_at = at + 8 + key_length
                key, value = self._data[at + 8 : value_at], self._data[value_at : value_at + length]
                yield decode(key.removesuffix(b"\0")), decode(value.removesuffix(b"\0"))
                at = value_at + length
        except struct.error:
            raise TableError(self._name, "broken file") from None


def open_cdb(options: Options, name: str) -> CdbTable:
    """Open NAME.cdb; OpenError with the reason when that fails."""
    path = cdb_path(name)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return CdbTable(options.spec(name), fd)
    except OSError as error:
        raise OpenError(f"open database {path}: {error.strerror}") from None
    except OpenError as error:
        raise OpenError(f"open database {path}: {error}") from None


def cdb_path(name: str) -> str:
    """The file of a table."""
    return f"{name}.cdb"


class Filling:
    """A file that takes entries."""

    def __init__(self, file: BinaryIO, style: Style) -> None:
        self._file = file
        self._style = style
        self._end = b"" if not style.nul else b"\0"
        self._tables = [array("I") for _ in range(TABLES)]  # hash, record, hash, record ...
        self._at = file.seek(HEADER)
        self._known: dict[str, None] = {}
        self._replaced: dict[str, str] = {}

    def put(self, key: str, value: str) -> None:
        """One entry; a key that is there already is treated as the style's `duplicates` says."""
        if self._style.duplicates is Duplicates.REPLACE:
            self._replaced[key] = value
        elif key not in self._known:
            self._known[key] = None
            self._write(key, value)
        elif self._style.duplicates is Duplicates.WARN:
            msg.warning(f'{self._style.table.removeprefix("cdb:")}: duplicate entry: "{key}"')

    def finish(self) -> None:
        """Write what is still missing: OSError."""
        for key, value in self._replaced.items():
            self._write(key, value)
        header = bytearray()
        for table in self._tables:
            slots = _slots(table)
            header += _PAIR.pack(self._at, len(slots) // 2)
            self._file.write(slots.tobytes())
            self._at += 4 * len(slots)
        self._file.seek(0)
        self._file.write(header)

    def _write(self, key: str, value: str) -> None:
        stored_key, stored = encode(key) + self._end, encode(value) + self._end
        hashed = cdb_hash(stored_key)
        self._tables[hashed % TABLES].extend((hashed, self._at))
        self._file.write(_PAIR.pack(len(stored_key), len(stored)) + stored_key + stored)
        self._at += 8 + len(stored_key) + len(stored)
        if self._at >= LIMIT:
            raise OSError(0, "a cdb file can't be larger than 4 GB")


def _slots(table: "array[int]") -> "array[int]":
    """A table of twice as many slots as it has entries, each in the first free one from its own on."""
    count = len(table)
    slots = array("I", bytes(8 * count))
    for at in range(0, count, 2):
        slot = table[at] // TABLES % count
        while slots[2 * slot + 1]:
            slot = (slot + 1) % count
        slots[2 * slot], slots[2 * slot + 1] = table[at], table[at + 1]
    if sys.byteorder == "big":
        slots.byteswap()
    return slots


def rebuild(name: str, fill: Callable[[Filling], None], style: Style) -> None:
    """Make a new file and put it into place; OpenError: nothing has changed."""
    path = cdb_path(name)
    temporary = f"{path}.tmp"
    try:
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb") as file:
            os.fchmod(fd, style.mode)
            filling = Filling(file, style)
            fill(filling)
            filling.finish()
            file.flush()
            os.fsync(fd)
        rename_durably(temporary, path)
    except OSError as error:
        raise OpenError(f"open database {path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
