"""watch - whether the file behind an open table is still the same

Asked before each lookup, so it costs one fstat(2) of a file that stays open: this works in
a chroot and without root's rights too, as in Postfix. A text file counts as changed once it
has been left alone for a second, lest a half-written one is read. An index file changes in
place, in transactions; only a replaced one must be opened again.
"""

import os
import time
from collections.abc import Callable
from typing import Protocol

QUIET = 1.0
"""Seconds a text file must have been left alone, and between attempts to open a table again."""

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

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)

    def stamp(self) -> Stamp:
        """What the file is like now."""
        return stamp_of(os.fstat(self.fd))


class TextFile(_File):
    """A file whose content was read when the table was opened."""

    __slots__ = ("_next", "_seen")

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._next = 0.0
        status = os.fstat(fd)
        hot = time.time_ns() - status.st_mtime_ns < _SAME_TICK
        self._seen = (status.st_mtime_ns, -1 if hot else status.st_size)

    def due(self) -> bool:
        """Whether the file was changed, replaced or removed, at least a second ago."""
        status = os.fstat(self.fd)
        if status.st_nlink and (status.st_mtime_ns, status.st_size) == self._seen:
            return False
        return time.time() - status.st_mtime >= QUIET and time.monotonic() >= self._next

    def postpone(self) -> None:
        """Let a second pass."""
        self._next = time.monotonic() + QUIET


class IndexFile(_File):
    """An index file, which shows changes in place by itself."""

    __slots__ = ()

    def due(self) -> bool:
        """Whether the file was replaced or removed: opening is tried at every lookup until it works."""
        return os.fstat(self.fd).st_nlink == 0

    def postpone(self) -> None:
        """Nothing to put off."""


class AskAgain:
    """No file: try again every second."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self.postpone()

    def due(self) -> bool:
        """Whether a second has passed."""
        return time.monotonic() >= self._next

    def postpone(self) -> None:
        """Wait another second."""
        self._next = time.monotonic() + QUIET

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
