"""bounce - return a message that is not accepted to who submitted it; note what was expanded

A client that asks for it (FLAG_BOUNCE: pickup, whose clients have gone) is told that all is well, and
the sender is told of each recipient. The queue file holds what is to be returned; it is never made
ready for qmgr, and goes when the report is on disk.

| killed            | on disk                       | what follows                                       |
|-------------------|-------------------------------|----------------------------------------------------|
| before the report | the file, mode 0600; maybe a log | the submission is taken up again, under a new name |
| after it          | the same                      | the same: the sender hears of it twice             |

Parameters: delay_logging_resolution_limit
Sources: cleanup(8)
"""

from __future__ import annotations

import time
from contextlib import suppress

from pyfix.cleanup import log
from pyfix.cleanup.store import Store
from pyfix.cleanup.verdict import NotAcceptedError
from pyfix.clients.bounce import BounceClient, ReportRequest
from pyfix.clients.cleanup import STAT_CONT, STAT_HOPS, STAT_SIZE, STAT_WRITE, detail
from pyfix.clients.deliver import Dsn, Stats
from pyfix.clients.log_adhoc import delivery_status
from pyfix.mail.dsn import split_dsn
from pyfix.queue.file import CorruptQueueFile, Envelope, Recipient, read_envelope, read_recipients
from pyfix.queue.logs import Remover, remove_log
from pyfix.unix import msg

BOUNCEABLE = STAT_SIZE | STAT_HOPS | STAT_CONT


class Bouncer:
    """Returns messages. resolution: delay_logging_resolution_limit."""

    def __init__(self, client: BounceClient, queue: Remover, *, resolution: int = 2) -> None:
        self._client = client
        self._queue = queue
        self._resolution = resolution

    async def bounce(self, store: Store, refusal: NotAcceptedError) -> bool:
        """Tell the sender; False when that could not be done, and nothing has changed."""
        if await self._bounce(store, refusal):
            return True
        with suppress(OSError):
            remove_log(self._queue, "bounce", store.queue_id)
        return False

    async def tell_expanded(self, queue_id: str, recipients: list[Recipient]) -> None:
        """Note in the trace log that these stand for others. NotAcceptedError: the log does not take it."""
        for recipient in recipients:
            dsn = Dsn("2.0.0", "alias expanded", "expanded")
            if not await self._client.append("trace", queue_id, recipient, dsn):
                raise NotAcceptedError(STAT_WRITE)

    def forget_expanded(self, queue_id: str) -> None:
        """The message has gone; what was noted of it goes too."""
        with suppress(OSError):
            remove_log(self._queue, "trace", queue_id)

    async def _bounce(self, store: Store, refusal: NotAcceptedError) -> bool:
        fd = store.file.fd
        try:
            envelope = read_envelope(fd)
            while envelope.recipients:
                if not await self._append(store.queue_id, envelope, refusal):
                    return False
                read_recipients(fd, envelope)
        except (OSError, CorruptQueueFile) as error:
            msg.warning(f"{store.queue_id}: {error}")
            return False
        request = ReportRequest(
            store.queue_id,
            envelope.sender,
            queue_name=store.file.queue,
            encoding=envelope.attrs.get("encoding", ""),
            sendopts=envelope.sendopts,
            envelope_id=envelope.envelope_id,
            ret_flags=envelope.ret_flags,
        )
        told = await self._client.flush("bounce", request)
        if not told:
            msg.warning(log.bounce_failed(store.queue_id))
        return told

    async def _append(self, queue_id: str, envelope: Envelope, refusal: NotAcceptedError) -> bool:
        row = detail(refusal.status)
        status, reason = split_dsn(refusal.reason or row.text, row.dsn)
        dsn = Dsn(status, reason, "failed")
        arrival = envelope.arrival[0] + envelope.arrival[1] / 1e6
        for recipient in envelope.recipients:
            if not await self._client.append("bounce", queue_id, recipient, dsn):
                return False
            line = delivery_status(
                queue_id, recipient, "none", Stats(arrival), dsn, "bounced", now=time.time(), limit=self._resolution
            )
            msg.info(line)
        return True
