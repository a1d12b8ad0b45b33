import os

import pytest

from pyfix.unix import locks


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"")
    fds = [os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)]
    yield fds
    for fd in fds:
        os.close(fd)


def test_exclusive_flock_excludes(two):
    assert locks.flock_exclusive(two[0])
    assert not locks.flock_exclusive(two[1])
    assert not locks.flock_shared(two[1])
    locks.flock_release(two[0])
    assert locks.flock_shared(two[1])


def test_shared_flocks_share(two):
    assert locks.flock_shared(two[0])
    assert locks.flock_shared(two[1])


def test_fcntl_lock_excludes_another_process(two):
    assert locks.fcntl_exclusive(two[0])
    pid = os.fork()
    if pid == 0:
        os._exit(0 if not locks.fcntl_exclusive(two[1]) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_dotlock_excludes_until_released(tmp_path):
    path = str(tmp_path / "mbox")
    assert locks.dotlock(path)
    assert not locks.dotlock(path)
    locks.dotlock_release(path)
    assert locks.dotlock(path)


def test_stale_dotlock_is_taken_over(tmp_path):
    path = str(tmp_path / "mbox")
    assert locks.dotlock(path)
    os.utime(path + ".lock", (1, 1))
    assert locks.dotlock(path)
