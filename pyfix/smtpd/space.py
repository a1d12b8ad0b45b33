"""space - room for mail in the file system of the queue

A message is taken only while there is room for queue_minfree bytes, and for one and a half
times the largest message.

Parameters: queue_minfree, message_size_limit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

KEEP = 1.0  # seconds that an answer is good for


class Space:
    """Free bytes of a directory's file system, asked at most once a second."""

    def __init__(self, directory: str = ".", clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._asked = -KEEP
        self._free = 0

    def free(self) -> int:
        """Bytes that an ordinary user can still write."""
        now = self._clock()
        if now - self._asked >= KEEP:
            stat = os.statvfs(self._directory)
            self._free = stat.f_bavail * stat.f_frsize
            self._asked = now
        return self._free


def needed(queue_minfree: int, message_size_limit: int) -> int:
    """Bytes that must be free; 0: no limit."""
    return max(queue_minfree, message_size_limit + message_size_limit // 2)
