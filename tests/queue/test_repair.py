"""A queue that was restored or left by a crash is put in order."""

import os
import time

from pyfix.queue import names
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.logs import LogEntry, Recipient, append_log, read_log
from pyfix.queue.repair import purge, repair
from tests.queue.build import message, put, spool


def ids(queue, name):
    return sorted(queue.scan(name))


def test_files_get_the_id_of_their_inode_and_their_logs_follow(tmp_path):
    queue = spool(tmp_path)
    queue_id = put(queue, "hold", message())
    inode = os.stat(queue.path("hold", queue_id)).st_ino
    wrong = names.short_id(names.microseconds(queue_id), inode + 1)
    os.rename(queue.path("hold", queue_id), queue.path("hold", wrong))
    append_log(queue, "defer", wrong, LogEntry(Recipient(1, "r@x"), "4.0.0", "delayed", "x"))
    assert repair(queue, ["hold", "deferred"]) == 1
    assert ids(queue, "hold") == [queue_id]
    assert len(read_log(queue, "defer", queue_id)) == 1
    assert repair(queue, ["hold", "deferred"]) == 0


def test_files_that_have_each_others_ids_swap_them(tmp_path):
    queue = spool(tmp_path)
    files = [queue.create("hold") for _ in range(3)]
    right = [names.short_id(7, os.fstat(file.fd).st_ino) for file in files]
    for file, wrong in zip(files, [right[1], right[2], "000070"], strict=True):
        os.rename(queue.path("hold", file.id), queue.path("hold", wrong))
        os.close(file.fd)
    repair(queue, ["hold"])
    assert len(ids(queue, "hold")) == 3
    assert right[0] in ids(queue, "hold")


def test_files_move_where_the_hash_parameters_want_them(tmp_path):
    flat = spool(tmp_path, "")
    queue_id = put(flat, "deferred", message())
    append_log(flat, "defer", queue_id, LogEntry(Recipient(1, "r@x"), "4.0.0", "delayed", "x"))
    deep = QueueDirectory(str(tmp_path), frozenset({"deferred", "defer"}), 2)
    assert repair(deep, ["deferred"]) == 0
    assert os.path.exists(deep.path("deferred", queue_id))
    assert len(read_log(deep, "defer", queue_id)) == 1
    assert repair(flat, ["deferred"]) == 0
    assert os.listdir(tmp_path / "deferred") == [queue_id]


def test_long_ids_become_short_where_no_file_gets_a_long_one(tmp_path):
    """As Postfix's, for who goes back to one that knows no long ids."""
    queue = spool(tmp_path, long_ids=True)
    queue_id = put(queue, "hold", message())
    queue.long_ids = False
    append_log(queue, "defer", queue_id, LogEntry(Recipient(1, "a@x"), "4.0.0", "delayed", "x"))
    inode = os.stat(queue.path("hold", queue_id)).st_ino
    assert repair(queue, ["hold"]) == 1
    (short,) = queue.scan("hold")
    assert short == names.short_id(names.microseconds(queue_id), inode)
    assert len(read_log(queue, "defer", short)) == 1
    assert repair(queue, ["hold"]) == 0


def test_long_ids_are_kept_unless_asked_for(tmp_path):
    queue = spool(tmp_path, long_ids=True)
    new = queue.create("hold")
    os.close(new.fd)
    wrong = names.long_id(new.seconds, new.microseconds, 1)
    os.rename(queue.path("hold", new.id), queue.path("hold", wrong))
    assert repair(queue, ["hold"]) == 0
    assert repair(queue, ["hold"], long_too=True) == 1
    assert ids(queue, "hold") == [new.id]


def test_only_old_incomplete_files_are_purged(tmp_path):
    queue = spool(tmp_path)
    good = put(queue, "incoming", message())
    fresh = queue.create("incoming")
    os.close(fresh.fd)
    (tmp_path / "incoming/123.456").touch(mode=0o600)
    for name in (good, "123.456"):
        os.utime(tmp_path / "incoming" / name, (1000000000, 1000000000))
    assert purge(queue, "incoming", before=time.time() - 86400) == 1
    assert ids(queue, "incoming") == sorted([good, fresh.id])
    assert not (tmp_path / "incoming/123.456").exists()
