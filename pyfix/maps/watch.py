"""watch - whether the file behind an open table is still the same

Asked before each lookup. It takes one fstat(2) of a file that stays open, which works in a
chroot and without root's rights too, as in Postfix; lookups that follow one another within
NEXT share it: nobody else can have changed a file and asked about it in less. A text file counts as changed once it
has been left alone for a second, lest a half-written one is read. An index file changes in
place, in transactions; only a replaced one must be opened again.
"""

import os
import time
from collections.abc import Callable
from time import monotonic
from typing import Protocol

QUIET = 1.0
"""Seconds a text file must have been left alone, and between attempts to open a table again."""

NEXT = 20e-6
"""Seconds within which one look at a file is enough."""

_SAME_TICK = 20_000_000  # nanoseconds: within these two writes may bear the same time

Stamp = tuple[object, ...]


class Watch(Protocol):
    """Tells when a table must be opened again."""

    def due(self) -> bool:
        """Whether to open the table again now."""
        ...

    def postpone(self) -> None:
        """It could not be opened again: do not ask for it for a second."""
        ...

    def stamp(self) -> Stamp:
        """Differs when the file does: inode, time of change (ns), size, links."""
        ...


class _File:
    """An open file, closed with this object. The descriptor is ours from now on."""

    __slots__ = ("_next", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._next = 0.0

    def __del__(self) -> None:
        os.close(self.fd)

    def due(self) -> bool:
        """Whether to open the table again now."""
        now = monotonic()
        if now < self._next:
            return False
        self._next = now + NEXT
        return self._is_new(os.fstat(self.fd))

    def postpone(self) -> None:
        """It could not be opened again: let a second pass."""
        self._next = monotonic() + QUIET

    def stamp(self) -> Stamp:
        """What the file is like now."""
        return stamp_of(os.fstat(self.fd))

    def _is_new(self, status: os.stat_result) -> bool:
        raise NotImplementedError


class TextFile(_File):
    """A file whose content was read when the table was opened."""

    __slots__ = ("_seen",)

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        status = os.fstat(fd)
        hot = time.time_ns() - status.st_mtime_ns < _SAME_TICK
        self._seen = (status.st_mtime_ns, -1 if hot else status.st_size)

    def _is_new(self, status: os.stat_result) -> bool:
        """Whether the file was changed, replaced or removed, at least a second ago."""
        if status.st_nlink and (status.st_mtime_ns, status.st_size) == self._seen:
            return False
        return time.time() - status.st_mtime >= QUIET


class IndexFile(_File):
    """An index file, which shows changes in place by itself."""

    __slots__ = ()

    def _is_new(self, status: os.stat_result) -> bool:
        """Whether the file was replaced or removed: opening is tried at every lookup until it works."""
        return status.st_nlink == 0

    def postpone(self) -> None:
        """Nothing to put off."""


class AskAgain:
    """No file: try again every second."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self.postpone()

    def due(self) -> bool:
        """Whether a second has passed."""
        return monotonic() >= self._next

    def postpone(self) -> None:
        """Wait another second."""
        self._next = monotonic() + QUIET

    def stamp(self) -> Stamp:
        """Always the same."""
        return (0, 0, 0, 0)


class Together:
    """The files of several tables, each of which sees to its own changes."""

    __slots__ = ("_stamps",)

    def __init__(self, stamps: list[Callable[[], Stamp | None]]) -> None:
        self._stamps = stamps

    def due(self) -> bool:
        """Never: the parts open themselves again."""
        return False

    def postpone(self) -> None:
        """Nothing to put off."""

    def stamp(self) -> Stamp:
        """The stamps of all parts."""
        return tuple([stamp() for stamp in self._stamps])


def stamp_of(status: os.stat_result) -> Stamp:
    """What tells one state of a file from another."""
    return (status.st_ino, status.st_mtime_ns, status.st_size, status.st_nlink)
