"""index - makes and changes index files (LMDB), in a form that Postfix reads too

    entries = Entries("lmdb:virtual", Duplicates.WARN)
    entries.add("key", "value"); ...
    rebuild("virtual", entries, map_size=16777216)

What is on disk
  new table       built as a temporary file, fsynced, renamed: a reader finds it whole or not at all
  existing table  emptied and filled, or changed, in one LMDB transaction under Postfix's lock
                  (fcntl, exclusive): readers that have it open see the old or the new, whole

Keys and values end in NUL, as Postfix writes them, unless that is switched off.

Parameters: lmdb_map_size. Sources: postmap(1), lmdb_table(5).
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from typing import Any, TypeVar

import lmdb

from pyfix.maps.lines import decode, encode
from pyfix.maps.lmdb import index_path, reason
from pyfix.maps.table import OpenError
from pyfix.unix import msg
from pyfix.unix.files import rename_durably

T = TypeVar("T")
Pairs = list[tuple[bytes, bytes]]


class Duplicates(Enum):
    """What becomes of a second value for a key."""

    WARN = auto()  # the first value stays, a warning
    IGNORE = auto()  # the first value stays (-w)
    REPLACE = auto()  # the second counts (-r)


class UpdateError(Exception):
    """The index file could not be changed; str() says why."""


class Entries:
    """Keys and values on their way into a table. name: its type:name, for warnings."""

    def __init__(self, name: str, duplicates: Duplicates = Duplicates.WARN) -> None:
        self.name = name
        self.duplicates = duplicates
        self._entries: dict[str, str] = {}

    def add(self, key: str, value: str) -> None:
        """One more; a key that is there already is treated as `duplicates` says."""
        if self.duplicates is Duplicates.REPLACE or key not in self._entries:
            self._entries[key] = value
        else:
            self.duplicate(key)

    def duplicate(self, key: str) -> None:
        """Say that a key was there, if it is to be said."""
        if self.duplicates is Duplicates.WARN:
            msg.warning(f'{self.name}: duplicate entry: "{key}"')

    def pairs(self, *, nul: bool = True) -> Pairs:
        """All as they stand in the file, sorted."""
        end = b"\0" if nul else b""
        return sorted([(encode(key) + end, encode(value) + end) for key, value in self._entries.items()])


def rebuild(
    name: str, entries: Entries, *, map_size: int, mode: int | None = None, nul: bool = True
) -> None:
    """The table holds these entries and no others. mode: of a new file; None: 0644.

    OpenError, UpdateError: nothing has changed.
    """
    path = index_path(name)
    pairs = entries.pairs(nul=nul)
    with _told(entries.name):
        if os.path.exists(path):
            _change(path, map_size, lambda transaction, database: _fill(transaction, database, pairs))
        else:
            _make(path, pairs, map_size, mode)


def add(name: str, entries: Entries, *, map_size: int, nul: bool = True) -> None:
    """Add entries to a table, which is made when it is not there (`postmap -i`)."""
    path = index_path(name)
    if not os.path.exists(path):
        rebuild(name, entries, map_size=map_size, nul=nul)
        return
    pairs = entries.pairs(nul=nul)
    overwrite = entries.duplicates is Duplicates.REPLACE

    def put_all(transaction: lmdb.Transaction, _: Any) -> list[bytes]:
        return [key for key, value in pairs if not transaction.put(key, value, overwrite=overwrite)]

    with _told(entries.name):
        there = _change(path, map_size, put_all)
    for key in there:
        entries.duplicate(decode(key.removesuffix(b"\0")))


def delete(name: str, keys: Iterable[str], *, map_size: int) -> int:
    """Remove these keys, stored with NUL or without; returns how many were there (`postmap -d`)."""
    forms = [encode(key) for key in keys if key]

    def delete_all(transaction: lmdb.Transaction, _: Any) -> int:
        return sum([transaction.delete(key + b"\0") or transaction.delete(key) for key in forms])

    return _change(index_path(name), map_size, delete_all)


@contextlib.contextmanager
def _told(table: str) -> Iterator[None]:
    """LMDB's errors as UpdateError with the table's name."""
    try:
        yield
    except lmdb.Error as error:
        raise UpdateError(f"error updating {table}: {reason(error)}") from None


def _make(path: str, pairs: Pairs, map_size: int, mode: int | None) -> None:
    """A new file, under its name only when it is complete."""
    temporary = f"{path}.tmp.{os.getpid()}"
    try:
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.fchmod(fd, 0o644 if mode is None else mode)
        os.close(fd)
        _change(temporary, map_size, lambda transaction, database: _fill(transaction, database, pairs))
        rename_durably(temporary, path)
    except OSError as error:
        raise OpenError(f"open database {path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _fill(transaction: lmdb.Transaction, database: Any, pairs: Pairs) -> None:
    transaction.drop(database, delete=False)
    with transaction.cursor() as cursor:
        cursor.putmulti(pairs, append=True)


def _change(path: str, map_size: int, work: Callable[[lmdb.Transaction, Any], T]) -> T:
    """Do work in one durable transaction; again in a larger map when the file needs one."""
    with _locked(path) as length:
        size = max(map_size, 2 * length)
        while True:
            try:
                return _transaction(path, size, work)
            except lmdb.MapFullError:
                size *= 2


def _transaction(path: str, size: int, work: Callable[[lmdb.Transaction, Any], T]) -> T:
    try:
        environment = lmdb.open(path, map_size=size, subdir=False, lock=False, create=False, max_dbs=0)
    except lmdb.Error as error:
        raise OpenError(f"open database {path}: {reason(error)}") from None
    with environment, environment.begin(write=True) as transaction:
        return work(transaction, environment.open_db(None, transaction))


@contextlib.contextmanager
def _locked(path: str) -> Iterator[int]:
    """Hold the exclusive lock; gives the file's length."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise OpenError(f"open database {path}: {error.strerror}") from None
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        yield os.fstat(fd).st_size
    finally:
        os.close(fd)
