"""mbox - all messages in one file

Locked as virtual_mailbox_lock or mailbox_delivery_lock says while it grows; what could not be written
whole is cut off again, what a crash left of a message is ended with an empty line before the next. A
mailbox has one name: a file with more hard links is not written to, nor is one behind a symbolic link,
unless root made the link in a directory where nobody else could have.

Who waits for a lock has others' mail wait behind him in the same process. So after a wait in vain a mailbox gets one
attempt a message, until one succeeds or its lock would be stale.

Parameters: virtual_mailbox_lock, virtual_mailbox_limit, mailbox_delivery_lock, mailbox_size_limit,
            strict_mailbox_ownership, deliver_lock_attempts, deliver_lock_delay, stale_lock_time
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from pyfix.delivery.mail_copy import Letter, MailboxError, mailbox_error, write, write_error
from pyfix.unix import locks, msg
from pyfix.unix.files import fsync_directory

MODE = 0o600
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
OPEN_ATTEMPTS = 10  # to open a file that others make and remove meanwhile
FILE_LOCKS: dict[str, Callable[[int], bool]] = {
    "flock": locks.flock_exclusive,
    "fcntl": locks.fcntl_exclusive,
}
DOTLOCK = "dotlock"
NO_ACCESS = "unable to lock for exclusive access"

T = TypeVar("T")


class UnsafeError(Exception):
    """The file is not one that its path alone leads to."""


class CreateError(OSError):
    """The file is not there and can't be made."""


class NotRegularError(Exception):
    """The destination is a directory, a device, ..."""


class NotOwnedError(Exception):
    """The mailbox belongs to another user."""


class Locking(NamedTuple):
    """styles: of virtual_mailbox_lock; attempts, delay (seconds), stale (seconds): how to insist."""

    styles: tuple[str, ...] = ("fcntl", "dotlock")
    attempts: int = 20
    delay: float = 1
    stale: float = 500


class Mbox:
    """The writer.

    limit: bytes of the whole mailbox, 0: none; strict: it must be its recipient's; default: status of
    trouble in opening that is nothing special.
    """

    def __init__(self, locking: Locking, limit: int, *, strict: bool = True, default: str = "4.2.0") -> None:
        self._locking = locking
        self._limit = limit
        self._strict = strict
        self._default = default
        self._hopeless: dict[str, float] = {}
        """Until when: mailboxes whose lock was waited for in vain."""

    def deliver(self, path: str, letter: Letter, uid: int) -> None:
        """Append a message. MailboxError, NotRegularError, NotOwnedError; CorruptQueueFile."""
        with self.opened(path) as fd:
            self.check(os.fstat(fd), uid)
            self.append(fd, letter.mbox(time.time()))

    @contextlib.contextmanager
    def opened(
        self, path: str, *, owner: tuple[int, int] | None = None, insist: bool = True
    ) -> Iterator[int]:
        """The file, open and locked; made if it is not there. MailboxError.

        owner: whose it is to be when it is made (uid, gid), None: whoever this is; insist: give up
        without dotlock, else only warn.
        """
        with self._dotlocked(path, insist=insist):
            try:
                fd = open_mailbox(path, owner)
            except UnsafeError as error:
                raise MailboxError(self._default, str(error)) from error
            except OSError as error:
                doing = "cannot create file exclusively" if isinstance(error, CreateError) else "cannot open file"
                raise mailbox_error(error, doing, self._default) from error
            try:
                if stat.S_ISREG(os.fstat(fd).st_mode):
                    for style in self._locking.styles:
                        if style in FILE_LOCKS:
                            self._insist(path, FILE_LOCKS[style], fd, NO_ACCESS)
                self._hopeless.pop(path, None)
                yield fd
            finally:
                os.close(fd)

    def check(self, status: os.stat_result, uid: int) -> None:
        """That it is a file, and of that user. NotRegularError, NotOwnedError."""
        if not stat.S_ISREG(status.st_mode):
            raise NotRegularError
        if self._strict and status.st_uid != uid:
            raise NotOwnedError

    def append(self, fd: int, chunks: Iterator[bytes]) -> None:
        """Write at the end, all or nothing of it. MailboxError; CorruptQueueFile."""
        status = os.fstat(fd)
        regular = stat.S_ISREG(status.st_mode)
        try:
            if regular:
                if _cut_short(fd, status.st_size):
                    chunks = itertools.chain((b"\n\n",), chunks)
                write(fd, chunks, self._limit, status.st_size)
                os.fsync(fd)
            else:
                write(fd, chunks, 0)
        except OSError as error:
            _cut(fd, status)
            raise write_error(error) from error
        except BaseException:
            _cut(fd, status)
            raise

    @contextlib.contextmanager
    def _dotlocked(self, path: str, *, insist: bool) -> Iterator[None]:
        """With path.lock, if the list asks for it and it is no device."""
        if DOTLOCK not in self._locking.styles or _is_special(path):
            yield
            return
        stale = self._locking.stale
        failed = f"unable to create lock file {path}.lock"
        try:
            self._insist(path, lambda name: locks.dotlock(name, stale=stale), path, failed, busy=errno.EEXIST)
        except MailboxError as error:
            if insist or not error.errno:
                raise
            msg.warning(str(error))
            yield
            return
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                locks.dotlock_release(path)

    def _insist(
        self, path: str, take: Callable[[T], bool], what: T, failed: str, *, busy: int = errno.EAGAIN
    ) -> None:
        """Try a lock as often as we may. busy: the error when somebody else keeps it. MailboxError."""
        locking = self._locking
        hopeless = time.monotonic() < self._hopeless.get(path, 0)
        for attempt in range(1 if hopeless else locking.attempts):
            if attempt:
                time.sleep(locking.delay)
            try:
                if take(what):
                    return
            except OSError as error:
                raise mailbox_error(error, failed, self._default) from error
        if not hopeless:
            self._hopeless[path] = time.monotonic() + locking.stale
        raise MailboxError("4.2.0", f"{failed}: {os.strerror(busy)}")


