"""hash - the tables hash:name and btree:name, from whatever index there is

    NAME.lmdb    what postmap and postalias make here
    NAME.db      Berkeley DB, as an earlier Postfix left it: read, never written
    NAME         the text itself, when it is newer than every index

The newer one of the two indexes counts. A text that is newer than both (and has been left
alone for a while, so that nobody is editing it) is used with a warning, since that is what
the administrator wants to be in force; one whose first entry is `name: value` is read as
aliases(5).

See also: DATABASE_README, pyfix.maps.db.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator

from pyfix.maps import index
from pyfix.maps.db import BrokenError, Database
from pyfix.maps.lines import decode, encode, logical_lines, read_text
from pyfix.maps.lmdb import index_path, open_lmdb
from pyfix.maps.source import alias_entry, map_entry
from pyfix.maps.table import OpenError, Options, Source, TableError
from pyfix.maps.texthash import TextHashTable, read_entries
from pyfix.maps.watch import QUIET, IndexFile, Watch
from pyfix.unix import msg

SETTLED = 100
"""Seconds that a text must have been left alone before it is preferred to an index."""

_texts: set[str] = set()  # tables whose text is used, which was told

_ALIAS = re.compile(r'("[^"]*"|[^\s:"]+):(\s|\Z)', re.ASCII)


def open_hash(options: Options, name: str) -> Source:
    """Open the newest of what there is; OpenError with the reason when that fails."""
    paths = [index_path(name), f"{name}.db"]
    times = [_time(path) for path in paths]
    newest = max(times)
    text = _time(name)
    settled = QUIET if name in _texts else SETTLED  # a text in use goes on without going back to the index
    if newest and newest < text < time.time() - settled:
        _warn_once(paths[times.index(newest)], name)
        return open_text(options, name)
    if times[1] > times[0]:
        return open_db(options, name, paths[1])
    return open_lmdb(options, name)


def convert(name: str, style: index.Style) -> None:
    """Before NAME.lmdb is changed: let it take over what NAME.db has, if that is newer. OpenError."""
    path = f"{name}.db"
    if _time(path) <= _time(index_path(name)):
        return
    database = open_db(Options("hash"), name, path)

    def fill(table: index.Filling) -> None:
        for key, value in database.items():
            table.put(key, value)

    index.rebuild(name, fill, style)


def _time(path: str) -> float:
    """When a file was changed; 0 when it can't be told."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0


def _warn_once(index_file: str, name: str) -> None:
    if name not in _texts:
        _texts.add(name)
        msg.warning(f"database {index_file} is older than source file {name}: using the source file")


def open_text(options: Options, name: str) -> TextHashTable:
    """The source as a table, in its syntax."""
    text, watch = read_text(name, failure=f"open database {name}")
    lines = text.split("\n")
    first = next(logical_lines(lines), (0, ""))[1]
    entry = alias_entry if _ALIAS.match(first) else map_entry
    return TextHashTable(read_entries(options, name, lines, entry), watch)


class DbTable:
    """NAME.db."""

    fixed = True

    def __init__(self, name: str, fd: int, database: Database) -> None:
        self._name = name
        self._database = database
        self._ends: tuple[bytes, ...] = (b"\0", b"")
        self._fd = fd
        self.watch: Watch | None = IndexFile(fd)

    def lookup(self, key: str) -> str | None:
        """The value under this key; TableError when the file can't be read."""
        wanted = encode(key)
        fd = self._fd
        fcntl.flock(fd, fcntl.LOCK_SH)
        try:
            for end in self._ends:
                value = self._database.get(wanted + end)
                if value is not None:
                    self._ends = (end,)
                    return decode(value.removesuffix(b"\0"))
        except (BrokenError, OSError) as error:
            raise TableError(self._name, str(error)) from None
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
        return None

    def items(self) -> Iterator[tuple[str, str]]:
        """All keys and values. TableError."""
        try:
            for key, value in self._database.items():
                yield decode(key.removesuffix(b"\0")), decode(value.removesuffix(b"\0"))
        except (BrokenError, OSError) as error:
            raise TableError(self._name, str(error)) from None


def open_db(options: Options, name: str, path: str) -> DbTable:
    """Open a file of Berkeley DB; OpenError with the reason when that fails."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise OpenError(f"open database {path}: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        database = Database(fd)
        fcntl.flock(fd, fcntl.LOCK_UN)
    except BrokenError as error:
        os.close(fd)
        raise OpenError(f"open database {path}: {error}") from None
    return DbTable(options.spec(name), fd, database)
