"""memory - a queue that lives in memory, for tests

The methods of QueueDirectory over anonymous files: descriptors behave as those of files on disk do (modes,
time stamps, locks, marks in place), but nothing has a name.
"""

import errno
import itertools
import os
import time
from collections.abc import Iterator

from pyfix.queue import names
from pyfix.queue.directory import NewFile, is_ready


class MemoryQueue:
    """A queue without a disk. long_ids: which kind of id new files get."""

    def __init__(self, *, long_ids: bool = False) -> None:
        self.sync_directories = False
        self._long_ids = long_ids
        self._inodes = itertools.count(1)
        self._files: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Forget all files."""
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()

    def path(self, queue: str, queue_id: str) -> str:
        """A path by which this process can open the file; of no use when there is no such file."""
        fd = self._files.get((queue, queue_id))
        return f"{queue}/{queue_id}" if fd is None else f"/proc/self/fd/{fd}"

    def create(self, queue: str) -> NewFile:
        """A new empty file with an id of its own."""
        seconds, microseconds = divmod(time.time_ns() // 1000, 1000000)
        inode = next(self._inodes)
        if self._long_ids:
            queue_id = names.long_id(seconds, microseconds, inode)
        else:
            queue_id = names.short_id(microseconds, inode)
        return NewFile(queue, queue_id, os.dup(self._make(queue, queue_id)), seconds, microseconds)

    def open(self, queue: str, queue_id: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of the file. FileNotFoundError."""
        if (queue, queue_id) not in self._files and flags & os.O_CREAT:
            self._make(queue, queue_id)
        return os.open(f"/proc/self/fd/{self._fd(queue, queue_id)}", flags | os.O_CLOEXEC)

    def sync_name(self, queue: str, queue_id: str) -> None:
        """Nothing lasts here."""

    def status(self, queue: str, queue_id: str) -> os.stat_result | None:
        """The file's status when it is complete; None: it is not there or being written."""
        fd = self._files.get((queue, queue_id))
        status = None if fd is None else os.fstat(fd)
        return status if status is not None and is_ready(status) else None

    def rename(self, queue_id: str, from_queue: str, to_queue: str) -> None:
        """Move a file to another queue. FileExistsError, FileNotFoundError."""
        fd = self._fd(from_queue, queue_id)
        if (to_queue, queue_id) in self._files:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), f"{to_queue}/{queue_id}")
        del self._files[from_queue, queue_id]
        self._files[to_queue, queue_id] = fd

    def remove(self, queue: str, queue_id: str) -> None:
        """Take a file away. FileNotFoundError."""
        os.close(self._fd(queue, queue_id))
        del self._files[queue, queue_id]

    def corrupt(self, queue: str, queue_id: str) -> None:
        """Move a file that can't be read out of the way."""
        self.rename(queue_id, queue, "corrupt")

    def set_time(self, queue: str, queue_id: str, when: float) -> None:
        """Set both time stamps. FileNotFoundError."""
        os.utime(self._fd(queue, queue_id), (when, when))

    def scan(self, queue: str) -> Iterator[str]:
        """The ids in a queue."""
        return iter([queue_id for name, queue_id in self._files if name == queue])

    def _make(self, queue: str, queue_id: str) -> int:
        fd = os.memfd_create(queue_id)
        os.fchmod(fd, 0o600)
        self._files[queue, queue_id] = fd
        return fd

    def _fd(self, queue: str, queue_id: str) -> int:
        try:
            return self._files[queue, queue_id]
        except KeyError:
            raise FileNotFoundError(
                errno.ENOENT, os.strerror(errno.ENOENT), f"{queue}/{queue_id}"
            ) from None
