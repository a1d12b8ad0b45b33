"""fsync - several files made durable at once

One fsync after the other has the disk flush its cache for each, and a journal commit for nearly each. The kernel takes
several at a time (io_submit(2), IOCB_CMD_FSYNC): it flushes and commits once for many, and one process waits as long
as for one or two. Where it can't or may not, files are synced one after the other.
"""

import ctypes
import errno
import os
from collections.abc import Callable, Sequence
from functools import cache

ROOM = 128
"""Files at a time."""

_NUMBERS = {"x86_64": (206, 209, 208), "aarch64": (0, 2, 4)}  # of io_setup, io_submit, io_getevents
_FSYNC = 2  # IOCB_CMD_FSYNC
_IOCB = 16  # words of a struct iocb
_KEY, _OPCODE, _FD = 0, 4, 5  # words of it: aio_data, aio_lio_opcode (with a priority of 0), aio_fildes
_EVENT = 4  # numbers of a struct io_event
_DATA, _RESULT = 0, 2  # of these: the iocb's aio_data; 0, or an error as a negative number


def fsync_all(fds: Sequence[int]) -> list[OSError | None]:
    """fsync these descriptors. One result for each: None, or why it is not safe on disk."""
    if len(fds) < 2 or (orders := kernel(os.getpid())) is None:
        return [_fsync(fd) for fd in fds]
    results: list[OSError | None] = []
    for at in range(0, len(fds), ROOM):
        results += orders.fsync(fds[at : at + ROOM])
    return results


class Sync:
    """One file that shall be durable, among others of other people's. error: why it is not."""

    __slots__ = ("error", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.error: OSError | None = None


def sync_all(files: Sequence[Sync]) -> None:
    """fsync them, and tell each what became of it."""
    for file, error in zip(files, fsync_all([file.fd for file in files]), strict=True):
        file.error = error


def _fsync(fd: int) -> OSError | None:
    try:
        os.fsync(fd)
    except OSError as error:
        return error
    return None


class Kernel:
    """A process's own queue of orders to the kernel. OSError when it can't have one."""

    def __init__(self, call: Callable[..., int], setup: int, submit: int, getevents: int) -> None:
        self._call = call
        self._submit, self._getevents = submit, getevents
        self._context = ctypes.c_ulong(0)
        if call(setup, ROOM, ctypes.byref(self._context)) < 0:
            raise OSError(ctypes.get_errno(), "io_setup")
        self._orders = (ctypes.c_uint32 * (_IOCB * ROOM))()
        self._events = (ctypes.c_int64 * (_EVENT * ROOM))()
        first = ctypes.addressof(self._orders)
        self._places = (ctypes.c_void_p * ROOM)(*[first + 4 * _IOCB * n for n in range(ROOM)])
        self._counts = [ctypes.c_long(n) for n in range(ROOM + 1)]
        for n in range(ROOM):
            self._orders[_IOCB * n + _KEY] = n
            self._orders[_IOCB * n + _OPCODE] = _FSYNC

    def fsync(self, fds: Sequence[int]) -> list[OSError | None]:
        """The same as fsync_all, for at most ROOM."""
        orders, at = self._orders, _FD
        for fd in fds:
            orders[at] = fd
            at += _IOCB
        taken = max(self._call(self._submit, self._context, self._counts[len(fds)], self._places), 0)
        results: list[OSError | None] = [None] * taken
        left = taken
        while left:
            left -= self._hear(left, results)
        return results if taken == len(fds) else results + [_fsync(fd) for fd in fds[taken:]]

    def _hear(self, left: int, results: list[OSError | None]) -> int:
        """Wait for what is left of the orders; how many are over, with errors at their places."""
        count = self._counts[left]
        got = self._call(self._getevents, self._context, count, count, self._events, None)
        if got < 0:
            if ctypes.get_errno() != errno.EINTR:
                raise RuntimeError(f"io_getevents: {os.strerror(ctypes.get_errno())}")
            return 0
        numbers = self._events[_RESULT : _EVENT * got : _EVENT]
        if any(numbers):
            for place, number in zip(self._events[_DATA : _EVENT * got : _EVENT], numbers, strict=True):
                if number:
                    results[place] = OSError(-number, os.strerror(-number))
        return got


@cache
def kernel(pid: int) -> Kernel | None:
    """This process's; a fork does not have its parent's. None: files have to be synced one after the other."""
    del pid
    numbers = _NUMBERS.get(os.uname().machine)
    if numbers is None:
        return None
    try:
        return Kernel(ctypes.CDLL(None, use_errno=True).syscall, *numbers)
    except (AttributeError, OSError):
        return None
