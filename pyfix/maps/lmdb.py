"""lmdb - lookup table in an LMDB file, NAME.lmdb

Types hash, btree and lmdb all use it. Files interchange with Postfix's: keys and values end
in NUL as Postfix writes them; those without are read too. Lookups take Postfix's lock (fcntl,
shared) for their few microseconds, since LMDB runs without its own lock file: any user may
read then, and a writer in another process is waited for. Each lookup is a transaction, so an
update in place is seen by the next one; a replaced file is opened anew.

One process opens a file once (LMDB's own rule), whatever the number of tables.

Parameters: lmdb_map_size. See also: lmdb_table(5).
"""

import fcntl
import os
from collections.abc import Iterator
from weakref import WeakValueDictionary

import lmdb

from pyfix.maps.lines import decode, encode
from pyfix.maps.table import OpenError, Options, TableError
from pyfix.maps.watch import IndexFile

MAX_KEY = 511
"""Bytes of a key; LMDB knows no longer one."""

_open_files: WeakValueDictionary[tuple[int, int], "Index"] = WeakValueDictionary()


class Index:
    """An LMDB file open for reading, shared by all tables that name it."""

    def __init__(self, path: str, watch: IndexFile) -> None:
        self.watch = watch
        self.environment = lmdb.open(
            path, subdir=False, readonly=True, lock=False, create=False, readahead=False
        )

    def __del__(self) -> None:
        environment = getattr(self, "environment", None)
        if environment is not None:
            environment.close()

    def begin(self) -> lmdb.Transaction:
        """A transaction on the newest state of the file, also when it has grown."""
        try:
            return self.environment.begin(buffers=False)
        except lmdb.MapResizedError:
            self.environment.set_mapsize(0)
            return self.environment.begin(buffers=False)


class LmdbTable:
    """lmdb:name."""

    fixed = True

    def __init__(self, name: str, index: Index) -> None:
        self._name = name
        self._index = index
        self._ends: tuple[bytes, ...] = (b"\0", b"")
        self.watch = index.watch

    def lookup(self, key: str) -> str | None:
        """The value under this key; TableError when the file can't be read."""
        wanted = encode(key)
        if not wanted or len(wanted) >= MAX_KEY:
            return None
        fd = self.watch.fd
        fcntl.lockf(fd, fcntl.LOCK_SH)
        try:
            with self._index.begin() as transaction:
                found = self._find(transaction, wanted)
        except lmdb.Error as error:
            raise TableError(self._name, reason(error)) from None
        finally:
            fcntl.lockf(fd, fcntl.LOCK_UN)
        return None if found is None else decode(found)

    def _find(self, transaction: lmdb.Transaction, key: bytes) -> bytes | None:
        for end in self._ends:
            value = transaction.get(key + end)
            if value is not None:
                self._ends = (end,)
                return bytes(value).removesuffix(end)
        return None

    def items(self) -> Iterator[tuple[str, str]]:
        """All keys and values in the order of the keys' bytes, as of one moment."""
        fd = self.watch.fd
        fcntl.lockf(fd, fcntl.LOCK_SH)
        try:
            with self._index.begin() as transaction:
                entries = [(bytes(key), bytes(value)) for key, value in transaction.cursor()]
        finally:
            fcntl.lockf(fd, fcntl.LOCK_UN)
        for key, value in entries:
            yield decode(key.removesuffix(b"\0")), decode(value.removesuffix(b"\0"))


def open_lmdb(options: Options, name: str) -> LmdbTable:
    """Open NAME.lmdb; OpenError with the reason when that fails."""
    path = index_path(name)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise OpenError(f"open database {path}: {error.strerror}") from None
    return LmdbTable(options.spec(name), _index(path, fd))


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
