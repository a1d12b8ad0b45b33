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
        a, a_us, b, b_us, c, c_us, d, d_us, e, e_us, count = _STATS.unpack(data)
        return cls(a + a_us / 1e6, b + b_us / 1e6, c + c_us / 1e6, d + d_us / 1e6, e + e_us / 1e6, count)


class Request:
    """One message for one destination; attributes are named as on the wire.

    size: bytes of content, what logs show; offset: of the first content record in the file.
    """

    __slots__ = (
        "encoding",
        "envelope_id",
        "flags",
        "log_client_address",
        "log_client_name",
        "log_client_port",
        "log_helo_name",
        "log_ident",
        "log_protocol_name",
        "nexthop",
        "offset",
        "queue_id",
        "queue_name",
        "recipients",
        "ret_flags",
        "rewrite_context",
        "sasl_method",
        "sasl_sender",
        "sasl_username",
        "sender",
        "sendopts",
        "size",
        "stats",
    )

    def __init__(
        self,
        queue_id: str,
        nexthop: str,
        sender: str,
        recipients: list[Recipient],
        *,
        flags: int = NORMAL,
        queue_name: str = "active",
        offset: int = 0,
        size: int = 0,
        encoding: str = "",
        sendopts: int = 0,
        envelope_id: str = "",
        ret_flags: int = 0,
        stats: Stats | None = None,
        log_client_name: str = "",
        log_client_address: str = "",
        log_client_port: str = "",
        log_protocol_name: str = "",
        log_helo_name: str = "",
        sasl_method: str = "",
        sasl_username: str = "",
        sasl_sender: str = "",
        log_ident: str = "",
        rewrite_context: str = "",
    ) -> None:
        self.queue_id = queue_id
        self.nexthop = nexthop
        self.sender = sender
        self.recipients = recipients
        self.flags = flags
        self.queue_name = queue_name
        self.offset = offset
        self.size = size
        self.encoding = encoding
        self.sendopts = sendopts
        self.envelope_id = envelope_id
        self.ret_flags = ret_flags
        self.stats = stats or Stats()
        self.log_client_name = log_client_name
        self.log_client_address = log_client_address
        self.log_client_port = log_client_port
        self.log_protocol_name = log_protocol_name
        self.log_helo_name = log_helo_name
        self.sasl_method = sasl_method
        self.sasl_username = sasl_username
        self.sasl_sender = sasl_sender
        self.log_ident = log_ident
        self.rewrite_context = rewrite_context

    def encode(self) -> tuple[bytes, bytes]:
        """Attributes and body of the frame."""
        return encode_request(
            self.recipients,
            self.flags,
            self.queue_name,
            self.queue_id,
            self.offset,
            self.size,
            self.nexthop,
            self.encoding,
            self.sendopts,
            self.sender,
            self.envelope_id,
            self.ret_flags,
            self.stats.encode(),
            self.log_client_name,
            self.log_client_address,
            self.log_client_port,
            self.log_protocol_name,
            self.log_helo_name,
            self.sasl_method,
            self.sasl_username,
            self.sasl_sender,
            self.log_ident,
            self.rewrite_context,
        )


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
    (
        flags,
        queue_name,
        queue_id,
        offset,
        size,
        nexthop,
        encoding,
        sendopts,
        sender,
        envelope_id,
        ret_flags,
        time,
        *log,
        recipient_count,
    ) = REQUEST.decode(attrs)
    recipients = [recipient_from_fields(row) for row in RECIPIENT.decode_all(body)]
    if len(recipients) != recipient_count:
        raise AttrError(f"{len(recipients)} recipients instead of {recipient_count}")
    return Request(
        queue_id,
        nexthop,
        sender,
        recipients,
        flags=flags,
        queue_name=queue_name,
        offset=offset,
        size=size,
        encoding=encoding,
        sendopts=sendopts,
        envelope_id=envelope_id,
        ret_flags=ret_flags,
        stats=Stats.decode(time),
        **dict(zip(_LOG_NAMES, log, strict=True)),
    )


_LOG_NAMES = [name for name, _ in REQUEST.fields[12:-1]]


class Answer:
    """What came of a request. site: why the whole destination is in trouble (status "": it is not)."""

    __slots__ = ("bounced", "site", "status")

    def __init__(self, status: int = 0, site: Dsn | None = None, bounced: int = 0) -> None:
        self.status = status
        self.site = site or Dsn()
        self.bounced = bounced

    def encode(self) -> bytes:
        """The attributes of the frame."""
        if not self.site.status and not self.bounced and not self.status:
            return _ALL_WELL
        return ANSWER.encode(*self.site.fields(), self.status, self.bounced)


_ALL_WELL = ANSWER.encode(*Dsn().fields(), 0, 0)


def decode_answer(attrs: bytes) -> Answer:
    """The answer in a frame. AttrError: it is none."""
    if attrs == _ALL_WELL:
        return Answer()
    *site, status, bounced = ANSWER.decode(attrs)
    return Answer(status, Dsn.from_fields(site), bounced)
