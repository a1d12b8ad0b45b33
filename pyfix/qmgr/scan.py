"""scan - walk through incoming or deferred, as far as there is room

A scan gives one candidate at a time, so that it can rest while the active queue is full. A request
while one is under way makes it start again when it is through; nothing that came meanwhile is missed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from pyfix.qmgr import log
from pyfix.queue.directory import QueueDirectory
from pyfix.unix import msg

FUTURE = 1.0  # seconds: a time stamp that much ahead of the clock says "not yet"

Candidate = tuple[str, os.stat_result]


class Scan:
    """One queue. name: "incoming" or "deferred"; clock: seconds since 1970."""

    def __init__(self, queue: QueueDirectory, name: str, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self._queue = queue
        self._clock = clock
        self._ids: Iterator[str] | None = None
        self._ignore_time = False
        self._again = False
        self._again_ignore_time = False

    @property
    def active(self) -> bool:
        """Whether there may be more."""
        return self._ids is not None

    @property
    def ignores_time(self) -> bool:
        """Whether what next() gave was asked for regardless of its time stamp."""
        return self._ignore_time

    def request(self, *, ignore_time: bool = False) -> None:
        """Go through the queue from the start. ignore_time: also what is not to be tried yet."""
        if self._ids is None:
            self._start(ignore_time)
        else:
            self._again = True
            self._again_ignore_time = self._again_ignore_time or ignore_time

    def next(self, limit: int = 100) -> Candidate | None:
        """The next file that is complete and due; None when `limit` were not, or none is left."""
        for _ in range(limit):
            queue_id = self._next_id()
            if queue_id is None:
                return None
            status = self._status(queue_id)
            if status is not None and (self._ignore_time or status.st_mtime <= self._clock() + FUTURE):
                return queue_id, status
        return None

    def _status(self, queue_id: str) -> os.stat_result | None:
        try:
            return self._queue.status(self.name, queue_id)
        except OSError as error:
            msg.warning(log.queue_trouble("status of", self.name, queue_id, error.strerror or str(error)))
            return None

    def _start(self, ignore_time: bool) -> None:
        self._ids = self._queue.scan(self.name)
        self._ignore_time = ignore_time

    def _next_id(self) -> str | None:
        while self._ids is not None:
            try:
                queue_id = next(self._ids, None)
            except OSError as error:
                msg.warning(f"scan {self.name}: {error.strerror}")
                queue_id = None
            if queue_id is not None:
                return queue_id
            self._ids = None
            if self._again:
                self._again = False
                self._start(self._again_ignore_time)
                self._again_ignore_time = False
        return None
