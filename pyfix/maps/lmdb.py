"""lmdb - lookup table in an LMDB file, NAME.lmdb

Types hash, btree and lmdb all use it. Files interchange with Postfix's: keys and values end
in NUL as Postfix writes them; those without are read too. Each lookup is a transaction on the
newest state, so an update in place is seen by the next one; a replaced file is opened anew.

LMDB runs without its own lock file, so that any user may read. A writer never touches pages
that are part of the last two committed states. A lookup therefore takes no lock: it looks
afterwards whether its state is still one of those, and asks again under Postfix's lock (fcntl,
shared, which waits for writers in other processes) if it is not.

One process opens a file once (LMDB's own rule), whatever the number of tables; who writes it sets the
reader aside (see `closed`).

LMDB knows no key of more than 511 bytes, Berkeley DB does: hash: and btree: keep such an entry under a
digest of its key, with the key in front of the value. Postfix does not find it and is not disturbed by it.

Parameters: lmdb_map_size. See also: lmdb_table(5).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from weakref import WeakValueDictionary

import lmdb

from pyfix.maps.lines import decode
from pyfix.maps.table import OpenError, Options, TableError
from pyfix.maps.watch import IndexFile, Watch

_SAFE = 2  # how many states newer than its own a reader may find: the next writer is not let in before

MAX_KEY = 511
"""Bytes of a key; LMDB knows no longer one."""

_DIGEST = b"\xfflong:"
"""How the key of an entry with a long key begins: no text does so."""

_open_files: WeakValueDictionary[tuple[int, int], "Index"] = WeakValueDictionary()


class Index:
    """An LMDB file open for reading, shared by all tables that name it."""

    def __init__(self, path: str, watch: IndexFile) -> None:
        self.watch = watch
        self._path = path
        self.open()

    def open(self) -> None:
        """Open it, for the first time or again. lmdb.Error."""
        self.environment = lmdb.open(
            self._path, subdir=False, readonly=True, lock=False, create=False, readahead=False
        )

    def __del__(self) -> None:
        environment = getattr(self, "environment", None)
        if environment is not None:
            environment.close()

    @contextmanager
    def locked(self) -> Iterator[lmdb.Transaction]:
        """A transaction on the newest state, which no other process changes meanwhile. lmdb.Error."""
        fcntl.lockf(self.watch.fd, fcntl.LOCK_SH)
        try:
            with self._begin() as transaction:
                yield transaction
        finally:
            fcntl.lockf(self.watch.fd, fcntl.LOCK_UN)

    def _begin(self) -> lmdb.Transaction:
        try:
            return self.environment.begin()
        except lmdb.MapResizedError:
            self.environment.set_mapsize(0)
            return self.environment.begin()


class LmdbTable:
    """lmdb:name."""

    fixed = True

    def __init__(self, name: str, index: Index, *, long_keys: bool = False) -> None:
        self._name = name
        self._long_keys = long_keys
        self._index = index
        self._end = b"\0"
        self._other_end: bytes | None = b""  # tried too, until something is found
        self._begin = index.environment.begin
        self.watch: Watch | None = index.watch

    def lookup(self, key: str) -> str | None:
        """The value under this key; TableError when the file can't be read."""
        wanted = key.encode("utf-8", "surrogateescape")
        if not 0 < len(wanted) < MAX_KEY:
            return self._long(wanted) if wanted and self._long_keys else None
        value: Any = self._get(wanted + self._end)
        if value is None:
            if self._other_end is None:
                return None
            value = self._get(wanted + self._other_end)
            if value is None:
                return None
            self._end = self._other_end
        self._other_end = None
        return decode(value.removesuffix(self._end))

    def _long(self, wanted: bytes) -> str | None:
        value = self._get(digest(wanted))
        if value is None or not value.startswith(wanted + b"\0"):
            return None
        return decode(value[len(wanted) + 1 :].removesuffix(b"\0"))

    def _get(self, key: bytes) -> Any:
        """The value as the file has it now: bytes, or None."""
        try:
            transaction = self._begin()
            value: Any = transaction.get(key)
            if self._begin().id() - transaction.id() < _SAFE:
                return value
        except lmdb.Error:  # it has grown, or what was read is no longer in use
            pass
        return self._get_locked(key)

    def _get_locked(self, key: bytes) -> Any:
        try:
            with self._index.locked() as transaction:
                self._begin = self._index.environment.begin  # it may have been opened again
                return transaction.get(key)
        except lmdb.Error as error:
            raise TableError(self._name, reason(error)) from None

    def items(self) -> Iterator[tuple[str, str]]:
        """All keys and values in the order of the keys' bytes, as of one moment; writers wait for the end."""
        with self._index.locked() as transaction:
            for stored, found in transaction.cursor():
                key, value = bytes(stored), bytes(found)
                if key.startswith(_DIGEST):
                    key, _, value = value.partition(b"\0")
                yield decode(key.removesuffix(b"\0")), decode(value.removesuffix(b"\0"))


def open_lmdb(options: Options, name: str) -> LmdbTable:
    """Open NAME.lmdb; OpenError with the reason when that fails."""
    path = index_path(name)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise OpenError(f"open database {path}: {error.strerror}") from None
    return LmdbTable(options.spec(name), _index(path, fd), long_keys=options.type != "lmdb")


def digest(key: bytes) -> bytes:
    """What a long key is kept under."""
    return _DIGEST + sha256(key).hexdigest().encode()


@contextmanager
def closed(path: str) -> Iterator[None]:
    """Close the file while it is written, if this process reads it: LMDB opens no file twice.

    No other thread may look something up meanwhile. OSError: there is no such file.
    """
    status = os.stat(path)
    index = _open_files.get((status.st_dev, status.st_ino))
    if index is None:
        yield
        return
    index.environment.close()
    try:
        yield
    finally:
        index.open()


def index_path(name: str) -> str:
    """The index file of a table."""
    return f"{name}.lmdb"


def reason(error: lmdb.Error) -> str:
    """What went wrong in LMDB's words, without what py-lmdb puts in front."""
    text = str(error)
    at = text.find("MDB_")
    return text[at:] if at >= 0 else text.rpartition(": ")[2]


def _index(path: str, fd: int) -> Index:
    status = os.fstat(fd)
    same = (status.st_dev, status.st_ino)
    index = _open_files.get(same)
    if index is not None:
        os.close(fd)
        return index
    watch = IndexFile(fd)
    fcntl.lockf(fd, fcntl.LOCK_SH)
    try:
        index = Index(path, watch)
    except lmdb.Error as error:
        raise OpenError(f"open database {path}: {reason(error)}") from None
    finally:
        fcntl.lockf(fd, fcntl.LOCK_UN)
    _open_files[same] = index
    return index
