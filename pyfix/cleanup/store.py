"""store - a queue file as it is being written

Small messages are collected and leave in one write; of long ones a piece leaves as soon as
there is enough of it, and the disk begins to take it while the next one comes; others are not
kept waiting for the end of that. The size record comes first in the file and is known last: with
one write it is simply put in front, else its place is kept and filled at the end.

| step | on disk |
|---|---|
| open | an empty file, mode 0600, under its final name; of one made ahead nothing |
| add, flush | part of the message; a crash leaves a file that nobody takes for complete |
| finish | the whole message, still mode 0600; pyfix.queue.batch makes it durable and ready |
| remove | nothing |

Sources: queue-file sheet sections 3 and 4.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Protocol

from pyfix.queue import records as rec
from pyfix.queue.directory import NewFile
from pyfix.queue.system import start_writing, write_data

END = rec.encode(rec.END)
PIECE = 1 << 20  # bytes that are collected before a write
LONG = 1 << 19  # bytes of a file for whose data others do not wait


class Queue(Protocol):
    """Where the file is; a QueueDirectory is one."""

    def create(self, queue: str, /) -> NewFile:
        """A new file."""

    def path(self, queue: str, queue_id: str, /) -> str:
        """Where a file is."""

    def rename(self, queue_id: str, from_queue: str, to_queue: str, /) -> None:
        """Move a file."""

    def remove(self, queue: str, queue_id: str, /) -> None:
        """Take a file away."""


class Unnamed(Protocol):
    """Files that have an id and no name; UnnamedFiles makes them."""

    def create(self, queue: str, /) -> NewFile:
        """A new file."""

    def name(self, file: NewFile, /) -> None:
        """Let it be seen."""


class Store:
    """One file. OSError of its methods: the disk.

    unnamed: makes the file, ahead of its message: it gets its name when the first of it is written.
    """

    def __init__(self, queue: Queue, unnamed: Unnamed | None = None) -> None:
        self._queue = queue
        self._unnamed = unnamed
        self.file = (unnamed or queue).create("incoming")
        self.queue_id = self.file.id
        """The message's name."""
        self._parts: list[bytes] = []
        self._written = 0
        self._enough = PIECE
        self.position = rec.SIZE_SIZE
        """Where in the file the next record will be."""
        self.head = self.tail = b""
        """What stands before and behind the content of a finished file, if it was written in one piece."""

    @property
    def has_name(self) -> bool:
        """It can be seen."""
        return self._unnamed is None

    def add(self, records: bytes) -> None:
        """Append records, encoded."""
        self._parts.append(records)
        self.position += len(records)
        if self.position > self._enough:
            self._flush(rec.size_record())

    def record(self, kind: bytes, data: bytes = b"") -> None:
        """Append one record."""
        self.add(rec.encode(kind, data))

    def finish(self, size: bytes, start: int, end: int) -> None:
        """End the file and write what is left. size: the size record; start, end: where the content begins and ends."""
        self._parts.append(END)
        in_one_piece = not self._written
        data = self._flush(size)
        if in_one_piece:
            self.head, self.tail = data[:start], data[end:]
        at = len(size) if in_one_piece else 0
        while at < len(size):
            at += os.pwrite(self.file.fd, size[at:], at)

    @property
    def is_long(self) -> bool:
        """Others should not wait for its data."""
        return self.position > LONG

    async def write_out(self) -> None:
        """Have the disk take a finished file's data, in a thread. OSError: it does not; nothing else says so."""
        loop = asyncio.get_running_loop()
        await asyncio.shield(loop.run_in_executor(None, _write_out, os.dup(self.file.fd)))

    def hold(self) -> None:
        """Move the file to the hold queue, before it can be taken for complete."""
        file = self.file
        self._queue.rename(file.id, file.queue, "hold")
        file.queue = "hold"
        if file.directory is not None:
            file.directory = os.path.dirname(self._queue.path("hold", file.id))

    def close(self) -> None:
        """The file is as it shall be. What its fsync has said counts, not what this says."""
        fd, self.file.fd = self.file.fd, -1
        if fd < 0:
            return
        try:
            os.close(fd)
        except OSError:
            return

    def remove(self) -> None:
        """Leave nothing of the message. OSError: there is a file that nobody takes for complete."""
        self._parts.clear()
        self.close()
        if self._unnamed is None:
            with suppress(FileNotFoundError):
                self._queue.remove(self.file.queue, self.file.id)

    def _flush(self, size: bytes) -> bytes:
        """Write what was collected, behind `size` when it is the first; what that was."""
        if self._unnamed is not None:
            self._unnamed.name(self.file)
            self._unnamed = None
        data = b"".join(self._parts if self._written else [size, *self._parts])
        self._parts.clear()
        self._enough = self.position + PIECE
        done = os.write(self.file.fd, data)
        while done < len(data):
            done += os.write(self.file.fd, memoryview(data)[done:])
        self._written += done
        if self._written >= PIECE:
            start_writing(self.file.fd)
        return data


def _write_out(fd: int) -> None:
    """fd: this call's own, for the file may be closed meanwhile, and its number be another's."""
    try:
        write_data(fd)
    finally:
        os.close(fd)
