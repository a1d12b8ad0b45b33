"""report - have senders told what became of their messages, when a round of deliveries is over

| what there is                   | request to | done                         | failed             |
|---------------------------------|------------|------------------------------|--------------------|
| a bounce log                    | bounce     | the log is gone              | deferred           |
| a trace log, when asked for     | trace      | the log is gone, K for A     | deferred           |
| deferred, too old or force-     | defer      | the log is gone, the message | deferred           |
| expired                         | (flush)    | has nothing left to do       |                    |
| deferred, time to warn          | defer      | W negative                   | tried next time    |
|                                 | (warn)     |                              |                    |

Killed in between: what was not reported has its log, and the message is there; it is read again.

Parameters: maximal_queue_lifetime, bounce_queue_lifetime, disable_verp_bounces
Sources: qmgr(8), queue-file sheet section 7
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from pyfix.clients.bounce import BounceClient, ReportRequest
from pyfix.clients.deliver import Flags
from pyfix.qmgr import log
from pyfix.qmgr.defer import Backoff
from pyfix.qmgr.message import Message
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.file import kill_record, mark_warned
from pyfix.queue.logs import read_log
from pyfix.unix import msg

NOTIFY_SUCCESS = 2 << 1  # in qmgr_opts: some recipient's success is to be reported
TRACED = Flags.USR_VRFY | Flags.RECORD | Flags.REC_DLY_SENT
WARN_EARLY = 1  # seconds before its time a warning is good enough


class Reports:
    """All reports. verp: bounces of messages with VERP come one for each recipient."""

    def __init__(
        self,
        queue: QueueDirectory,
        bounce: BounceClient,
        backoff: Backoff,
        *,
        verp: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._queue = queue
        self._bounce = bounce
        self._backoff = backoff
        self._verp = verp
        self._clock = clock
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def wanted(self, message: Message) -> bool:
        """Whether there may be something to tell; False on the usual way of a message."""
        return message.bounced or message.deferred or _traced(message)

    async def send(self, message: Message) -> None:
        """Tell it; message.deferred says afterwards whether the message stays."""
        self._under_way += 1
        self._idle.clear()
        try:
            await self._send(message)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until no report is under way."""
        await self._idle.wait()

    async def _send(self, message: Message) -> None:
        if message.bounced:
            await self._bounced(message)
        if _traced(message):
            await self._trace(message)
        if message.deferred:
            await self._expire_or_warn(message)

    def log_exists(self, name: str, queue_id: str) -> bool:
        """Whether a log of the message has entries; in doubt it has."""
        try:
            return bool(read_log(self._queue, name, queue_id))
        except OSError:
            return True

    async def _bounced(self, message: Message) -> None:
        if not self.log_exists("bounce", message.queue_id):
            return
        if not await self._flush("bounce", message):
            msg.info(log.bounce_failed(message.queue_id))
            message.deferred = True

    async def _flush(self, service: str, message: Message) -> bool:
        verp = message.envelope.verp
        if verp and self._verp:
            return await self._bounce.verp(service, _request(message), verp)
        return await self._bounce.flush(service, _request(message))

    async def _trace(self, message: Message) -> None:
        envelope = message.envelope
        exists = self.log_exists("trace", message.queue_id)
        if exists and not await self._bounce.trace(_request(message, envelope.trace_flags)):
            msg.info(log.trace_failed(message.queue_id))
            message.deferred = True
        elif envelope.trace_offset:
            self._change(message, lambda fd: kill_record(fd, envelope.trace_offset))

    async def _expire_or_warn(self, message: Message) -> None:
        envelope = message.envelope
        now = self._clock()
        if message.force_expire or self._backoff.expired(now - message.create_time, envelope.sender):
            msg.info(log.expired(message.queue_id, envelope.sender, forced=message.force_expire))
            if await self._flush("defer", message):
                message.deferred = False
            else:
                msg.info(log.bounce_failed(message.queue_id))
        elif 0 < envelope.warn_time <= now + WARN_EARLY and await self._bounce.warn("defer", _request(message)):
            self._change(message, lambda fd: mark_warned(fd, envelope))

    def _change(self, message: Message, change: Callable[[int], None]) -> None:
        """Change the queue file in place."""
        queue_id = message.queue_id
        try:
            fd = self._queue.open("active", queue_id, os.O_RDWR)
            try:
                change(fd)
            finally:
                os.close(fd)
        except OSError as error:
            msg.warning(log.queue_trouble("update", "active", queue_id, error.strerror or str(error)))


def _traced(message: Message) -> bool:
    envelope = message.envelope
    return bool(envelope.trace_flags & TRACED or envelope.qmgr_opts & NOTIFY_SUCCESS)


def _request(message: Message, flags: int = 0) -> ReportRequest:
    envelope = message.envelope
    return ReportRequest(
        message.queue_id,
        envelope.sender,
        flags=flags,
        encoding=envelope.attrs.get("encoding", ""),
        sendopts=envelope.sendopts,
        envelope_id=envelope.envelope_id,
        ret_flags=envelope.ret_flags,
    )
