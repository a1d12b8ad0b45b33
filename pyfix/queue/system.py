"""system - what the queue needs of the operating system and Python does not offer

Everything here has a way around for systems that lack it: no sync_file_range (a hint only), no
renameat2 (link and unlink), no /proc (directories get an fsync).
"""

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_SYNC_FILE_RANGE_WRITE = 2
_SYNC_FILE_RANGE_WRITE_AND_WAIT = 7
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}

# An fsync of a new file makes its name durable too (or nothing there is durable anyway).
_NAMES_FOLLOW_FILES = {"ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "tmpfs", "ramfs"}


def _library_function(name: str, *types: type) -> Callable[..., int] | None:
    """A function of the C library that returns int and sets errno; None: it is not there."""
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError):
        return None
    function.argtypes = types
    function.restype = ctypes.c_int
    return function  # type: ignore[no-any-return]


@cache
def _renameat2() -> Callable[..., int] | None:
    return _library_function(
        "renameat2", ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint
    )


@cache
def _sync_file_range() -> Callable[..., int] | None:
    return _library_function("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def start_writing(fd: int) -> None:
    """Let the kernel begin to write a file's data, without waiting. No error: fsync tells of those."""
    function = _sync_file_range()
    if function is not None:
        function(fd, 0, 0, _SYNC_FILE_RANGE_WRITE)


def write_data(fd: int) -> None:
    """Have a file's data on the disk before anything refers to them. Only a later fsync makes the file durable.

    OSError: they could not be written. Where there is no such call this is a whole fsync.
    """
    function = _sync_file_range()
    if function is None or function(fd, 0, 0, _SYNC_FILE_RANGE_WRITE_AND_WAIT) < 0:
        os.fsync(fd)


def rename_noreplace(old: str, new: str) -> None:
    """Rename a file; FileExistsError when the new name is taken. Other OSError."""
    function = _renameat2()
    if function is not None:
        before, after = old.encode("utf-8", "surrogateescape"), new.encode("utf-8", "surrogateescape")
        if function(_AT_FDCWD, before, _AT_FDCWD, after, _RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number), old, None, new)
    os.link(old, new, follow_symlinks=False)
    os.unlink(old)


def keeps_new_names(path: str) -> bool:
    """Whether the file system of this directory makes a new file's name durable by fsync of the file."""
    return file_system(path) in _NAMES_FOLLOW_FILES


def file_system(path: str, mounts: str = "/proc/self/mountinfo") -> str:
    """The kind of file system that a path is on; empty when that is unknown. mounts: see proc(5)."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as lines:
            points = [_mount(line) for line in lines]
    except (OSError, ValueError):
        return ""
    real = os.path.realpath(path) + "/"
    best = ("", "")
    for point, kind in points:
        if real.startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def _mount(line: str) -> tuple[str, str]:
    """(mount point, kind) of a line of mountinfo. ValueError."""
    left, right = line.split(" - ", 1)
    point = left.split(" ")[4].encode("latin-1", "surrogateescape").decode("unicode_escape")
    return point, right.split(" ", 1)[0]
