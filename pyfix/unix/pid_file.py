"""pid_file - one master for each queue, one for each data directory

pid/master.pid and DATA_DIRECTORY/master.lock hold the pid in a field of 32 columns and a
line end, and are locked (flock) while master runs; the lock, not the number, says that
it runs. Real Postfix does the same, so the two exclude each other as well.
"""

import os

from pyfix.unix import files, locks, msg


def is_held(path: str) -> bool:
    """Whether a running master has this lock, as far as that can be seen: a start finds out for sure (hold)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not locks.flock_shared(fd)
    finally:
        os.close(fd)


def holder(path: str) -> int:
    """The pid in a lock file, 0 when there is none."""
    try:
        with open(path, "rb") as file:
            return int(file.read(64).strip() or 0)
    except (OSError, ValueError):
        return 0


def hold(path: str) -> int:
    """Take the lock and write our pid; returns the descriptor, to be kept open. Fatal: another has it; no room."""
    try:
        fd = files.safe_open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        msg.fatal(f"open lock file {path}: {error.strerror or error}")
    if not locks.flock_exclusive(fd):
        msg.fatal(f"open lock file {path}: unable to set exclusive lock: Resource temporarily unavailable")
    try:
        write_pid(fd)
    except OSError as error:
        msg.fatal(f"cannot update lock file {path}: {error.strerror}")
    return fd


def write_pid(fd: int) -> None:
    """(Again, after a fork.) Write our pid in its 33 bytes."""
    os.ftruncate(fd, 0)
    os.pwrite(fd, b"%32d\n" % os.getpid(), 0)
