"""unnamed - queue files that have an id before they have a name

| operation | before  | after                                       | durable by                              |
|-----------|---------|---------------------------------------------|-----------------------------------------|
| create    | nothing | nothing to be seen: it goes with its maker  | nothing: nobody was promised anything   |
| name      | nothing | QUEUE/ID, mode 0600, as create of directory | fsync of file (and directory), batch.py |

So a file can be made for a message that may never come. Linux only: O_TMPFILE and /proc.

See also: open(2).
"""

import os

from pyfix.queue.directory import NewFile, QueueDirectory, make_directories


class UnnamedFiles:
    """Makes and names them. To be made before chroot by the process that uses it. OSError: there are none here."""

    def __init__(self, queue: QueueDirectory) -> None:
        self._queue = queue
        self._flags = os.O_RDWR | os.O_CLOEXEC | os.O_TMPFILE
        self._descriptors = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    @classmethod
    def if_there(cls, queue: QueueDirectory) -> "UnnamedFiles | None":
        """None where this system has none."""
        try:
            return cls(queue)
        except (OSError, AttributeError):
            return None

    def create(self, queue: str) -> NewFile:
        """A new empty file with an id of its own. OSError: no space, no permission, not on this file system."""
        fd = os.open(self._queue.root_of(queue), self._flags, 0o600)
        try:
            return self._queue.new_file(queue, fd)
        except BaseException:
            os.close(fd)
            raise

    def name(self, file: NewFile) -> None:
        """Let it be seen. OSError: no space, or there is another one of that name."""
        path = self._queue.path(file.queue, file.id)
        try:
            self._link(file.fd, path)
        except FileNotFoundError:
            make_directories(path)
            self._link(file.fd, path)

    def _link(self, fd: int, path: str) -> None:
        os.link(str(fd), path, src_dir_fd=self._descriptors, follow_symlinks=True)