def open_mailbox(path: str, owner: tuple[int, int] | None = None) -> int:
    """A descriptor of the file, made if it is not there (then for `owner`, uid and gid). OSError."""
    for _ in range(OPEN_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            return _open_existing(path)
        with contextlib.suppress(FileExistsError):
            return _create(path, owner)
    leads_nowhere = f"cannot open file: {os.strerror(errno.ENOENT)}"
    raise UnsafeError(leads_nowhere if os.path.islink(path) else "file comes and goes")


def _create(path: str, owner: tuple[int, int] | None) -> int:
    try:
        fd = os.open(path, FLAGS | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        raise
    except OSError as error:
        raise CreateError(error.errno, error.strerror) from error
    if owner is not None:
        os.fchown(fd, *owner)
    os.set_blocking(fd, True)
    with contextlib.suppress(PermissionError):  # a directory that may be written to but not read
        fsync_directory(os.path.dirname(path) or ".")
    return fd


def _open_existing(path: str) -> int:
    fd = os.open(path, FLAGS)
    try:
        _must_be_what_it_seems(path, os.fstat(fd))
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _must_be_what_it_seems(path: str, opened: os.stat_result) -> None:
    """UnsafeError: another file may have been put there for us."""
    seen = os.lstat(path)
    if stat.S_ISLNK(seen.st_mode):
        parent = os.stat(os.path.dirname(path) or ".")
        if seen.st_uid or parent.st_uid or parent.st_mode & 0o022:
            raise UnsafeError("file is a symbolic link")
        seen = os.stat(path)
    if (seen.st_dev, seen.st_ino) != (opened.st_dev, opened.st_ino):
        raise UnsafeError("file status changed unexpectedly")
    if stat.S_ISREG(opened.st_mode) and opened.st_nlink != 1:
        raise UnsafeError(f"file has {opened.st_nlink} hard links")


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _cut_short(fd: int, size: int) -> bool:
    """Whether the last message has no end, because of a crash: the next one must not go into its line."""
    try:
        reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)  # fd is for writing only
    except OSError:
        return False
    try:
        return size > 0 and os.pread(reader, 1, size - 1) != b"\n"
    finally:
        os.close(reader)


def _cut(fd: int, before: os.stat_result) -> None:
    """Back to the size that it had."""
    if stat.S_ISREG(before.st_mode):
        os.ftruncate(fd, before.st_size)
