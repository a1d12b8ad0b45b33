"""What the kernel is asked for."""

import contextlib
import ctypes
import errno
import os
import shutil
import subprocess

import pytest

from pyfix.queue import system
from pyfix.queue.batch import make_durable
from pyfix.queue.directory import NewFile


def can_mount():
    """Whether file systems in files can be mounted here."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("mke2fs", "mount", "truncate", "losetup")):
        return False
    return subprocess.run(["losetup", "-f"], check=False, capture_output=True).returncode == 0


@pytest.fixture
def full_disk(tmp_path):
    """A file system that takes data and later can't write them: its disk is a file that has no room to grow."""
    below, disk = tmp_path / "below", tmp_path / "disk"
    below.mkdir()
    disk.mkdir()
    mounted = []
    try:
        for command in (
            ["mount", "-t", "tmpfs", "-o", "size=4m", "none", below],
            ["truncate", "-s", "64M", below / "image"],
            ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", below / "image"],
            ["mount", "-o", "loop", below / "image", disk],
        ):
            subprocess.run(command, check=True, capture_output=True)
            if command[0] == "mount":
                mounted.append(command[-1])
        with open(below / "rest", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65536))
        yield disk
    finally:
        for path in reversed(mounted):
            subprocess.run(["umount", "-l", path], check=True)


if can_mount():  # the next test needs no disk

    def test_data_that_the_disk_did_not_take_are_not_called_durable(full_disk):
        fd = os.open(full_disk / "file", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.write(fd, os.urandom(1 << 20))
            (error,) = make_durable([NewFile("incoming", "A1", fd, 0, 0)])
            assert error is not None
            assert error.errno in {errno.ENOSPC, errno.EIO}
            assert os.fstat(fd).st_mode & 0o777 == 0o600
        finally:
            os.close(fd)


@pytest.mark.parametrize(("number", "expected"), [(errno.EIO, []), (errno.ENOSYS, ["fsync"])])
def test_an_error_of_the_disk_is_told_since_fsync_would_not_repeat_it(monkeypatch, number, expected):
    def failing(*_):
        ctypes.set_errno(number)
        return -1

    synced = []
    monkeypatch.setattr(system, "_sync_file_range", lambda: failing)
    monkeypatch.setattr(os, "fsync", lambda _: synced.append("fsync"))
    if expected:
        system.write_data(3)
    else:
        with pytest.raises(OSError, match="Input/output error"):
            system.write_data(3)
    assert synced == expected
