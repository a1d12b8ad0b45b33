"""deliver - what qmgr asks of a delivery agent, and the answer

One frame is one request: Postfix's attribute list as the attributes, the lists of all its
recipients, one after the other, as the body. The agent says in its greeting how many requests
it takes at once (`concurrency`). The answer is about the destination (a DSN whose status is not
empty says that the whole site is in trouble), then 0 or -1 (some recipients are deferred), then
how many recipients were bounced, so that qmgr knows without looking whether there is a log.

See also: ipc sheet section 3, delivery agents.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple

from pyfix.queue.file import Recipient
from pyfix.wire.attr import DATA, INT, LONG, STR, AttrError, Form

PROTOCOL = "delivery_request_protocol"
CONCURRENCY = "concurrency"  # attribute of the greeting

DEFERRED = -1  # status of an answer: some recipients are still to do


class Flags:
    """What else a request wants; also the bits of trace_flags. Plain numbers: they are asked for often."""

    SUCCESS = 1  # mark delivered recipients in the queue file
    BOUNCE = 2  # send, and mark, what is undeliverable
    MTA_VRFY = 256  # an address probe of our own
    USR_VRFY = 512  # sendmail -bv
    RECORD = 1024  # sendmail -v
    CONN_LOAD = 2048  # try a cached connection
    CONN_STORE = 4096  # keep the connection for the next request
    REC_DLY_SENT = 8192  # the delay was reported


NORMAL = Flags.SUCCESS | Flags.BOUNCE

REQUEST = Form(
    ("flags", INT),
    ("queue_name", STR),
    ("queue_id", STR),
    ("offset", LONG),
    ("size", LONG),
    ("nexthop", STR),
    ("encoding", STR),
    ("sendopts", INT),
    ("sender", STR),
    ("envelope_id", STR),
    ("ret_flags", INT),
    ("time", DATA),
    ("log_client_name", STR),
    ("log_client_address", STR),
    ("log_client_port", STR),
    ("log_protocol_name", STR),
    ("log_helo_name", STR),
    ("sasl_method", STR),
    ("sasl_username", STR),
    ("sasl_sender", STR),
    ("log_ident", STR),
    ("rewrite_context", STR),
    ("recipient_count", INT),
)
RECIPIENT_FIELDS = (
    ("original_recipient", STR),
    ("recipient", STR),
    ("offset", LONG),
    ("dsn_orig_rcpt", STR),
    ("notify_flags", INT),
)
DSN_FIELDS = (
    ("status", STR),
    ("diag_type", STR),
    ("diag_text", STR),
    ("mta_type", STR),
    ("mta_mname", STR),
    ("action", STR),
    ("reason", STR),
)
RECIPIENT = Form(*RECIPIENT_FIELDS)
ANSWER = Form(*DSN_FIELDS, ("status", INT), ("bounced", INT))

_TIME = REQUEST.fields.index(("time", DATA))
_STATS = Struct("@10qi4x")  # five struct timeval, a count, padding


class Dsn:
    """What became of a recipient, or why a destination is dead.

    status: enhanced code ("" when there is nothing to say); reason: text for people; action:
    "delivered", "failed", "delayed", ...; diag_type, diag_text: the other side's own words
    ("smtp", "550 ..."); mta_type, mta_mname: who said them ("dns", "mx.example.com").
    """

    __slots__ = ("action", "diag_text", "diag_type", "mta_mname", "mta_type", "reason", "status")

    def __init__(
        self,
        status: str = "",
        reason: str = "",
        action: str = "",
        *,
        diag_type: str = "",
        diag_text: str = "",
        mta_type: str = "",
        mta_mname: str = "",
    ) -> None:
        self.status = status
        self.reason = reason
        self.action = action
        self.diag_type = diag_type
        self.diag_text = diag_text
        self.mta_type = mta_type
        self.mta_mname = mta_mname

    def fields(self) -> tuple[str, str, str, str, str, str, str]:
        """The values in the order of DSN_FIELDS."""
        return (
            self.status,
            self.diag_type,
            self.diag_text,
            self.mta_type,
            self.mta_mname,
            self.action,
            self.reason,
        )

    @classmethod
    def from_fields(cls, values: list[str]) -> Dsn:
        """The opposite of fields()."""
        status, diag_type, diag_text, mta_type, mta_mname, action, reason = values
        return cls(
            status,
            reason,
            action,
            diag_type=diag_type,
            diag_text=diag_text,
            mta_type=mta_type,
            mta_mname=mta_mname,
        )

    def __repr__(self) -> str:
        return f"Dsn({self.status!r}, {self.reason!r}, {self.action!r})"


class Stats:
    """When a message passed each point, in seconds since 1970; 0: not yet."""

    __slots__ = (
        "active_arrival",
        "agent_handoff",
        "conn_setup_done",
        "deliver_done",
        "incoming_arrival",
        "reuse_count",
    )

    def __init__(
        self,
        incoming_arrival: float = 0,
        active_arrival: float = 0,
        agent_handoff: float = 0,
        conn_setup_done: float = 0,
        deliver_done: float = 0,
        reuse_count: int = 0,
    ) -> None:
        self.incoming_arrival = incoming_arrival
        self.active_arrival = active_arrival
        self.agent_handoff = agent_handoff
        self.conn_setup_done = conn_setup_done
        self.deliver_done = deliver_done
        self.reuse_count = reuse_count

    def encode(self) -> bytes:
        """As the C structure that Postfix sends, 88 bytes on a 64-bit machine."""
        return _STATS.pack(
            *divmod(int(self.incoming_arrival * 1e6), 1000000),
            *divmod(int(self.active_arrival * 1e6), 1000000),
            *divmod(int(self.agent_handoff * 1e6), 1000000),
            *divmod(int(self.conn_setup_done * 1e6), 1000000),
            *divmod(int(self.deliver_done * 1e6), 1000000),
            self.reuse_count,
        )

    @classmethod
    def decode(cls, data: bytes) -> Stats:
        """The opposite of encode(). AttrError: another size."""
        if len(data) != _STATS.size:
            raise AttrError(f"time attribute of {len(data)} bytes")
        a, a_us, b, b_us, *later = _STATS.unpack(data)
        stats = cls(a + a_us / 1e6, b + b_us / 1e6)
        if any(later):
            c, c_us, d, d_us, e, e_us, stats.reuse_count = later
            stats.agent_handoff, stats.conn_setup_done = c + c_us / 1e6, d + d_us / 1e6
            stats.deliver_done = e + e_us / 1e6
        return stats


def encode_first_stats(arrival: tuple[int, int], active: float) -> bytes:
    """Stats of a message that no agent has had yet, encoded. arrival: seconds, microseconds; active: seconds."""
    return _STATS.pack(*arrival, *divmod(int(active * 1e6), 1000000), 0, 0, 0, 0, 0, 0, 0)


class Request(NamedTuple):
    """One message for one destination: the attributes in their order on the wire, the recipients for their count.

    size: bytes of content, what logs show; offset: of the first content record in the file.
    """

    flags: int
    queue_name: str
    queue_id: str
    offset: int
    size: int
    nexthop: str
    encoding: str
    sendopts: int
    sender: str
    envelope_id: str
    ret_flags: int
    stats: Stats
    log_client_name: str
    log_client_address: str
    log_client_port: str
    log_protocol_name: str
    log_helo_name: str
    sasl_method: str
    sasl_username: str
    sasl_sender: str
    log_ident: str
    rewrite_context: str
    recipients: list[Recipient]

    def encode(self) -> tuple[bytes, bytes]:
        """Attributes and body of the frame."""
        values: list[Any] = list(self[:-1])
        values[_TIME] = self.stats.encode()
        return encode_request(self.recipients, *values)


def encode_request(recipients: list[Recipient], *values: str | int | bytes) -> tuple[bytes, bytes]:
    """Attributes and body of the frame. values: of REQUEST, in its order, but for the count of recipients."""
    attrs = REQUEST.encode(*values, len(recipients))
    if len(recipients) == 1:
        return attrs, RECIPIENT.encode(*recipient_fields(recipients[0]))
    return attrs, RECIPIENT.encode_all([recipient_fields(recipient) for recipient in recipients])


def recipient_fields(recipient: Recipient) -> tuple[str, str, int, str, int]:
    """The values in the order of RECIPIENT_FIELDS."""
    return (
        recipient.original,
        recipient.address,
        recipient.offset,
        recipient.dsn_orig_rcpt,
        recipient.notify,
    )


def recipient_from_fields(values: list[str | int]) -> Recipient:
    """The opposite of recipient_fields()."""
    original, address, offset, dsn_orig_rcpt, notify = values
    return Recipient(offset, address, original, dsn_orig_rcpt, notify)  # type: ignore[arg-type]  # values were parsed by kind


def decode_request(attrs: bytes, body: bytes) -> Request:
    """The request in a frame. AttrError: it is none, or its recipients are not as many as it says."""
    values = REQUEST.decode(attrs)
    recipients = [recipient_from_fields(row) for row in RECIPIENT.decode_all(body)]
    if len(recipients) != values[-1]:
        raise AttrError(f"{len(recipients)} recipients instead of {values[-1]}")
    values[-1] = recipients
    values[_TIME] = Stats.decode(values[_TIME])
    return Request._make(values)


_NO_TROUBLE = Dsn()


class Answer:
    """What came of a request. site: why the whole destination is in trouble (status "": it is not)."""

    __slots__ = ("bounced", "site", "status")

    def __init__(self, status: int = 0, site: Dsn | None = None, bounced: int = 0) -> None:
        self.status = status
        self.site = site or _NO_TROUBLE
        self.bounced = bounced

    def encode(self) -> bytes:
        """The attributes of the frame."""
        if not self.site.status and not self.bounced and not self.status:
            return _ALL_WELL
        return ANSWER.encode(*self.site.fields(), self.status, self.bounced)


_WELL = Answer()
_ALL_WELL = ANSWER.encode(*Dsn().fields(), 0, 0)


def decode_answer(attrs: bytes) -> Answer:
    """The answer in a frame. AttrError: it is none."""
    if attrs == _ALL_WELL:
        return _WELL
    *site, status, bounced = ANSWER.decode(attrs)
    return Answer(status, Dsn.from_fields(site), bounced)
