"""index - makes and changes index files (LMDB), in a form that Postfix reads too

    rebuild("virtual", lambda table: table.put("key", "value"), Style("lmdb:virtual"))

What is on disk
  new table       built as a temporary file, fsynced, renamed: a reader finds it whole or not at all
  existing table  emptied and filled, or changed, in one LMDB transaction under Postfix's lock
                  (fcntl, exclusive): readers that have it open see the old or the new, whole

Entries go into the transaction one by one, whatever their number: memory is that of the index.
Keys and values end in NUL, as Postfix writes them, unless that is switched off.

Parameters: lmdb_map_size. Sources: postmap(1), lmdb_table(5).
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

import lmdb

from pyfix.maps.lines import encode
from pyfix.maps.lmdb import MAX_KEY, closed, digest, index_path, reason
from pyfix.maps.table import OpenError
from pyfix.unix import msg
from pyfix.unix.files import rename_durably

T = TypeVar("T")
Work = Callable[[lmdb.Transaction, Any], T]
"""What is done in a transaction; the second argument is the database in the file."""

class Duplicates(Enum):
    """What becomes of a second value for a key."""

    WARN = auto()  # the first value stays, a warning
    IGNORE = auto()  # the first value stays (-w)
    REPLACE = auto()  # the second counts (-r)


class UpdateError(Exception):
    """The index file could not be changed; str() says why."""


@dataclass(frozen=True, slots=True)
class Style:
    """How entries are written. table: type:name for messages; map_size: bytes; mode: of a new file."""

    table: str
    map_size: int = 1 << 24
    duplicates: Duplicates = Duplicates.WARN
    nul: bool = True
    mode: int = 0o644


class Filling:
    """A table that takes entries."""

    def __init__(self, transaction: lmdb.Transaction, style: Style) -> None:
        self._put = transaction.put
        self._style = style
        self._replace = style.duplicates is Duplicates.REPLACE
        self._long_keys = not style.table.startswith("lmdb:")
        self._end = b"\0" if style.nul else b""

    def put(self, key: str, value: str) -> None:
        """One entry; a key that is there already is treated as the style's `duplicates` says. lmdb.Error."""
        end = self._end
        name = key.encode("utf-8", "surrogateescape")
        stored = value.encode("utf-8", "surrogateescape") + end
        if len(name) >= MAX_KEY and self._long_keys:
            done = self._put(digest(name), name + b"\0" + stored, overwrite=self._replace)
        else:
            done = self._put(name + end, stored, overwrite=self._replace)
        if not done:
            self._duplicate(key)

    def _duplicate(self, key: str) -> None:
        if self._style.duplicates is Duplicates.WARN:
            msg.warning(f'{self._style.table}: duplicate entry: "{key}"')


Fill = Callable[[Filling], None]
"""Puts entries into a table; called again when the file must be larger than was thought."""


def rebuild(name: str, fill: Fill, style: Style) -> None:
    """The table holds what `fill` puts there and nothing else. OpenError, UpdateError: nothing has changed."""
    msg.debug(f"open lmdb {name}")
    path = index_path(name)

    def empty_and_fill(transaction: lmdb.Transaction, database: Any) -> None:
        transaction.drop(database, delete=False)
        fill(Filling(transaction, style))

    with _told(style.table):
        if os.path.exists(path):
            _change(path, style.map_size, empty_and_fill)
        else:
            _make(path, empty_and_fill, style)


def add(name: str, fill: Fill, style: Style) -> None:
    """Add entries to a table, which is made when it is not there (`postmap -i`)."""
    path = index_path(name)
    if not os.path.exists(path):
        rebuild(name, fill, style)
        return
    with _told(style.table):
        _change(path, style.map_size, lambda transaction, _: fill(Filling(transaction, style)))


def delete(name: str, keys: Iterable[str], *, map_size: int) -> int:
    """Remove these keys, stored with NUL or without; returns how many were there (`postmap -d`)."""
    forms = [encode(key) for key in keys if key]

    def delete_all(transaction: lmdb.Transaction, _: Any) -> int:
        return sum([_delete(transaction, key) for key in forms])

    return _change(index_path(name), map_size, delete_all)


def _delete(transaction: lmdb.Transaction, key: bytes) -> bool:
    """Whether it was there."""
    if len(key) >= MAX_KEY:
        return bool(transaction.delete(digest(key)))
    return bool(transaction.delete(key + b"\0") or transaction.delete(key))


@contextlib.contextmanager
def _told(table: str) -> Iterator[None]:
    """LMDB's errors as UpdateError with the table's name."""
    try:
        yield
    except lmdb.Error as error:
        raise UpdateError(f"error updating {table}: {reason(error)}") from None


def _make(path: str, work: Work[None], style: Style) -> None:
    """A new file, under its name only when it is complete."""
    temporary = f"{path}.tmp.{os.getpid()}"
    try:
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.fchmod(fd, style.mode)
        os.close(fd)
        _change(temporary, style.map_size, work)
        rename_durably(temporary, path)
    except OSError as error:
        raise OpenError(f"open database {path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _change(path: str, map_size: int, work: Work[T]) -> T:
    """Do work in one durable transaction; again in a larger map when the file needs one."""
    with _closed(path):
        while True:
            try:
                return _transaction(path, max(map_size, 2 * _length(path)), work)
            except (lmdb.MapFullError, lmdb.MapResizedError):
                map_size = 2 * max(map_size, _length(path))


def _transaction(path: str, size: int, work: Work[T]) -> T:
    try:
        environment = lmdb.open(path, map_size=size, subdir=False, lock=False, create=False, max_dbs=0)
    except lmdb.Error as error:
        raise OpenError(f"open database {path}: {reason(error)}") from None
    # The lock comes after LMDB has opened the file: it closes descriptors on its way, which ends locks.
    with environment, _locked(path), environment.begin(write=True) as transaction:
        return work(transaction, environment.open_db(None, transaction))


def _length(path: str) -> int:
    """Of a file, in bytes; 0 when it is not there."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


@contextlib.contextmanager
def _closed(path: str) -> Iterator[None]:
    """Without this process's own reader."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(closed(path))
        except OSError as error:
            raise OpenError(f"open database {path}: {error.strerror}") from None
        yield


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold the exclusive lock."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise OpenError(f"open database {path}: {error.strerror}") from None
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
