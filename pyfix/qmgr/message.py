"""message - one message in the active queue"""

from __future__ import annotations

import time

from pyfix.clients.deliver import NORMAL, Stats, encode_body, encode_common
from pyfix.qmgr.entry import Entry
from pyfix.qmgr.job import Job
from pyfix.queue.file import Envelope
from pyfix.queue.sendopts import UTF8_RECIPIENT

FORCE_EXPIRE = 0o010  # group execute: postsuper -e
UNTHROTTLE = 0o040  # group read: the flush service released it


class Message:
    """envelope: of its queue file; outstanding: entries that are not decided yet; deferred: some recipient
    is still to do after this round; bounced: there may be a bounce log; active_arrival: seconds;
    recipients: how many are in memory; jobs: by transport; flush: somebody asked for it to be tried now.
    """

    __slots__ = (
        "active_arrival",
        "arrival",
        "bounced",
        "create_time",
        "deferred",
        "envelope",
        "flush",
        "force_expire",
        "jobs",
        "outstanding",
        "queue_id",
        "recipients",
        "unthrottle",
    )

    def __init__(self, queue_id: str, envelope: Envelope, mode: int) -> None:
        self.queue_id = queue_id
        self.envelope = envelope
        self.arrival = envelope.arrival[0] + envelope.arrival[1] / 1e6
        self.create_time = envelope.create_time or envelope.arrival[0]
        self.active_arrival = time.time()
        self.jobs: dict[str, Job] = {}
        self.outstanding = 0
        self.recipients = len(envelope.recipients)
        self.deferred = False
        self.bounced = envelope.done_count > 0  # by an earlier round, or by a qmgr that was killed
        self.force_expire = bool(mode & FORCE_EXPIRE)
        self.unthrottle = bool(mode & UNTHROTTLE)
        self.flush = self.unthrottle

    def stats(self) -> Stats:
        """The times so far."""
        return Stats(self.arrival, self.active_arrival)

    def request(self, entry: Entry) -> tuple[bytes, bytes]:
        """What an agent is asked to do: attributes and body of a frame."""
        envelope = self.envelope
        sendopts = envelope.sendopts
        for recipient in entry.recipients:
            if not recipient.address.isascii():
                sendopts |= UTF8_RECIPIENT
        log_ident, port, *client = envelope.handed_on()
        common = encode_common(
            "active",
            NORMAL | envelope.trace_flags | entry.queue.connections,
            envelope.attrs.get("encoding", ""),
            sendopts,
            envelope.ret_flags,
            *client,
        )
        body = encode_body(
            self.queue_id,
            envelope.content_offset,
            envelope.content_len,
            entry.queue.nexthop,
            envelope.sender,
            envelope.envelope_id,
            port,
            log_ident,
            self.arrival,
            self.active_arrival,
            entry.recipients,
        )
        return common, body
