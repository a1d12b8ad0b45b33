"""disk - what a program does to files, and the disks that a power cut may leave of it

A Recorder stands between a program and the functions of `os` (and those of pyfix.queue.system that `os` does not
have), does what is asked for, and keeps a list of it; an fsync is only written down. Power(ops, ...) then says which
disks there may be when the power goes after any of the operations:

| model   | entries of directories, modes              | data                                             |
|---------|--------------------------------------------|--------------------------------------------------|
| ordered | of one directory or one file in order      | before later changes of the file's entry or mode |
| (ext4)  |                                            | if the program waited for them                   |
| posix   | each there or not                          | each there, not, or in part                      |

What an fsync of a file covers is there: its data and mode, in the ordered model its entries too; an fsync of a
directory covers its entries. What is in the page of a later write is there with it. Each model allows more than any
file system does.
"""

import itertools
import os
import random
import sys
from contextlib import contextmanager
from typing import NamedTuple

from pyfix.queue import system
from pyfix.unix import fsync

ORDERED, POSIX = "ordered", "posix"
TRACKED = (
    *("open", "close", "dup", "write", "pwrite", "writev", "pwritev", "ftruncate", "fsync", "fdatasync"),
    *("unlink", "remove", "rename", "replace", "link", "mkdir", "chmod", "fchmod", "utime"),
)
PAGE = 4096
NEVER = ("sendfile", "copy_file_range", "splice", "truncate", "posix_fallocate", "symlink", "rmdir", "fdopen")
"""Nobody uses them on the files at stake. Whoever begins to: teach the recorder."""


class Op(NamedTuple):
    """kind: entry (of a directory), write, size, mode, data (a wait for them), fsync, said (to somebody).

    inode: a number for a file, the path of a directory; directories: whose entries change; detail: of an entry
    (old path, new path), of a write (offset, bytes), else the new value.
    """

    kind: str
    inode: object
    directories: tuple[str, ...] = ()
    detail: object = None


