"""maildir - one file for each message

| step   | before     | after                        | made durable by                         |
|--------|------------|------------------------------|-----------------------------------------|
| write  | nothing    | tmp/NAME                     | nothing: a left-over in tmp is garbage  |
| rename | tmp/NAME   | new/UNIQUE, all data on disk | nothing yet                             |
| sync   | new/UNIQUE | the same                     | fsync of the file, of new/ where needed |

One fsync for data and name: a journal that holds the file's last change holds the rename too. It
comes before the recipient is marked, so that a crash delivers twice at worst. Between the steps
others may take theirs: then the disk has all their data at once, and one change of the journal
holds all their names.

tmp/SECONDS.Ppid.HOST, with Qnumber behind the pid while other deliveries are under way;
new/SECONDS.VdeviceIinodeMmicroseconds.HOST, hexadecimal device and inode.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator

from pyfix.delivery.mail_copy import Letter, mailbox_error, write, write_error
from pyfix.queue.system import start_writing, write_data
from pyfix.unix.files import fsync_directory
from pyfix.unix.fsync import Sync, sync_all
from pyfix.unix.mounts import keeps_new_names

FOLDERS = ("tmp", "new", "cur")
MODE = 0o600
DIRECTORY_MODE = 0o700


class Maildir:
    """The writer. limit: bytes of one file, 0: none; default: status of trouble that is nothing special."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.time, *, default: str = "4.2.0") -> None:
        self._limit = limit
        self._default = default
        self._clock = clock
        self._host = socket.gethostname().replace("/", "\\057").replace(":", "\\072")
        self._pid = os.getpid()
        self._under_way = self._next = 0
        self._durable: dict[int, bool] = {}  # by device: names last with the fsync of their file

    def deliver(self, path: str, letter: Letter) -> None:
        """Write a message; `path` ends in a slash. MailboxError; CorruptQueueFile."""
        for sync in self.steps(path, letter):
            if sync is not None:
                sync_all([sync])

    def steps(self, path: str, letter: Letter) -> Iterator[Sync | None]:
        """The same; yields where it would wait for the disk, and what is to be done before it goes on."""
        now = self._clock()
        number = self._next
        unique = f"P{self._pid}Q{number}" if number else f"P{self._pid}"
        temporary = f"{path}tmp/{int(now)}.{unique}.{self._host}"
        try:
            fd = _create(path, temporary)
        except OSError as error:
            raise mailbox_error(error, f"create maildir file {temporary}", self._default) from error
        self._next += 1
        self._under_way += 1
        try:
            yield from self._fill(fd, path, temporary, letter, now)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._next = 0
            os.close(fd)

    def _fill(self, fd: int, path: str, temporary: str, letter: Letter, now: float) -> Iterator[Sync | None]:
        try:
            write(fd, letter.plain(), self._limit)
            start_writing(fd)
            yield None
            status = os.fstat(fd)
            lasts = self._name_lasts(path, status.st_dev)
            (write_data if lasts else os.fsync)(fd)
        except OSError as error:
            raise write_error(error) from error
        seconds, fraction = divmod(now, 1)
        unique = f"{int(seconds)}.V{status.st_dev:x}I{status.st_ino:x}M{int(fraction * 1e6)}.{self._host}"
        final = f"{path}new/{unique}"
        try:
            _move(path, temporary, final)
        except OSError as error:
            raise mailbox_error(error, f"create maildir file {final}", self._default) from error
        sync = Sync(fd)
        yield sync
        try:
            if sync.error is not None:
                raise sync.error
            if not lasts:
                fsync_directory(f"{path}new")
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(final)
            raise write_error(error) from error

    def _name_lasts(self, path: str, device: int) -> bool:
        known = self._durable.get(device)
        if known is None:
            known = self._durable[device] = keeps_new_names(path)
        return known


def _create(path: str, temporary: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(temporary, flags, MODE)
    except FileNotFoundError:
        _make_folders(path)
    except FileExistsError:
        os.unlink(temporary)  # of an earlier process with our number, or of our last try
    return os.open(temporary, flags, MODE)


def _move(path: str, temporary: str, final: str) -> None:
    try:
        os.rename(temporary, final)
    except FileNotFoundError:
        _make_folders(path)
        os.rename(temporary, final)


def _make_folders(path: str) -> None:
    """What is missing of the maildir, with the recipient's rights."""
    for folder in FOLDERS:
        _make_directories(path + folder)


def _make_directories(path: str) -> None:
    """Like makedirs, but all of them private."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path.rstrip("/"))
    if parent and not os.path.isdir(parent):
        _make_directories(parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, DIRECTORY_MODE)
        with contextlib.suppress(PermissionError):  # a parent that may be written to but not read
            fsync_directory(parent or ".")
