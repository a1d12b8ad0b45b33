"""envelope - what a queue file says about its message, and who is still to get it

One read is enough for most messages; the content is jumped over. Recipients come in batches: the first with the
envelope, the next with read_recipients().

What Postfix's queue manager refuses raises CorruptQueueFile in its words; what it only warns of is in
Envelope.warnings, to be logged behind the queue id. Where a record comes more than once, the first counts, except
for encoding, filter, envelope id and ret flags: what comes after the content may overrule those.

See also: queue-file sheet section 4.
"""

from collections.abc import Callable
from typing import Final

from pyfix.queue.records import ATTRIBUTE_TYPES, CorruptQueueFile, Truncated
from pyfix.queue.walk import Walk

RECIPIENT_LIMIT = 5000  # recipients in one batch

MIXED_RECIPIENTS = 1  # qmgr_opts: recipient records stand among others
_KNOWN_OPTS = 31
_KNOWN_SENDOPTS = 63
_KNOWN_NOTIFY = range(1, 16)
_KNOWN_RET = range(1, 3)

_END, _PTR, _MESG, _ATTR = b"EpMA"
_RCPT, _DONE, _DRCP, _ORCP, _ORCPT, _NOTIFY = b"RD/Oon"


class Recipient:
    """A recipient still to do.

    offset: of its record in the file, for mark_done; address, original (before expansion, empty when not known):
    internal form; dsn_orig_rcpt: "type;xtext" or empty; notify: DSN bits NEVER 1, SUCCESS 2, FAILURE 4, DELAY 8.
    """

    __slots__ = ("address", "dsn_orig_rcpt", "notify", "offset", "original")

    def __init__(
        self, offset: int, address: str, original: str = "", dsn_orig_rcpt: str = "", notify: int = 0
    ) -> None:
        self.offset = offset
        self.address = address
        self.original = original
        self.dsn_orig_rcpt = dsn_orig_rcpt
        self.notify = notify

    def __repr__(self) -> str:
        return f"Recipient({self.offset}, {self.address!r}, {self.original!r}, {self.dsn_orig_rcpt!r}, {self.notify})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipient) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[int, str, str, str, int]:
        return self.offset, self.address, self.original, self.dsn_orig_rcpt, self.notify


class Envelope:
    """What a queue file says about its message.

    arrival: (seconds, microseconds); create_time: seconds, base of the expiry, 0 when unknown; content_size,
    content_offset, rcpt_count, qmgr_opts, content_len (the size= of logs), sendopts: the size record;
    attrs: all other attributes; recipients: the first batch of those still to do; rcpt_offset: where the
    next batch begins, 0 when there is none; rcpt_unread: how many the size record counts beyond those seen;
    done_count: recipients seen that are done with; warn_time: when to warn the sender of a delay, negative when that
    is done, at warn_offset (0: never); trace_flags at trace_offset; filter, inspect, redirect, verp: empty
    when there is none.
    """

    __slots__ = (
        "arrival",
        "attrs",
        "content_len",
        "content_offset",
        "content_size",
        "create_time",
        "done_count",
        "envelope_id",
        "filter",
        "full_name",
        "inspect",
        "qmgr_opts",
        "rcpt_count",
        "rcpt_offset",
        "rcpt_unread",
        "recipients",
        "redirect",
        "ret_flags",
        "sender",
        "sendopts",
        "trace_flags",
        "trace_offset",
        "verp",
        "warn_offset",
        "warn_time",
        "warnings",
    )

    def __init__(self) -> None:
        self.sender = ""
        self.arrival = (0, 0)
        self.create_time = 0
        self.content_size = 0
        self.content_offset = 0
        self.rcpt_count = 0
        self.qmgr_opts = 0
        self.content_len = 0
        self.sendopts = 0
        self.attrs: dict[str, str] = {}
        self.recipients: list[Recipient] = []
        self.rcpt_offset = 0
        self.rcpt_unread = 0
        self.done_count = 0
        self.warn_time = 0
        self.warn_offset = 0
        self.trace_flags = 0
        self.trace_offset = 0
        self.envelope_id = ""
        self.ret_flags = 0
        self.filter = ""
        self.inspect = ""
        self.redirect = ""
        self.verp = ""
        self.full_name = ""
        self.warnings: list[str] = []

    def logged(self, name: str) -> str:
        """What logs and tables show of the client: name is client_name, client_address, client_port, helo_name,
        protocol_name. Without log_ attributes (old files) the plain ones count."""
        if any(f"log_{each}" in self.attrs for each in _LOGGED):
            return self.attrs.get(f"log_{name}", "")
        return self.attrs.get(name, "")


