"""A simulated power cut: of what was recorded, any part that no fsync covers may be missing.

Directory operations are ordered in each directory (ext4) or not at all (posix, directories get an fsync).
"""

import os
import random

import pytest

from pyfix.cleanup.store import Store
from pyfix.queue import batch, directory
from pyfix.queue import records as rec
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.file import CorruptQueueFile, content_bytes, read_envelope


class Disk:
    """What happened: (kind, inode, directories, detail)."""

    def __init__(self, patch):
        self.ops, self.names, self.fds = [], {}, {}
        for name in ("open", "write", "pwrite", "fchmod", "fsync", "unlink"):
            patch.setattr(os, name, self.noted(name, getattr(os, name)))
        patch.setattr(directory, "rename_noreplace", self.noted("rename", directory.rename_noreplace))
        patch.setattr(batch, "write_data", lambda fd: self.ops.append(("data", self.fds[fd], (), None)))

    def noted(self, name, real):
        def call(*args):
            result = real(*args)
            getattr(self, name)(result, *args)
            return result

        return call

    def open(self, fd, path, flags, mode=0o777):
        if flags & os.O_CREAT:
            self.names[path] = len(self.ops)
            self.ops.append(("entry", len(self.ops), (os.path.dirname(path),), (None, path)))
        self.fds[fd] = self.names.get(path, path)

    def write(self, count, fd, data):
        at = os.lseek(fd, 0, os.SEEK_CUR) - count
        self.ops.append(("write", self.fds[fd], (), (at, bytes(data[:count]))))

    def pwrite(self, count, fd, data, at):
        self.ops.append(("write", self.fds[fd], (), (at, bytes(data[:count]))))

    def fchmod(self, _, fd, mode):
        self.ops.append(("mode", self.fds[fd], (), mode))

    def fsync(self, _, fd):
        self.ops.append(("fsync", self.fds[fd], (), None))

    def rename(self, _, old, new):
        inode = self.names[new] = self.names.pop(old)
        self.ops.append(("entry", inode, (os.path.dirname(old), os.path.dirname(new)), (old, new)))

    def unlink(self, _, path):
        self.ops.append(("entry", self.names.pop(path), (os.path.dirname(path),), (path, None)))


def state(ops, ordered, chance):
    """{path: (mode, data)} of one disk that these operations may leave."""
    kept = {n for n, op in enumerate(ops) if op[0] in ("entry", "mode", "write") and chance.random() < 0.5}
    whole = set()
    for at, (kind, what, _, _) in enumerate(ops):
        if kind == "fsync":
            whole |= {n for n in range(at) if ops[n][1] == what and (ordered or ops[n][0] != "entry")}
            whole |= {n for n in range(at) if what in ops[n][2]}
    kept |= whole
    for n in sorted(kept, reverse=True) if ordered else ():
        if n in kept and ops[n][0] != "write":
            kept |= {m for m in range(n) if ops[m][0] in ("entry", "mode")
                     and (ops[m][1] == ops[n][1] or set(ops[m][2]) & set(ops[n][2]))}  # fmt: skip
    for n in sorted(kept, reverse=True) if ordered else ():
        waited = [at for at in range(n) if ops[at][:2] == ("data", ops[n][1])]
        if ops[n][0] != "write" and waited:
            whole |= {m for m in range(waited[-1]) if ops[m][:2] == ("write", ops[n][1])}
    names, modes, data = {}, {}, {}
    for n in sorted(kept | whole):
        kind, inode, _, detail = ops[n]
        if kind == "entry":
            names.pop(detail[0], None)
            if detail[1]:
                names[detail[1]] = inode
        elif kind == "mode":
            modes[inode] = detail
        elif kind == "write":
            at, text = detail
            text = text if n in whole else text[: chance.choice((0, len(text) // 2, len(text)))]
            old = data.get(inode, b"")
            data[inode] = old[:at].ljust(at, b"\0") + text + old[at + len(text) :]
    return {path: (modes.get(inode, 0o600), data.get(inode, b"")) for path, inode in names.items()}


def accept(queue, sizes):
    """A batch through the real store; {id: content}."""
    stores = []
    for size in sizes:
        store = Store(queue)
        head = rec.encode(rec.TIME, b"1 0") + rec.encode(rec.FROM, b"s") + rec.encode(rec.RCPT, b"r")
        store.add(head + rec.encode(rec.MESG))
        start, body = store.position, rec.encode_text([b"x" * 70] * size)
        store.add(body)
        store.add(rec.encode(rec.XTRA) + rec.encode(rec.END))
        store.finish(rec.size_record(len(body), start, 1))
        stores.append(store)
    assert batch.make_durable([store.file for store in stores]) == [None] * len(stores)
    for store in stores:
        store.close()
    return {store.queue_id: b"x" * 70 + b"\n" for store in stores}


def cuts(tmp_path, monkeypatch, ordered, states=6):
    """Problems found after a cut at every operation."""
    for name in ("incoming", "active", "deferred"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(directory, "keeps_new_names", lambda _: ordered)
    monkeypatch.setattr("pyfix.cleanup.store.PIECE", 4096)
    with monkeypatch.context() as patch:
        disk, queue = Disk(patch), QueueDirectory(str(tmp_path))
        messages = accept(queue, [3, 200, 5, 1])
        acknowledged = len(disk.ops)
        for queue_id in messages:
            queue.rename(queue_id, "incoming", "active")
            queue.rename(queue_id, "active", "deferred")
    chance, probe, found = random.Random(1), tmp_path / "probe", set()
    for cut in range(len(disk.ops) + 1):
        for _ in range(states * (5 if ordered else 4)):
            files, complete = state(disk.ops[:cut], ordered, chance), set()
            for path, (mode, data) in files.items():
                if mode != 0o700:
                    continue
                probe.write_bytes(data)
                fd = os.open(probe, os.O_RDONLY)
                try:
                    envelope = read_envelope(fd)
                    assert content_bytes(fd, envelope.content_offset).replace(b"x" * 70 + b"\n", b"") == b""
                    assert [one.address for one in envelope.recipients] == ["r"]
                    complete.add(os.path.basename(path))
                except (CorruptQueueFile, AssertionError):
                    found.add("incomplete")
                finally:
                    os.close(fd)
            if cut >= acknowledged and not set(messages) <= complete:
                found.add("lost")
    return found


@pytest.mark.parametrize("ordered", [True, False], ids=["ext4", "posix"])
def test_a_power_cut_loses_nothing_that_was_accepted(tmp_path, monkeypatch, ordered):
    assert cuts(tmp_path, monkeypatch, ordered) == set()


def test_a_batch_without_fsync_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "_sync", lambda _: None)
    assert "lost" in cuts(tmp_path, monkeypatch, True)
