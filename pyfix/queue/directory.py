"""directory - the queue on disk: where files are, and how they come, move and go

State of a message, what is on disk, and who moves it on:

| state         | on disk                                | moved on by                             |
|---------------|----------------------------------------|-----------------------------------------|
| being written | incoming/ID, mode 0600                 | cleanup; left over: removed after a day |
| accepted      | incoming/ID, mode 0700, durable        | qmgr: rename to active                  |
| in delivery   | active/ID, recipients done in place    | qmgr: remove, or to deferred            |
| waiting       | deferred/ID, mtime = next try          | qmgr: rename to active                  |

Each operation, what is on disk before and after it, and what makes it durable:

| operation | before                 | after                  | durable by                              |
|-----------|------------------------|------------------------|-----------------------------------------|
| create    | nothing                | incoming/ID, mode 0600 | nothing: nobody was promised anything   |
| finish    | incoming/ID, mode 0600 | incoming/ID, mode 0700 | fsync of file (and directory), batch.py |
| rename    | FROM/ID                | TO/ID                  | nothing: either is right after a crash  |
| remove    | QUEUE/ID               | nothing                | nothing: a crash may deliver twice      |

A name is never taken from another file: renames use renameat2(RENAME_NOREPLACE), one system call; where
there is none (old kernels, some network file systems) link and unlink, which leave two names of one
file if the machine stops between them, never none.

A new name lasts with the fsync of its file on journalling file systems (ext3, ext4, xfs, btrfs, f2fs, zfs:
the entry is in the same or an earlier transaction). On others, and where the kind can't be found out,
the directory gets an fsync too. That is decided once, from /proc/self/mountinfo: make the object before
chroot.

Parameters: hash_queue_names, hash_queue_depth, enable_long_queue_ids.
See also: queue-file sheet sections 1, 2, 3 and 9.
"""

import os
import stat
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyfix.queue import names
from pyfix.queue.system import rename_noreplace
from pyfix.unix.files import fsync_directory
from pyfix.unix.mounts import keeps_new_names

if TYPE_CHECKING:
    from pyfix.config.main_cf import MainCf

READY = 0o700  # mode bits of a complete file


class NewFile:
    """A queue file that its maker has not finished.

    queue, id: where it is; fd: open for reading and writing, the maker closes it; seconds,
    microseconds: the time that its id stands for; directory: what needs an fsync for its name to
    last (None: nothing); mode: what it gets when it is complete.
    """

    __slots__ = ("directory", "fd", "id", "microseconds", "mode", "queue", "seconds")

    def __init__(
        self,
        queue: str,
        id: str,  # noqa: A002 - what everybody calls it
        fd: int,
        seconds: int,
        microseconds: int,
        directory: str | None = None,
        mode: int = READY,
    ) -> None:
        self.queue = queue
        self.id = id
        self.fd = fd
        self.seconds = seconds
        self.microseconds = microseconds
        self.directory = directory
        self.mode = mode

    def __repr__(self) -> str:
        return f"NewFile({self.queue}/{self.id}, fd {self.fd})"


