"""bounce - the services that keep a log of what became of a message's recipients

Three services, one program: `bounce` (failed), `defer` (delayed), `trace` (what somebody asked
to be told). A request is one frame, the answer `status` 0 or -1. The requests that send a
report (1 to 5) share one list; so far they are refused.

See also: ipc sheet section 3, bounce; pyfix.queue.logs.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from pyfix.clients.deliver import DSN_FIELDS, RECIPIENT_FIELDS, Dsn, recipient_fields
from pyfix.mail.error import Retry
from pyfix.queue.file import Recipient
from pyfix.unix import msg
from pyfix.wire.attr import INT, STR, AttrError, Form

PROTOCOL = "delivery_status_protocol"
SERVICES = ("bounce", "defer", "trace")


class Command(IntEnum):
    """The first attribute of a request, `nrequest`."""

    APPEND = 0
    FLUSH = 1  # send the report, remove the log
    WARN = 2  # send a delay notice, keep the log
    VERP = 3
    ONE = 4  # bounce one recipient at once
    TRACE = 5


NREQUEST = ("nrequest", INT)
REPORT_FIELDS = (
    ("flags", INT),
    ("queue_name", STR),
    ("queue_id", STR),
    ("encoding", STR),
    ("sendopts", INT),
    ("sender", STR),
    ("envelope_id", STR),
    ("ret_flags", INT),
)
APPEND = Form(NREQUEST, ("flags", INT), ("queue_id", STR), *RECIPIENT_FIELDS, *DSN_FIELDS)
REPORT = Form(NREQUEST, *REPORT_FIELDS)
STATUS = Form(("status", INT))

DONE = STATUS.encode(0)
FAILED = STATUS.encode(-1)


class Asker(Protocol):
    """A way to ask one service: Channel on a loop, SerialChannel without one."""

    async def request(self, attrs: bytes, body: bytes = b"") -> tuple[bytes, bytes]:
        """One frame there, one frame back. Retry when it does not come."""


class BounceClient:
    """The three services. channels: how to ask each, by its name."""

    def __init__(self, channels: dict[str, Asker]) -> None:
        self._channels = channels

    async def append(self, service: str, queue_id: str, recipient: Recipient, dsn: Dsn) -> bool:
        """Write a recipient and its DSN to the message's log; False (with a warning) when that failed."""
        request = APPEND.encode(
            Command.APPEND, 0, queue_id, *recipient_fields(recipient), *dsn.fields()
        )
        try:
            answer, _ = await self._channels[service].request(request)
            (status,) = STATUS.decode(answer)
        except (Retry, AttrError) as error:
            msg.warning(append_failed(service, queue_id, str(error)))
            return False
        return bool(status == 0)


def append_failed(service: str, queue_id: str, reason: str) -> str:
    """Log line: the service did not take an entry."""
    return f"{queue_id}: can't append to the {service} log: {reason}"
