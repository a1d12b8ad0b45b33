"""bounce - the services that keep a log of what became of a message's recipients

Three services, one program: `bounce` (failed), `defer` (delayed), `trace` (what somebody asked
to be told). A request is one frame, the answer `status` 0 or -1. The requests that send a
report (1 to 5) begin with the same list. 0 means that it is on disk (or that nobody is to be told)
and, but for `warn`, that the log is gone.

See also: ipc sheet section 3, bounce; pyfix.queue.logs.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Protocol

from pyfix.clients.deliver import DSN_FIELDS, RECIPIENT_FIELDS, Dsn, recipient_fields
from pyfix.config.params.mail import MailParams
from pyfix.mail.error import Retry
from pyfix.queue.file import Recipient
from pyfix.unix import msg
from pyfix.wire.attr import INT, STR, AttrError, Form

PROTOCOL = "delivery_status_protocol"


def paths(mail: MailParams) -> dict[str, str]:
    """Where the services are: bounce_service_name, defer_service_name, trace_service_name."""
    names = {"bounce": mail.bounce_service_name, "defer": mail.defer_service_name, "trace": mail.trace_service_name}
    return {log: f"private/{name}" for log, name in names.items()}


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
VERP = Form(NREQUEST, *REPORT_FIELDS, ("verp_delimiters", STR))
ONE = Form(NREQUEST, *REPORT_FIELDS, *RECIPIENT_FIELDS, *DSN_FIELDS)
STATUS = Form(("status", INT))

DONE = STATUS.encode(0)
FAILED = STATUS.encode(-1)


class ReportRequest:
    """A report that is asked for; attributes are named as on the wire.

    flags: 0, for trace those of the delivery (Flags); ret_flags: 0 nothing said, 1 full, 2 headers.
    """

    __slots__ = tuple(name for name, _ in REPORT_FIELDS)

    def __init__(
        self,
        queue_id: str,
        sender: str,
        *,
        flags: int = 0,
        queue_name: str = "active",
        encoding: str = "",
        sendopts: int = 0,
        envelope_id: str = "",
        ret_flags: int = 0,
    ) -> None:
        self.flags = flags
        self.queue_name = queue_name
        self.queue_id = queue_id
        self.encoding = encoding
        self.sendopts = sendopts
        self.sender = sender
        self.envelope_id = envelope_id
        self.ret_flags = ret_flags

    def fields(self) -> tuple[str | int, ...]:
        """The values in the order of REPORT_FIELDS."""
        return tuple(getattr(self, name) for name in self.__slots__)


def report_from_fields(values: list[Any]) -> ReportRequest:
    """The opposite of ReportRequest.fields()."""
    named = dict(zip(ReportRequest.__slots__, values, strict=True))
    return ReportRequest(named.pop("queue_id"), named.pop("sender"), **named)


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


    async def flush(self, service: str, report: ReportRequest) -> bool:
        """Have the sender told of what is in the log, and the log removed; False: all is as before."""
        return await self._ask(service, report, REPORT.encode(Command.FLUSH, *report.fields()))

    async def warn(self, service: str, report: ReportRequest) -> bool:
        """Have the sender told of the delay; the log stays."""
        done = await self._ask(service, report, REPORT.encode(Command.WARN, *report.fields()))
        if not done:
            msg.warning(service_failure(report.queue_id, service))
        return done

    async def verp(self, service: str, report: ReportRequest, delimiters: str) -> bool:
        """flush, with a report for each recipient to an address of its own. delimiters: two characters."""
        return await self._ask(service, report, VERP.encode(Command.VERP, *report.fields(), delimiters))

    async def one(self, report: ReportRequest, recipient: Recipient, dsn: Dsn) -> bool:
        """Have report.sender told of one recipient now, without a log."""
        fields = (*report.fields(), *recipient_fields(recipient), *dsn.fields())
        return await self._ask("bounce", report, ONE.encode(Command.ONE, *fields))

    async def trace(self, report: ReportRequest) -> bool:
        """Have the sender told what was asked for, and the trace log removed."""
        return await self._ask("trace", report, REPORT.encode(Command.TRACE, *report.fields()))

    async def _ask(self, service: str, report: ReportRequest, request: bytes) -> bool:
        """Whether the service did it. It says itself why not; when it can't be asked there is a warning."""
        try:
            answer, _ = await self._channels[service].request(request)
            (status,) = STATUS.decode(answer)
        except (Retry, AttrError) as error:
            msg.warning(f"{service_failure(report.queue_id, service)}: {error}")
            return False
        return bool(status == 0)


def service_failure(queue_id: str, service: str) -> str:
    """Log line: a report was not sent."""
    return f"{queue_id}: {service} service failure"


def append_failed(service: str, queue_id: str, reason: str) -> str:
    """Log line: the service did not take an entry."""
    return f"{queue_id}: can't append to the {service} log: {reason}"