class Recorder:
    """All that happens below `root`, the current directory. ops: the list."""

    def __init__(self, root):
        self.root = os.path.realpath(root)
        self.ops = []
        self.base = {}
        """Files that were there: path -> (inode, mode, data)."""
        self.directories = set()
        """Directories that were there."""
        self.made = set()
        """Directories that were made."""
        self._names = {}
        self._fds = {}
        self._new = itertools.count()
        self._take_stock()

    def _take_stock(self):
        for directory, _, files in os.walk(self.root):
            self.directories.add(directory)
            for path in [self._path(f"{directory}/{name}") for name in files]:
                if not os.path.isfile(path):
                    continue
                self._names[path] = inode = next(self._new)
                with open(path, "rb") as file:
                    self.base[path] = inode, os.stat(path).st_mode & 0o7777, file.read()

    @contextmanager
    def recording(self, patch):
        """Write down what is done meanwhile. patch: a MonkeyPatch."""
        with patch.context() as patch:
            for name in TRACKED:
                patch.setattr(os, name, self._noted(name, getattr(os, name)))
            for name in ("rename_noreplace", "write_data", "start_writing"):
                self._everywhere(patch, getattr(system, name), getattr(self, f"_system_{name}"))
            patch.setattr(fsync, "kernel", lambda _: None)
            for name in NEVER:
                patch.setattr(os, name, self._refused(name, getattr(os, name)))
            yield self

    def forget(self, directory):
        """Take out the fsyncs of files made in this directory below root, and of itself."""
        path = self._path(directory)
        made = {inode for inode, *_ in self.base.values()} if directory == "." else set()
        made |= {op.inode for op in self.ops if op.kind == "entry" and not op.detail[0] and op.directories == (path,)}
        self.ops = [op for op in self.ops if op.kind != "fsync" or op.inode not in {path, *made}]

    def say(self, *what):
        """Something was promised to somebody."""
        self.ops.append(Op("said", None, (), what))

    def _everywhere(self, patch, real, ours):
        """In every module that has it."""
        for name, module in list(sys.modules.items()):
            if name.startswith("pyfix."):
                for attribute, value in list(vars(module).items()):
                    if value is real:
                        patch.setattr(module, attribute, ours(real))

    def _noted(self, name, real):
        note = getattr(self, f"_{name}")
        skipped = name in {"fsync", "fdatasync"}

        def call(*args, **options):
            if skipped and isinstance(args[0], int) and args[0] in self._fds:
                return note(None, *args)
            before = args[0] if name != "close" else self._fds.pop(args[0], None)
            result = real(*args, **options)
            if name != "close" and (isinstance(before, int) or self._inside(before)):
                note(result, *args, **options)
            return result

        return call

    def _refused(self, name, real):
        def call(*args, **options):
            assert not any(type(arg) is int and arg in self._fds for arg in args), f"os.{name} of a recorded file"
            return real(*args, **options)

        return call

    def _path(self, path):
        return os.path.normpath(os.path.join(self.root, os.fspath(path)))

    def _inside(self, path):
        return isinstance(path, str | os.PathLike) and self._path(path).startswith(self.root + "/")

    def _entry(self, inode, old, new):
        directories = tuple(os.path.dirname(path) for path in (old, new) if path)
        self.ops.append(Op("entry", inode, directories, (old, new)))

    # Of os

    def _open(self, fd, path, flags, mode=0o777, *, dir_fd=None):
        assert dir_fd is None, "open with dir_fd"
        path = self._path(path)
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            self._fds[fd] = inode = next(self._new)
            self.ops.append(Op("mode", inode, (), os.fstat(fd).st_mode & 0o7777))
            return
        if path not in self._names and flags & os.O_CREAT:
            self._names[path] = inode = next(self._new)
            self._entry(inode, None, path)
            self.ops.append(Op("mode", inode, (), os.fstat(fd).st_mode & 0o7777))
        elif flags & os.O_TRUNC:
            self.ops.append(Op("size", self._names[path], (), 0))
        self._fds[fd] = self._names.get(path, path)

    def _dup(self, new, fd):
        if fd in self._fds:
            self._fds[new] = self._fds[fd]

    def _write(self, count, fd, data):
        if fd in self._fds:
            at = os.lseek(fd, 0, os.SEEK_CUR) - count
            self.ops.append(Op("write", self._fds[fd], (), (at, bytes(data[:count]))))

    def _pwrite(self, count, fd, data, at):
        if fd in self._fds:
            self.ops.append(Op("write", self._fds[fd], (), (at, bytes(data[:count]))))

    def _writev(self, count, fd, parts):
        self._write(count, fd, b"".join(parts))

    def _pwritev(self, count, fd, parts, at, *_):
        self._pwrite(count, fd, b"".join(parts), at)

    def _fchmod(self, _, fd, mode):
        if fd in self._fds:
            self.ops.append(Op("mode", self._fds[fd], (), mode))

    def _chmod(self, _, path, mode):
        if isinstance(path, int):
            self._fchmod(None, path, mode)
        elif self._path(path) in self._names:
            self.ops.append(Op("mode", self._names[self._path(path)], (), mode))

    def _ftruncate(self, _, fd, size):
        if fd in self._fds:
            self.ops.append(Op("size", self._fds[fd], (), size))

    def _utime(self, *_, **__):
        """Times are not kept: the next try may always be now."""

    def _fsync(self, _, fd):
        if fd in self._fds:
            self.ops.append(Op("fsync", self._fds[fd]))

    _fdatasync = _fsync

    def _unlink(self, _, path):
        path = self._path(path)
        self._entry(self._names.pop(path), path, None)

    _remove = _unlink

    def _link(self, _, old, new, *, src_dir_fd=None, **__):
        inode = self._names[self._path(old)] if src_dir_fd is None else self._fds[int(old)]  # of /proc/self/fd
        self._names[self._path(new)] = inode
        self._entry(inode, None, self._path(new))

    def _rename(self, _, old, new):
        old, new = self._path(old), self._path(new)
        inode = self._names[new] = self._names.pop(old)
        self._entry(inode, old, new)

    _replace = _rename

    def _mkdir(self, _, path, *__, **___):
        path = self._path(path)
        self.made.add(path)
        self._entry(path, None, path)

    def _close(self):
        """Noted by who calls it."""

    # Of pyfix.queue.system

    def _system_rename_noreplace(self, real):
        def rename_noreplace(old, new):
            real(old, new)
            if self._path(new) not in self._names:  # not by os.link and os.unlink
                self._rename(None, old, new)

        return rename_noreplace

    def _system_write_data(self, _):
        return lambda fd: self.ops.append(Op("data", self._fds[fd]))

    def _system_start_writing(self, _):
        return lambda _: None


