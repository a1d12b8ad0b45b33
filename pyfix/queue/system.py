"""system - what the queue needs of the operating system and Python does not offer

Everything here has a way around for systems that lack it: no sync_file_range (a hint only), no
renameat2 (link and unlink).
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


@cache
def _renameat2() -> Callable[..., int] | None:
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return None


@cache
def _sync_file_range() -> Callable[..., int] | None:
    try:
        return ctypes.CDLL(None, use_errno=True).sync_file_range
    except (AttributeError, OSError):
        return None


_FROM_START, _TO_END = ctypes.c_int64(0), ctypes.c_int64(0)  # with their types: half the price of declared arguments


def start_writing(fd: int) -> None:
    """Let the kernel begin to write a file's data, without waiting. No error: fsync tells of those."""
    function = _sync_file_range()
    if function is not None:
        function(fd, _FROM_START, _TO_END, _SYNC_FILE_RANGE_WRITE)


def write_data(fd: int) -> None:
    """Have a file's data on the disk before anything refers to them. Only a later fsync makes the file durable.

    OSError: they could not be written; a later fsync would not say so once more. Where there is no such call this is
    a whole fsync.
    """
    function = _sync_file_range()
    if function is None:
        os.fsync(fd)
    elif function(fd, _FROM_START, _TO_END, _SYNC_FILE_RANGE_WRITE_AND_WAIT) < 0:
        number = ctypes.get_errno()
        if number not in _UNSUPPORTED:
            raise OSError(number, os.strerror(number))
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
