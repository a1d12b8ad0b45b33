"""files - opening without surprises, and changes that survive a power failure"""

import contextlib
import os
import stat


class UnsafeFileError(OSError):
    """The file is not what the program may trust: a link, a device, another's."""


def safe_open(path: str, flags: int, mode: int = 0o600, *, owner: int | None = None) -> int:
    """Open a regular file that has one name only; returns the descriptor.

    owner: the uid it must belong to (None: anybody). Follows no symbolic link at the end of the path.
    UnsafeFileError: it is something else; OSError: as open(2).
    """
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode)
    try:
        _check(path, os.fstat(fd), owner)
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(path: str, found: os.stat_result, owner: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFileError(f"{path}: not a regular file")
    if found.st_nlink != 1:
        raise UnsafeFileError(f"{path}: file has {found.st_nlink} hard links")
    if owner is not None and found.st_uid != owner:
        raise UnsafeFileError(f"{path}: file is owned by uid {found.st_uid}, not {owner}")


def fsync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def rename_durably(source: str, target: str) -> None:
    """Rename within a file system. Before: source. After: target, durable; never neither."""
    os.rename(source, target)
    fsync_directory(os.path.dirname(target) or ".")


def write_durably(path: str, data: bytes, mode: int = 0o644) -> None:
    """Replace a file's content in one step; a reader sees the old or the new, whole."""
    temporary = f"{path}.tmp.{os.getpid()}"
    try:
        _write_new(temporary, data, mode)
        rename_durably(temporary, path)
    except BaseException:
        _unlink_quietly(temporary)
        raise


def _write_new(path: str, data: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, mode)
        file.write(data)
        file.flush()
        os.fsync(fd)


def _unlink_quietly(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