class QueueDirectory:
    """All queues below one directory.

    root: queue_directory, normally "." because daemons work there; hash_names: queues with
    subdirectories, hash_depth levels of them; long_ids: which kind of id new files get.
    """

    def __init__(
        self,
        root: str = ".",
        hash_names: frozenset[str] = frozenset(),
        hash_depth: int = 1,
        long_ids: bool = False,
    ) -> None:
        self.root = root
        self._prefix = "" if root == "." else root.rstrip("/") + "/"
        self._hashed = frozenset(name.lower() for name in hash_names) if hash_depth > 0 else frozenset()
        self._depth = hash_depth
        self.long_ids = long_ids
        self._last = 0
        self.sync_directories = not keeps_new_names(root)

    @classmethod
    def from_config(cls, main: "MainCf", root: str = ".") -> "QueueDirectory":
        """The queue as main.cf describes it."""
        from pyfix.config.params.mail import MailParams

        cfg = MailParams(main)
        hashed = frozenset(cfg.hash_queue_names.replace(",", " ").split())
        return cls(root, hashed, cfg.hash_queue_depth, cfg.enable_long_queue_ids)

    def root_of(self, queue: str) -> str:
        """The directory of a queue."""
        return self._prefix + queue

    def path(self, queue: str, queue_id: str) -> str:
        """Where the file of this id is, or would be, in this queue."""
        if queue in self._hashed:
            return f"{self._prefix}{queue}/{names.hash_directory(queue_id, self._depth)}{queue_id}"
        return f"{self._prefix}{queue}/{queue_id}"

    def create(self, queue: str) -> NewFile:
        """A new empty file with an id of its own. OSError: no space, no permission, no such queue."""
        fd, temporary = self._create_temporary(queue)
        try:
            while True:
                file = self.new_file(queue, fd)
                try:
                    _move(temporary, self.path(queue, file.id))
                except FileExistsError:
                    continue
                return file
        except BaseException:
            os.close(fd)
            os.unlink(temporary)
            raise

    def new_file(self, queue: str, fd: int) -> NewFile:
        """A file under an id that it may have in this queue; it is there under another name, or none."""
        inode = os.fstat(fd).st_ino
        seconds, microseconds = self._time_stamp()
        queue_id = names.long_id(seconds, microseconds, inode) if self.long_ids else names.short_id(microseconds, inode)
        directory = os.path.dirname(self.path(queue, queue_id)) if self.sync_directories else None
        return NewFile(queue, queue_id, fd, seconds, microseconds, directory)

    def _create_temporary(self, queue: str) -> tuple[int, str]:
        """(descriptor, path) of a new file under a name that is no queue id."""
        while True:
            path = f"{self._prefix}{queue}/{time.time_ns() // 1000 % 1000000}.{os.getpid()}"
            try:
                return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path
            except (FileExistsError, IsADirectoryError):
                continue

    def _time_stamp(self) -> tuple[int, int]:
        """Now as (seconds, microseconds); never the same twice, even if the clock steps back a little."""
        now = time.time_ns() // 1000
        if self._last - 1000000 < now <= self._last:
            now = self._last + 1
        self._last = now
        return divmod(now, 1000000)

    def open(self, queue: str, queue_id: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of the file; flags: as in os.open, O_CREAT makes hash directories too. OSError."""
        path, flags = self.path(queue, queue_id), flags | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
        make_directories(path)
        return os.open(path, flags, 0o600)

    def status(self, queue: str, queue_id: str) -> os.stat_result | None:
        """The file's status when it is complete; None: it is not there, is being written, or is no file."""
        try:
            status = os.lstat(self.path(queue, queue_id))
        except FileNotFoundError:
            return None
        return status if is_ready(status) else None

    def rename(self, queue_id: str, from_queue: str, to_queue: str) -> None:
        """Move a file to another queue. FileExistsError: that queue has this id already; other OSError."""
        self.move(self.path(from_queue, queue_id), to_queue)

    def move(self, path: str, to_queue: str) -> None:
        """As rename(), for a file that need not be where hash_queue_names wants it; errors are the same."""
        _move(path, self.path(to_queue, os.path.basename(path)))

    def remove(self, queue: str, queue_id: str) -> None:
        """Take a file away. OSError."""
        os.unlink(self.path(queue, queue_id))

    def corrupt(self, queue: str, queue_id: str) -> None:
        """Move a file that can't be read out of the way, to corrupt/. OSError."""
        self.rename(queue_id, queue, "corrupt")

    def set_time(self, queue: str, queue_id: str, when: float) -> None:
        """Set both time stamps: the earliest time of the next try, in seconds since 1970. OSError."""
        os.utime(self.path(queue, queue_id), (when, when))

    def sync_name(self, queue: str, queue_id: str) -> None:
        """Make the name of a new file durable, after its fsync, where that needs a step of its own. OSError."""
        if self.sync_directories:
            fsync_directory(os.path.dirname(self.path(queue, queue_id)))

    def scan(self, queue: str) -> Iterator[str]:
        """The ids in a queue, in no order, read while you ask for them; files may move meanwhile. OSError."""
        return map(os.path.basename, self.scan_paths(queue))

    def scan_paths(self, queue: str) -> Iterator[str]:
        """Where the files in a queue are, also those that are not where hash_queue_names wants them. As scan()."""
        return _scan(self._prefix + queue, recurse=queue != "maildrop")


def is_ready(status: os.stat_result) -> bool:
    """Whether a file's status says that it is a complete queue file."""
    return stat.S_ISREG(status.st_mode) and status.st_mode & READY == READY


def _scan(directory: str, recurse: bool) -> Iterator[str]:
    """Files with valid ids in a directory and its one-letter subdirectories."""
    below: list[str] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            name = entry.name
            if len(name) == 1 and entry.is_dir(follow_symlinks=False):
                below.append(name)
            elif names.is_valid(name) and not entry.is_dir(follow_symlinks=False):
                yield entry.path
    if recurse:
        for name in below:
            yield from _scan(f"{directory}/{name}", recurse)


def _move(old: str, new: str) -> None:
    """Rename without overwriting; the directories of `new` are made when they are missing."""
    try:
        rename_noreplace(old, new)
    except FileExistsError:
        if not os.path.samestat(os.lstat(old), os.lstat(new)):
            raise
        os.unlink(old)  # two names of one file, left by a crash
    except FileNotFoundError:
        if not os.path.lexists(old):
            raise
        make_directories(new)
        rename_noreplace(old, new)


def make_directories(path: str) -> None:
    """The hash directories that a file of this path needs, durable, for the owner of the queue only. OSError."""
    directory = os.path.dirname(path)
    try:
        os.mkdir(directory, 0o700)
        fsync_directory(os.path.dirname(directory) or ".")
    except FileExistsError:
        pass
    except FileNotFoundError:
        if not os.path.dirname(directory):
            raise
        make_directories(directory)
        make_directories(path)