class Power:
    """The disks that power cuts may leave of what a Recorder saw. model: ORDERED or POSIX."""

    def __init__(self, recorder, model):
        self.ops = recorder.ops
        self._base = recorder.base
        self._made = recorder.made
        self._ordered = model == ORDERED
        self._needs = []
        """By operation: those that are on every disk that it is on."""
        self._whole = []
        """By operation: the writes that are whole on those disks."""
        self._covers = {}
        """By fsync: what it makes sure of."""
        for n in range(len(self.ops)):
            self._learn(n)

    def _learn(self, n):
        ops, op = self.ops, self.ops[n]
        needs = whole = 0
        if op.kind == "fsync":
            sure = [m for m in range(n) if self._synced(op.inode, ops[m])]
            self._covers[n] = self._union(sure), self._union(sure, self._whole) | self._writes(sure)
        elif op.kind == "write":
            before = [m for m in range(n) if ops[m][:2] == ("write", op.inode) and _pages(ops[m]) & _pages(op)]
            needs, whole = self._union(before), self._writes(before)
        elif self._ordered and op.kind in {"entry", "mode", "size"}:
            before = [m for m in range(n) if self._in_order(ops[m], op)]
            needs, whole = self._union(before), self._union(before, self._whole)
            waits = [m for m in range(n) if ops[m][:2] == ("data", op.inode)]
            if waits:
                writes = [m for m in range(waits[-1]) if ops[m][:2] == ("write", op.inode)]
                whole |= self._writes(writes)
                needs |= self._union(writes)
        self._needs.append(needs | 1 << n)
        self._whole.append(whole)

    def _synced(self, inode, op):
        if op.kind == "entry":
            return inode in op.directories or (self._ordered and op.inode == inode)
        return op.inode == inode and op.kind in {"write", "mode", "size"}

    def _in_order(self, earlier, later):
        if earlier.kind not in {"entry", "mode", "size"}:
            return False
        return earlier.inode == later.inode or bool(set(earlier.directories) & set(later.directories))

    def _union(self, which, table=None):
        bits = 0
        for m in which:
            bits |= (table or self._needs)[m]
        return bits

    def _writes(self, which):
        return sum(1 << m for m in which if self.ops[m].kind == "write")

    def _sure(self, cut):
        kept = whole = 0
        for n, (needs, writes) in self._covers.items():
            if n < cut:
                kept, whole = kept | needs, whole | writes
        return kept, whole

    def disks(self, cut, states, chance):
        """Up to `states` disks for a cut before operation `cut`, all there are when they are fewer; each once.

        {path: (inode, mode, data)}.
        """
        kept, whole = self._sure(cut)
        unsure = [n for n in range(cut) if not kept >> n & 1 and self.ops[n].kind in {"entry", "mode", "size", "write"}]
        parts = [n for n in range(cut) if self.ops[n].kind == "write" and not whole >> n & 1]
        if 2 ** len(unsure) * 3 ** len(parts) <= states:
            every = itertools.product(*[(False, True)] * len(unsure), *[(0, 1, 2)] * len(parts))
        else:
            every = self._some(len(unsure), len(parts), states, chance)
        seen = set()
        for choice in every:
            disk = self._disk(kept, whole, unsure, dict(zip(parts, choice[len(unsure) :], strict=True)), choice)
            key = frozenset(disk.items())
            if key not in seen:
                seen.add(key)
                yield disk

    def _some(self, choices, parts, states, chance):
        """Nothing, everything, and some of what is in between."""
        yield (False,) * choices + (0,) * parts
        yield (True,) * choices + (2,) * parts
        for _ in range(states - 2):
            share = chance.choice((0.1, 0.5, 0.5, 0.9))
            yield (*(chance.random() < share for _ in range(choices)), *chance.choices((0, 1, 2), k=parts))

    def _disk(self, kept, whole, unsure, parts, choice):
        for n, there in zip(unsure, choice, strict=False):
            if there:
                kept |= self._needs[n]
                whole |= self._whole[n]
        names = {path: inode for path, (inode, _, _) in self._base.items()}
        modes = {inode: mode for inode, mode, _ in self._base.values()}
        data = {inode: text for inode, _, text in self._base.values()}
        for n, op in enumerate(self.ops):
            if not kept >> n & 1:
                continue
            if op.kind == "entry":
                old, new = op.detail
                if names.get(old) == op.inode:
                    del names[old]
                if new:
                    names[new] = op.inode
            elif op.kind == "mode":
                modes[op.inode] = op.detail
            elif op.kind == "size":
                data[op.inode] = data.get(op.inode, b"")[: op.detail].ljust(op.detail, b"\0")
            elif op.kind == "write":
                at, text = op.detail
                text = text[: len(text) * (2 if whole >> n & 1 else parts[n]) // 2]
                before = data.get(op.inode, b"")
                data[op.inode] = before[:at].ljust(at, b"\0") + text + before[at + len(text) :]
        return {
            path: (inode, modes.get(inode, 0o600), data.get(inode, b""))
            for path, inode in names.items()
            if path not in self._made and self._reachable(path, names)
        }

    def _reachable(self, path, names):
        """Whether its directories are there."""
        parent = os.path.dirname(path)
        while parent in self._made:
            if parent not in names:
                return False
            parent = os.path.dirname(parent)
        return True

    def said(self, cut):
        """What was promised before the cut."""
        return [op.detail for op in self.ops[:cut] if op.kind == "said"]

    def everything(self):
        """The disk when all of it is there."""
        return self._disk((1 << len(self.ops)) - 1, (1 << len(self.ops)) - 1, [], {}, ())


def _pages(write):
    """The pages that a write changed: what is in one is written together."""
    at, text = write.detail
    return set(range(at // PAGE, (at + len(text)) // PAGE + 1))


def put(disk, recorder):
    """Make a disk's files below the recorder's root, and no others."""
    for directory, _, files in os.walk(recorder.root, topdown=False):
        for name in files:
            if os.path.isfile(path := f"{directory}/{name}"):
                os.unlink(path)
        if directory not in recorder.directories:
            os.rmdir(directory)
    first: dict[object, str] = {}
    for path, (inode, mode, data) in disk.items():
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        if first.setdefault(inode, path) != path:
            os.link(first[inode], path)
            continue
        with open(path, "xb") as file:
            file.write(data)
            os.chmod(path, mode)


def seeded(number=1):
    """The same chance in every run."""
    return random.Random(number)
