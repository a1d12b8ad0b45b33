"""locks - advisory locks on open files, and dotlocks

Queue files and master.pid are locked with flock, mailboxes as the administrator says
(flock, fcntl, dotlock; mailbox_delivery_lock, virtual_mailbox_lock).
A lock goes with the open file (flock) or with the process (fcntl).
"""

import fcntl
import os
import time
from collections.abc import Callable
from typing import Any

_BUSY = (BlockingIOError, PermissionError)  # fcntl(2) may answer EAGAIN or EACCES


def flock_exclusive(fd: int, *, wait: bool = False) -> bool:
    """Take the exclusive flock of an open file; False when another has it (never with wait).

    OSError: the file system can't lock.
    """
    return _take(fcntl.flock, fd, fcntl.LOCK_EX, wait=wait)


def flock_shared(fd: int, *, wait: bool = False) -> bool:
    """Take a shared flock of an open file; False when another has the exclusive one."""
    return _take(fcntl.flock, fd, fcntl.LOCK_SH, wait=wait)


def flock_release(fd: int) -> None:
    """Give the flock of an open file back."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def fcntl_exclusive(fd: int, *, wait: bool = False) -> bool:
    """Take the exclusive fcntl lock of a whole file, open for writing."""
    return _take(fcntl.lockf, fd, fcntl.LOCK_EX, wait=wait)


def fcntl_shared(fd: int, *, wait: bool = False) -> bool:
    """Take a shared fcntl lock of a whole file, open for reading."""
    return _take(fcntl.lockf, fd, fcntl.LOCK_SH, wait=wait)


def fcntl_release(fd: int) -> None:
    """Give the fcntl lock of a file back."""
    fcntl.lockf(fd, fcntl.LOCK_UN)


def _take(function: Callable[..., Any], fd: int, kind: int, *, wait: bool) -> bool:
    try:
        function(fd, kind if wait else kind | fcntl.LOCK_NB)
    except _BUSY:
        return False
    return True


def dotlock(path: str, *, stale: float = 500, now: Callable[[], float] = time.time) -> bool:
    """Make `path.lock`; False when it exists. One older than `stale` seconds is removed first.

    stale is main.cf's stale_lock_time. OSError: the directory can't be written.
    """
    name = path + ".lock"
    for _ in range(2):
        try:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0))
        except FileExistsError:
            if not _remove_stale(name, now() - stale):
                return False
        else:
            return True
    return False


def dotlock_release(path: str) -> None:
    """Remove `path.lock`, which this process made."""
    os.unlink(path + ".lock")


def _remove_stale(name: str, before: float) -> bool:
    try:
        if os.stat(name).st_mtime >= before:
            return False
        os.unlink(name)
    except FileNotFoundError:
        pass
    return True
