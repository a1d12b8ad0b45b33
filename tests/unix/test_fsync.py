"""Many files at once are as durable as one after the other, and each has its own result."""

import ctypes
import errno
import os
from contextlib import ExitStack
from itertools import count

import pytest

from pyfix.unix import fsync
from pyfix.unix.fsync import ROOM, Kernel, fsync_all

SETUP, SUBMIT, GETEVENTS = 1, 2, 3


@pytest.fixture
def files(tmp_path):
    """Makes so many open files with something in them."""
    with ExitStack() as stack:
        names = count()

        def make(number):
            fds = []
            for name in [next(names) for _ in range(number)]:
                fds.append(os.open(tmp_path / str(name), os.O_WRONLY | os.O_CREAT, 0o600))
                stack.callback(os.close, fds[-1])
                os.write(fds[-1], b"x" * 5000)
            return fds

        yield make


def numbers(results):
    return [result and result.errno for result in results]


@pytest.mark.parametrize("number", [0, 1, 2, ROOM, 2 * ROOM + 1])
def test_all_are_synced(files, number):
    assert fsync_all(files(number)) == [None] * number


@pytest.mark.parametrize("at", [0, 1, 3])
def test_what_is_no_file_has_an_error_of_its_own(files, at):
    fds = files(3)
    expected: list[int | None] = [None] * 3
    fds.insert(at, 999_999)
    expected.insert(at, errno.EBADF)
    assert numbers(fsync_all(fds)) == expected
    read, write = os.pipe()
    fds[at], expected[at] = read, errno.EINVAL
    assert numbers(fsync_all(fds)) == expected
    os.close(read)
    os.close(write)


def test_a_fork_gives_its_own_orders(files):
    fds = files(3)
    assert fsync_all(fds) == [None] * 3
    child = os.fork()
    if child == 0:
        os._exit(fsync_all(fds) != [None] * 3 or fsync.kernel(os.getpid()) is None)
    assert os.waitpid(child, 0)[1] == 0


class Fake:
    """A kernel that takes `room` orders at a time and ends them in the other direction, `few` at a time.

    results: what each descriptor's fsync says; interrupted: how often it is.
    """

    def __init__(self, results, room=ROOM, few=ROOM, interrupted=0):
        self.results, self.room, self.few, self.interrupted = results, room, few, interrupted
        self.taken = []

    def __call__(self, call, *args):
        if call == SUBMIT:
            wanted, places = args[1].value, args[2]
            words = [ctypes.cast(places[n], ctypes.POINTER(ctypes.c_uint32)) for n in range(min(wanted, self.room))]
            assert {order[4] for order in words} <= {2}
            self.taken = [(order[0], order[5]) for order in words]
            return len(self.taken) or -1
        if call == GETEVENTS:
            if self.interrupted:
                self.interrupted -= 1
                ctypes.set_errno(errno.EINTR)
                return -1
            assert args[1].value == args[2].value == len(self.taken)
            over = [self.taken.pop() for _ in range(min(self.few, len(self.taken)))]
            for n, (order, fd) in enumerate(over):
                args[3][4 * n], args[3][4 * n + 2] = order, -self.results[fd]
            return len(over)
        return 0


@pytest.mark.parametrize("few", [1, 2, ROOM])
def test_errors_find_their_files(few):
    results = {7: 0, 8: errno.EIO, 9: 0, 10: errno.ENOSPC, 11: 0}
    kernel = Kernel(Fake(results, few=few, interrupted=2), SETUP, SUBMIT, GETEVENTS)
    for fds in ([7, 8, 9, 10, 11], [10, 7], [9, 11]):
        assert numbers(kernel.fsync(fds)) == [results[fd] or None for fd in fds]


@pytest.mark.parametrize("room", [0, 1, 2])
def test_what_the_kernel_does_not_take_is_synced_by_itself(files, monkeypatch, room):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    fds = files(3)
    kernel = Kernel(Fake(dict.fromkeys(fds, 0), room=room), SETUP, SUBMIT, GETEVENTS)
    assert kernel.fsync(fds) == [None] * 3
    assert synced == fds[room:]


def test_without_such_a_kernel_files_are_synced_one_after_the_other(files, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr(fsync, "kernel", lambda _: None)
    fds = files(3)
    assert fsync_all(fds) == [None] * 3
    assert synced == fds


def test_a_refused_queue_of_orders_is_none(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: type("Libc", (), {"syscall": staticmethod(lambda *_: -1)}))
    assert fsync.kernel.__wrapped__(0) is None
    monkeypatch.setattr(fsync, "_NUMBERS", {})
    assert fsync.kernel.__wrapped__(0) is None
