"""deliver - what qmgr asks of a delivery agent, and the answer

One frame is one request. Its attributes are what most messages of a client have in common, so that both ends
remember such a list in one piece; its body is what differs: NUMBERS, RECIPIENT_NUMBERS for each recipient, then words
with a NUL between them (WORDS, then RECIPIENT_WORDS for each recipient). The agent says in its greeting how many
requests it takes at once (`concurrency`). The answer is about the destination (a DSN whose status is not empty says
that the whole site is in trouble), then 0 or -1 (some recipients are deferred), then how many recipients were bounced,
so that qmgr knows without looking whether there is a log.

See also: ipc sheet section 3, delivery agents.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, NamedTuple

from pyfix.queue.file import Recipient
from pyfix.wire.attr import INT, LONG, STR, AttrError, Form

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

COMMON = Form(
    ("queue_name", STR),
    ("flags", INT),
    ("encoding", STR),
    ("sendopts", INT),
    ("ret_flags", INT),
    ("log_client_name", STR),
    ("log_client_address", STR),
    ("log_protocol_name", STR),
    ("log_helo_name", STR),
    ("sasl_method", STR),
    ("sasl_username", STR),
    ("sasl_sender", STR),
    ("rewrite_context", STR),
)
NUMBERS = struct.Struct(">qqddI")
"""Of a message: offset, size, when it arrived and became active in seconds since 1970, how many recipients."""
RECIPIENT_NUMBERS = struct.Struct(">qi")
"""Of a recipient: offset, notify_flags."""
WORDS = 6
"""Of a message: queue_id, nexthop, sender, envelope_id, log_client_port, log_ident."""
RECIPIENT_WORDS = 3
"""Of a recipient: original_recipient, recipient, dsn_orig_rcpt."""
REMEMBERED = 1000
"""Lists of attributes."""

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
ANSWER = Form(*DSN_FIELDS, ("status", INT), ("bounced", INT))


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


class Request(NamedTuple):
    """One message for one destination: what differs, then what is in COMMON, in its order.

    size: bytes of content, what logs show; offset: of the first content record in the file.
    """

    queue_id: str
    offset: int
    size: int
    nexthop: str
    sender: str
    envelope_id: str
    log_client_port: str
    log_ident: str
    stats: Stats
    recipients: list[Recipient]
    queue_name: str
    flags: int
    encoding: str
    sendopts: int
    ret_flags: int
    log_client_name: str
    log_client_address: str
    log_protocol_name: str
    log_helo_name: str
    sasl_method: str
    sasl_username: str
    sasl_sender: str
    rewrite_context: str

    def encode(self) -> tuple[bytes, bytes]:
        """Attributes and body of the frame; of the times, those that are no agent's."""
        stats = self.stats
        body = encode_body(*self[:8], stats.incoming_arrival, stats.active_arrival, self.recipients)
        return encode_common(*self[10:]), body


def encode_body(
    queue_id: str,
    offset: int,
    size: int,
    nexthop: str,
    sender: str,
    envelope_id: str,
    log_client_port: str,
    log_ident: str,
    incoming_arrival: float,
    active_arrival: float,
    recipients: list[Recipient],
) -> bytes:
    """The body of the frame. AttrError: NUL in a value, a number that no file has."""
    text = f"{queue_id}\0{nexthop}\0{sender}\0{envelope_id}\0{log_client_port}\0{log_ident}"
    try:
        numbers = NUMBERS.pack(offset, size, incoming_arrival, active_arrival, len(recipients))
        for to in recipients:
            numbers += RECIPIENT_NUMBERS.pack(to.offset, to.notify)
            text += f"\0{to.original}\0{to.address}\0{to.dsn_orig_rcpt}"
    except struct.error as error:
        raise AttrError(f"bad number in a request: {error}") from None
    if text.count("\0") != WORDS - 1 + RECIPIENT_WORDS * len(recipients):
        raise AttrError(f"NUL in a value of a request: {text[:200]!r}")
    return numbers + text.encode("utf-8", "surrogateescape")


@lru_cache(REMEMBERED)
def encode_common(*values: str | int) -> bytes:
    """The attributes of the frame: the values of COMMON, in its order. AttrError: NUL in one."""
    return COMMON.encode(*values)


@lru_cache(REMEMBERED)
def _decode_common(attrs: bytes) -> tuple[Any, ...]:
    return tuple(COMMON.decode(attrs))


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
    """The request in a frame. AttrError: it is none."""
    common = _decode_common(attrs)
    recipients = []
    try:
        offset, size, arrived, active, count = NUMBERS.unpack_from(body)
        end = NUMBERS.size + count * RECIPIENT_NUMBERS.size
        words = body[end:].decode("utf-8", "surrogateescape").split("\0")
        queue_id, nexthop, sender, envelope_id, port, ident = words[:WORDS]
        word = WORDS
        for at in range(NUMBERS.size, end, RECIPIENT_NUMBERS.size):
            place, notify = RECIPIENT_NUMBERS.unpack_from(body, at)
            recipients.append(Recipient(place, words[word + 1], words[word], words[word + 2], notify))
            word += RECIPIENT_WORDS
        if word != len(words):
            raise ValueError
    except (ValueError, IndexError, struct.error):
        raise AttrError(f"bad body of a request: {body[:200]!r}") from None
    before = queue_id, offset, size, nexthop, sender, envelope_id, port, ident, Stats(arrived, active), recipients
    return Request._make(before + common)


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