_LOGGED: Final = ("client_name", "client_address", "client_port", "helo_name", "protocol_name")


def read_envelope(fd: int, recipient_limit: int = RECIPIENT_LIMIT) -> Envelope:
    """All of a queue file but its content. CorruptQueueFile, OSError."""
    scan = _Scan(Walk(fd), Envelope(), recipient_limit)
    scan.run()
    scan.check()
    return scan.envelope


def read_recipients(fd: int, envelope: Envelope, recipient_limit: int = RECIPIENT_LIMIT) -> list[Recipient]:
    """The next batch; rcpt_offset, rcpt_unread and done_count of the envelope go on. CorruptQueueFile, OSError."""
    if envelope.rcpt_offset == 0:
        return []
    scan = _Scan(Walk(fd, envelope.rcpt_offset), envelope, recipient_limit)
    scan.only_recipients = True
    envelope.rcpt_offset = 0
    envelope.recipients = []
    scan.run()
    return envelope.recipients


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


class _Scan:
    """One pass over the records of a file."""

    __slots__ = ("_seen", "_sender_seen", "_size_seen", "_walk", "envelope", "limit", "only_recipients", "pending")

    def __init__(self, walk: Walk, envelope: Envelope, limit: int) -> None:
        self._walk = walk
        self._seen = 0
        self._size_seen = self._sender_seen = False
        self.envelope = envelope
        self.limit = limit
        self.only_recipients = False
        self.pending = ["", "", 0]  # original, dsn_orig_rcpt, notify: of the next recipient

    def run(self) -> None:
        """From where the walk is to the end of the file, or to the end of a batch."""
        step = self._walk.next
        while True:
            try:
                offset, kind, data = step()
            except Truncated as error:
                raise CorruptQueueFile("message rejected: missing end record", error.offset) from error
            if kind == _END:
                return
            value = data
            if kind == _ATTR:
                kind, value = _attribute_type(data, offset)
            if kind in _RECIPIENT_RECORDS:
                if self.envelope.rcpt_offset == 0:
                    _RECIPIENT_RECORDS[kind](self, offset, value)
                    if kind == _RCPT and self._batch_is_full(offset):
                        return
            elif kind == _MESG:
                self._pass_content()
            elif not self.only_recipients and kind in _RECORDS:
                _RECORDS[kind](self, offset, value)

    def check(self) -> None:
        """CorruptQueueFile when something is missing that every message has."""
        if self.envelope.arrival[0] == 0:
            raise CorruptQueueFile("message rejected: missing arrival time record")
        if not self._sender_seen:
            raise CorruptQueueFile("message rejected: missing sender record")
        if not self._size_seen:
            raise CorruptQueueFile("message rejected: missing size record")

    def _batch_is_full(self, offset: int) -> bool:
        """After a recipient: whether to stop here. When it is full, what else there is gets read once."""
        envelope = self.envelope
        if len(envelope.recipients) < self.limit:
            return False
        envelope.rcpt_offset = self._walk.offset
        if self.only_recipients:
            return True
        if envelope.qmgr_opts & MIXED_RECIPIENTS:
            return False
        if offset > envelope.content_offset:
            return True
        self._walk.jump(envelope.content_offset + envelope.content_size)
        return False

    def _pass_content(self) -> None:
        envelope = self.envelope
        if envelope.content_offset:
            self._walk.jump(envelope.content_offset + envelope.content_size)
        elif self._size_seen:  # a very old size record does not say where
            envelope.content_offset = self._walk.offset
            offset = _end_of_content(self._walk)
            envelope.content_size = offset - envelope.content_offset

    def size(self, _: int, data: bytes) -> None:
        """The size record; only the first counts."""
        if self._size_seen:
            return
        numbers = _leading_numbers(data)
        if not numbers:
            raise CorruptQueueFile("message rejected: weird size record", 0)
        self._size_seen = True
        if len(numbers) == 1:
            return
        envelope = self.envelope
        size, offset, count, opts, length, sendopts = (*numbers, 0, 0, 0, 0)[:6]
        if size <= 0 or offset <= 0 or length < 0:
            raise CorruptQueueFile(f"invalid size record: {_text(data)[:100]}", 0)
        if opts & ~_KNOWN_OPTS:
            raise CorruptQueueFile(f"invalid flags in size record: {_text(data)[:100]}", 0)
        envelope.content_size, envelope.content_offset = size, offset
        envelope.rcpt_count = envelope.rcpt_unread = count
        envelope.qmgr_opts, envelope.content_len = opts, length or size
        envelope.sendopts = sendopts & _KNOWN_SENDOPTS

    def arrival(self, _: int, data: bytes) -> None:
        """Arrival time."""
        numbers = _leading_numbers(data)
        if self.envelope.arrival[0] == 0 and numbers:
            self.envelope.arrival = (numbers[0], numbers[1] if len(numbers) > 1 else 0)

    def create_time(self, _: int, data: bytes) -> None:
        """Time of the first file of this message."""
        numbers = _leading_numbers(data)
        if self.envelope.create_time == 0 and numbers:
            self.envelope.create_time = numbers[0]

    def sender(self, _: int, data: bytes) -> None:
        """Envelope sender."""
        if not self._sender_seen:
            self._sender_seen = True
            self.envelope.sender = _text(data)

    def warn(self, offset: int, data: bytes) -> None:
        """When to tell the sender of a delay."""
        if self.envelope.warn_offset == 0:
            self.envelope.warn_offset = offset
            self.envelope.warn_time = next(iter(_leading_numbers(data)), 0)

    def verp(self, _: int, data: bytes) -> None:
        """Delimiters for one sender address per recipient."""
        envelope = self.envelope
        if envelope.verp:
            return
        if not envelope.sender:
            envelope.warnings.append("ignoring VERP request for null sender")
        elif len(data) != 2:
            envelope.warnings.append(f'ignoring bad VERP request: "{_text(data)[:100]}"')
        else:
            envelope.verp = _text(data)

    def ret_flags(self, _: int, data: bytes) -> None:
        """How much of the message a report returns."""
        flags = _flags(data, _KNOWN_RET)
        if flags:
            self.envelope.ret_flags = flags
        else:
            text = f"ignoring malformed DSN RET flags in queue file record:{_text(data)[:100]}"
            self.envelope.warnings.append(text)

    def attribute(self, offset: int, data: bytes) -> None:
        """An attribute that has no record type of its own."""
        name, value = (_text(part.strip()) for part in data.split(b"=", 1))
        if name == "trace_flags":
            if self.envelope.trace_offset == 0:
                self.envelope.trace_offset = offset
                self.envelope.trace_flags = next(iter(_leading_numbers(value.encode("utf-8", "replace"))), 0)
        elif name == "encoding":
            self.envelope.attrs[name] = value
        else:
            self.envelope.attrs.setdefault(name, value)

    def recipient(self, offset: int, data: bytes) -> None:
        """A recipient still to do, with what was said about it before."""
        envelope, pending = self.envelope, self.pending
        envelope.rcpt_unread -= 1
        original, dsn_orig_rcpt, notify = pending
        envelope.recipients.append(Recipient(offset, _text(data), original, dsn_orig_rcpt, notify))  # type: ignore[arg-type]
        if notify or original or dsn_orig_rcpt:
            self.pending = ["", "", 0]

    def done(self, _: int, _data: bytes) -> None:
        """A recipient that is done with or taken away."""
        self.envelope.rcpt_unread -= 1
        self.envelope.done_count += 1
        self.pending = ["", "", 0]

    def original(self, _: int, data: bytes) -> None:
        """Address before expansion."""
        if self.pending[0]:
            self.envelope.warnings.append(f"ignoring out-of-order original recipient <{self.pending[0]:.200}>")
        self.pending[0] = _text(data)

    def dsn_orig_rcpt(self, _: int, data: bytes) -> None:
        """Address that the first sender used."""
        if self.pending[1]:
            text = f"ignoring out-of-order DSN original recipient address <{self.pending[1]:.200}>"
            self.envelope.warnings.append(text)
        self.pending[1] = _text(data)

    def notify(self, _: int, data: bytes) -> None:
        """When the sender wants a report."""
        if self.pending[2]:
            self.envelope.warnings.append(f"ignoring out-of-order DSN notify flags <{self.pending[2]}>")
        flags = _flags(data, _KNOWN_NOTIFY)
        if not flags:
            self.envelope.warnings.append(f"ignoring malformed DSN notify flags <{_text(data)[:200]}>")
        self.pending[2] = flags


