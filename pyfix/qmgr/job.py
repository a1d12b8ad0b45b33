"""job - messages on a transport, and which entry leaves next

A job is one message on one transport. The JobList picks: the oldest job that has an entry whose
destination has room; among the destinations of one job, each in turn. Later, preemption (small
jobs overtake large ones) changes what `next` picks, and nothing else.

Picking costs log(destinations): each destination with room stands in the list once, under the age
of the first job that waits for it; a destination without room stands nowhere until it has some.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from pyfix.qmgr.entry import Entry
from pyfix.qmgr.queue import Queue

if TYPE_CHECKING:
    from pyfix.qmgr.message import Message


class Job:
    """sequence: grows with arrival on the transport."""

    __slots__ = ("message", "sequence")

    def __init__(self, message: Message, sequence: int) -> None:
        self.message = message
        self.sequence = sequence


class JobList:
    """All jobs of one transport. ready: empty when no entry may leave; if not, one perhaps may."""

    def __init__(self) -> None:
        self.ready: list[tuple[int, int, Queue]] = []
        self._turn = count()
        self._sequence = count()

    def job(self, message: Message) -> Job:
        """A new job, the youngest."""
        return Job(message, next(self._sequence))

    def offer(self, queue: Queue) -> None:
        """A destination may have got work or room."""
        if not queue.listed and queue.may_send():
            queue.listed = True
            heappush(self.ready, (queue.todo[0].job.sequence, next(self._turn), queue))

    def waiting(self) -> bool:
        """Whether an entry may leave."""
        while self.ready:
            queue = self.ready[0][2]
            if queue.may_send():
                return True
            heappop(self.ready)
            queue.listed = False
        return False

    def next(self) -> Entry | None:
        """The entry that leaves now; None when there is none with room."""
        while self.ready:
            queue = heappop(self.ready)[2]
            queue.listed = False
            if queue.may_send():
                entry = queue.take()
                if queue.todo:
                    self.offer(queue)
                return entry
        return None
