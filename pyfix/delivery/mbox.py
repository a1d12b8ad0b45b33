"""mbox - all messages in one file

Locked as virtual_mailbox_lock says while it grows; what could not be written whole is cut off again.

Parameters: virtual_mailbox_lock, virtual_mailbox_limit, strict_mailbox_ownership,
            deliver_lock_attempts, deliver_lock_delay, stale_lock_time
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pyfix.delivery.mail_copy import Letter, MailboxError, mailbox_error, write
from pyfix.unix import locks

MODE = 0o600
FILE_LOCKS: dict[str, Callable[[int], bool]] = {
    "flock": locks.flock_exclusive,
    "fcntl": locks.fcntl_exclusive,
}
DOTLOCK = "dotlock"
NO_ACCESS = "unable to lock for exclusive access"

T = TypeVar("T")


class NotRegularError(Exception):
    """The destination is a directory, a device, ..."""


class NotOwnedError(Exception):
    """The mailbox belongs to another user."""


@dataclass(frozen=True, slots=True)
class Locking:
    """styles: of virtual_mailbox_lock; attempts, delay (seconds), stale (seconds): how to insist."""

    styles: tuple[str, ...] = ("fcntl", "dotlock")
    attempts: int = 20
    delay: float = 1
    stale: float = 500


class Mbox:
    """The writer. limit: bytes of the whole mailbox, 0: none; strict: it must be its recipient's."""

    def __init__(self, locking: Locking, limit: int, *, strict: bool = True) -> None:
        self._locking = locking
        self._limit = limit
        self._strict = strict

    def deliver(self, path: str, letter: Letter, uid: int) -> None:
        """Append a message. MailboxError, NotRegularError, NotOwnedError; CorruptQueueFile."""
        with self._dotlocked(path):
            try:
                fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
            except OSError as error:
                raise mailbox_error(error, "cannot open file") from error
            try:
                self._check(os.fstat(fd), uid)
                for style in self._locking.styles:
                    if style in FILE_LOCKS:
                        self._insist(FILE_LOCKS[style], fd, NO_ACCESS)
                self._append(fd, letter)
            finally:
                os.close(fd)

    def _check(self, status: os.stat_result, uid: int) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise NotRegularError
        if self._strict and status.st_uid != uid:
            raise NotOwnedError

    def _append(self, fd: int, letter: Letter) -> None:
        size = os.fstat(fd).st_size
        try:
            write(fd, letter.mbox(time.time()), self._limit, size)
            os.fsync(fd)
        except OSError as error:
            os.ftruncate(fd, size)
            raise mailbox_error(error, "error writing message", "5.3.0") from error
        except BaseException:
            os.ftruncate(fd, size)
            raise

    @contextlib.contextmanager
    def _dotlocked(self, path: str) -> Iterator[None]:
        """With path.lock, if the list asks for it."""
        if DOTLOCK not in self._locking.styles:
            yield
            return
        stale = self._locking.stale
        failed = f"unable to create lock file {path}.lock"
        self._insist(lambda name: locks.dotlock(name, stale=stale), path, failed)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                locks.dotlock_release(path)

    def _insist(self, take: Callable[[T], bool], what: T, failed: str) -> None:
        """Try a lock as often as we may. MailboxError."""
        for attempt in range(self._locking.attempts):
            if attempt:
                time.sleep(self._locking.delay)
            try:
                if take(what):
                    return
            except OSError as error:
                raise mailbox_error(error, failed) from error
        raise MailboxError("4.2.0", f"{failed}: Resource temporarily unavailable")
