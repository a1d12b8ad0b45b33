"""entry - recipients of one message that go to one destination in one delivery request"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyfix.queue.file import Recipient

if TYPE_CHECKING:
    from pyfix.qmgr.job import Job
    from pyfix.qmgr.queue import Queue


class Entry:
    """job: the message on this transport; queue: the destination; recipients: at most its recipient limit."""

    __slots__ = ("job", "queue", "recipients")

    def __init__(self, job: Job, queue: Queue, recipients: list[Recipient]) -> None:
        self.job = job
        self.queue = queue
        self.recipients = recipients