_Handler = Callable[[_Scan, int, bytes], None]


def _set(name: str) -> _Handler:
    """A record whose text is one member of the envelope; the last one counts."""

    def handler(scan: _Scan, _: int, data: bytes) -> None:
        setattr(scan.envelope, name, _text(data))

    return handler


_RECIPIENT_RECORDS: Final[dict[int, _Handler]] = {
    _RCPT: _Scan.recipient,
    _DONE: _Scan.done,
    _DRCP: _Scan.done,
    _ORCP: _Scan.original,
    _ORCPT: _Scan.dsn_orig_rcpt,
    _NOTIFY: _Scan.notify,
}

_RECORDS: Final[dict[int, _Handler]] = {
    ord("C"): _Scan.size,
    ord("T"): _Scan.arrival,
    ord("c"): _Scan.create_time,
    ord("S"): _Scan.sender,
    ord("W"): _Scan.warn,
    ord("V"): _Scan.verp,
    ord("A"): _Scan.attribute,
    ord("<"): _Scan.ret_flags,
    ord("i"): _set("envelope_id"),
    ord("F"): _set("full_name"),
    ord("I"): _set("inspect"),
    ord("L"): _set("filter"),
    ord(">"): _set("redirect"),
}


def _attribute_type(data: bytes, offset: int) -> tuple[int, bytes]:
    """(type that the attribute stands for, value), or it stays as it is. CorruptQueueFile."""
    name, equals, value = data.partition(b"=")
    name = name.strip()
    if not equals or not name or b" " in name:
        reason = "missing attribute name" if not name else "missing '=' after attribute name"
        raise CorruptQueueFile(f"bad attribute record: {reason}: {_text(data)[:200]}", offset)
    kind = ATTRIBUTE_TYPES.get(name)
    return (_ATTR, data) if kind is None else (kind[0], value.strip())


def _leading_numbers(data: bytes) -> list[int]:
    """The decimal numbers at the beginning of a record."""
    numbers: list[int] = []
    for word in data.split():
        try:
            numbers.append(int(word))
        except ValueError:
            break
    return numbers


def _flags(data: bytes, known: range) -> int:
    """DSN bits; 0: malformed."""
    if data.isdigit() and len(data) < 10 and int(data) in known:
        return int(data)
    return 0


def _end_of_content(walk: Walk) -> int:
    """The offset of the record that ends the content; the walk is after it."""
    while True:
        offset, kind, _ = walk.next()
        if kind == ord("X"):
            return offset
