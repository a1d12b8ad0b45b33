"""Files come, move and go; batches become durable."""

import errno
import os

import pytest

from pyfix.queue import batch as batches
from pyfix.queue import directory as directories
from pyfix.queue import names, system
from pyfix.queue.batch import make_durable
from pyfix.queue.memory import MemoryQueue
from tests.queue.build import message, put, spool


@pytest.fixture(params=["short ids", "long ids", "in memory"])
def queue(request, tmp_path):
    if request.param == "in memory":
        memory = MemoryQueue()
        yield memory
        memory.close()
    else:
        yield spool(tmp_path, long_ids=request.param == "long ids")


def test_a_new_file_is_not_complete_until_its_batch_is_durable(queue):
    new = queue.create("incoming")
    assert os.fstat(new.fd).st_mode & 0o777 == 0o600
    assert queue.status("incoming", new.id) is None
    os.write(new.fd, b"x")
    assert make_durable([new]) == [None]
    status = queue.status("incoming", new.id)
    assert status is not None
    assert (status.st_mode & 0o777, status.st_size) == (0o700, 1)
    os.close(new.fd)


def test_a_file_moves_through_the_queues(queue):
    queue_id = put(queue, "incoming", b"x")
    for old, new in (("incoming", "active"), ("active", "deferred"), ("deferred", "active"), ("active", "hold")):
        queue.rename(queue_id, old, new)
        assert list(queue.scan(new)) == [queue_id]
        assert list(queue.scan(old)) == []
        os.close(queue.open(new, queue_id))
    queue.set_time("hold", queue_id, 1795214011)
    assert queue.status("hold", queue_id).st_mtime == 1795214011
    queue.corrupt("hold", queue_id)
    assert list(queue.scan("corrupt")) == [queue_id]
    queue.remove("corrupt", queue_id)
    with pytest.raises(FileNotFoundError):
        queue.open("corrupt", queue_id)


def test_a_name_is_never_taken_from_another_file(queue):
    queue_id = put(queue, "incoming", b"first")
    os.close(queue.open("active", queue_id, os.O_RDWR | os.O_CREAT))
    with pytest.raises(FileExistsError):
        queue.rename(queue_id, "incoming", "active")
    assert list(queue.scan("incoming")) == [queue_id]
    with pytest.raises(FileNotFoundError):
        queue.rename("ABCDEF", "incoming", "hold")


def test_without_renameat2_a_name_is_not_taken_either(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "_renameat2", lambda: None)
    queue = spool(tmp_path)
    queue_id = put(queue, "incoming", b"first")
    queue.rename(queue_id, "incoming", "deferred")
    assert list(queue.scan("deferred")) == [queue_id]
    (tmp_path / "active" / queue_id).touch()
    with pytest.raises(FileExistsError):
        queue.rename(queue_id, "deferred", "active")


def test_ids_are_those_of_the_file_and_of_its_time(tmp_path):
    queue = spool(tmp_path, long_ids=True)
    new = queue.create("incoming")
    assert names.inode(new.id) == os.fstat(new.fd).st_ino
    assert (names.seconds(new.id), names.microseconds(new.id)) == (new.seconds, new.microseconds)
    os.close(new.fd)


def test_no_id_is_given_twice_while_the_clock_stands(tmp_path, monkeypatch):
    monkeypatch.setattr(directories.time, "time_ns", lambda: 1795214011_000000_000)
    queue = spool(tmp_path, long_ids=True)
    ids = set()
    for _ in range(50):
        new = queue.create("incoming")
        os.close(new.fd)
        ids.add(new.id)
        queue.remove("incoming", new.id)
    assert len(ids) == 50


def test_hashed_queues_get_their_directories_on_demand(tmp_path):
    queue = spool(tmp_path, "incoming Deferred", 2)
    queue_id = put(queue, "incoming", b"x")
    assert (tmp_path / "incoming" / queue_id[0] / queue_id[1] / queue_id).exists()
    queue.rename(queue_id, "incoming", "deferred")
    assert (tmp_path / "deferred" / queue_id[0] / queue_id[1] / queue_id).exists()
    assert (tmp_path / "deferred" / queue_id[0]).stat().st_mode & 0o777 == 0o700
    assert list(queue.scan("deferred")) == [queue_id]


def test_a_scan_passes_over_what_is_no_queue_file(tmp_path):
    queue = spool(tmp_path)
    queue_id = put(queue, "maildrop", b"x")
    (tmp_path / "maildrop/123.456").touch()
    (tmp_path / "maildrop/A").mkdir()
    (tmp_path / "maildrop/A/ABCDEF").touch()
    assert list(queue.scan("maildrop")) == [queue_id]


def test_a_directory_that_is_gone_is_told():
    with pytest.raises(FileNotFoundError):
        directories.QueueDirectory("/nonexistent").create("incoming")


def test_one_bad_file_does_not_harm_the_batch(tmp_path, monkeypatch):
    queue = spool(tmp_path)
    files = [queue.create("incoming") for _ in range(4)]
    real = os.fsync

    def fsync(fd):
        if fd == files[1].fd:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(fd)

    monkeypatch.setattr("pyfix.unix.fsync.kernel", lambda _: None)
    monkeypatch.setattr(os, "fsync", fsync)
    results = make_durable(files)
    assert [result and result.errno for result in results] == [None, errno.ENOSPC, None, None]
    ready = [queue.status("incoming", file.id) is not None for file in files]
    assert ready == [True, False, True, True]
    for file in files:
        os.close(file.fd)


def test_directories_are_synced_where_names_need_it(tmp_path, monkeypatch):
    monkeypatch.setattr(directories, "keeps_new_names", lambda path: False)
    queue = spool(tmp_path)
    files = [queue.create("incoming") for _ in range(3)]
    synced = []
    monkeypatch.setattr("pyfix.unix.fsync.kernel", lambda _: None)
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    assert make_durable(files) == [None] * 3
    paths = [f"{tmp_path}/incoming/{file.id}" for file in files]
    assert synced == [*paths, *paths, f"{tmp_path}/incoming"]  # data before the mode, then the mode, then names
    for file in files:
        os.close(file.fd)


def test_two_names_of_one_file_become_one(tmp_path):
    queue = spool(tmp_path)
    file = queue.create("incoming")
    os.close(file.fd)
    os.link(queue.path("incoming", file.id), queue.path("active", file.id))
    queue.rename(file.id, "incoming", "active")
    assert (list(queue.scan("incoming")), list(queue.scan("active"))) == ([], [file.id])


def test_modes_follow_data(tmp_path, monkeypatch):
    queue = spool(tmp_path)
    file = queue.create("incoming")
    modes = []
    monkeypatch.setattr(batches, "write_data", lambda fd: modes.append(os.fstat(fd).st_mode & 0o777))
    assert make_durable([file]) == [None]
    assert modes == [0o600]
    os.close(file.fd)


def test_a_message_in_memory_is_read_like_one_on_disk():
    queue = MemoryQueue(long_ids=True)
    queue_id = put(queue, "incoming", message())
    fd = queue.open("incoming", queue_id)
    assert os.pread(fd, 1, 0) == b"C"
    os.close(fd)
    queue.close()
