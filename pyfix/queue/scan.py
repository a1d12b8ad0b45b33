"""scan - fill an envelope from a queue file

One read is enough for most messages; the content is jumped over. Recipients come in batches: the
first with the envelope, the next with read_recipients(). What each record does stands in a table;
there is one for each stage of reading.

What Postfix's queue manager refuses raises CorruptQueueFile in its words; what it only warns of is in
Envelope.warnings, to be logged behind the queue id. Where a record comes more than once the first
counts, except for encoding, filter, envelope id and ret flags: what comes after the content may
overrule those.

See also: queue-file sheet section 4.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from pyfix.queue.envelope import Envelope, Recipient
from pyfix.queue.records import (
    ATTRIBUTE_TYPES,
    CorruptQueueFile,
    Truncated,
    leading_numbers,
    split_attribute,
)
from pyfix.queue.sendopts import KNOWN
from pyfix.queue.usual import split_file, usual_envelope
from pyfix.queue.walk import JUMPS, Walk

RECIPIENT_LIMIT = 5000  # recipients in one batch

MIXED_RECIPIENTS = 1  # qmgr_opts: recipient records stand among others
_KNOWN_OPTS = 31
_KNOWN_NOTIFY = range(1, 16)
_KNOWN_RET = range(1, 4)

_ATTR = ord("A")
_XTRA = ord("X")


def read_envelope(fd: int, recipient_limit: int = RECIPIENT_LIMIT) -> Envelope:
    """All of a queue file but its content. CorruptQueueFile, OSError."""
    walk = Walk(fd)
    usual = usual_envelope(*split_file(walk.window()[0]))
    if usual is not None and recipient_limit > 1:
        return usual
    scan = _Scan(walk, Envelope(), recipient_limit, _EVERYTHING)
    scan.run()
    scan.check()
    return scan.envelope


def read_recipients(fd: int, envelope: Envelope, recipient_limit: int = RECIPIENT_LIMIT) -> list[Recipient]:
    """The next batch. CorruptQueueFile, OSError.

    recipients, rcpt_offset, rcpt_unread and done_count of the envelope change.
    """
    envelope.recipients = []
    if envelope.rcpt_offset == 0:
        return []
    walk = Walk(fd, envelope.rcpt_offset)
    envelope.rcpt_offset = 0
    _Scan(walk, envelope, recipient_limit, _RECIPIENTS).run()
    return envelope.recipients


def _text(data: bytes) -> str:
    """Up to a NUL, where Postfix's strings end."""
    if 0 in data:
        data = data.partition(b"\0")[0]
    return data.decode("utf-8", "surrogateescape")


class _Scan:
    """One pass over the records of a file. Handlers return True to stop."""

    __slots__ = (
        "dsn_orig_rcpt",
        "envelope",
        "limit",
        "notify",
        "original",
        "sender_seen",
        "size_seen",
        "table",
        "walk",
    )

    def __init__(self, walk: Walk, envelope: Envelope, limit: int, table: "_Table") -> None:
        self.walk = walk
        self.envelope = envelope
        self.limit = limit
        self.table = table
        self.size_seen = self.sender_seen = False
        self.original = self.dsn_orig_rcpt = ""  # of the next recipient
        self.notify = 0

    def run(self) -> None:
        """From where the walk is to the end of the file, or to the end of a batch."""
        try:
            while not self._run_in_memory():
                offset, kind, data = self.walk.next()  # what the loop in memory leaves: cut off, long, a pointer
                if kind == _ATTR:
                    kind, data = self._attribute(offset, data)
                handler = self.table.get(kind)
                if handler is not None and handler(self, offset, data):
                    return
        except Truncated as error:
            raise CorruptQueueFile("message rejected: missing end record", error.offset) from error

    def _run_in_memory(self) -> bool:
        """Take the plain records that are in memory, as far as the walk stays there; True: that was all.

        The same as walk.next() in a loop, with as few steps as may be for records of under 128 bytes.
        """
        walk = self.walk
        buf, at, base = walk.window()
        last = len(buf) - 1
        keep = ({} if self.table is _RECIPIENTS else self.envelope.attrs).setdefault
        while at < last:
            kind = buf[at]
            end = at + 2 + buf[at + 1]
            if kind == _ATTR:
                pair = _plain(buf[at:end])
                if pair is not None:
                    keep(*pair)
                    at = end
                    continue
            if buf[at + 1] > 127 or end > last + 1 or kind in JUMPS:
                break
            data = buf[at + 2 : end]
            if kind == _ATTR:
                kind, data = self._attribute(base + at, data)
            handler = self.table.get(kind)
            if kind in _MOVING:
                walk.skip_to(end)
                if handler is not None and handler(self, base + at, data):
                    return True
                buf, at, base = walk.window()
                last = len(buf) - 1
            else:
                if handler is not None:
                    handler(self, base + at, data)
                at = end
        walk.skip_to(at)
        return False

    def _attribute(self, offset: int, data: bytes) -> tuple[int, bytes]:
        """Note an attribute; (type, data) of the record that it stands for. CorruptQueueFile."""
        try:
            name, value = split_attribute(data)
        except ValueError as error:
            text = f"bad attribute record: {error}: {_text(data)[:200]}"
            raise CorruptQueueFile(text, offset) from None
        kind = ATTRIBUTE_TYPES.get(name)
        if kind is not None:
            return kind[0], value
        if self.table is not _RECIPIENTS:
            self.attribute(offset, _text(name), _text(value))
        return _ATTR, b""

    def check(self) -> None:
        """CorruptQueueFile when something is missing that every message has."""
        if self.envelope.arrival[0] == 0:
            raise CorruptQueueFile("message rejected: missing arrival time record")
        if not self.sender_seen:
            raise CorruptQueueFile("message rejected: missing sender record")
        if not self.size_seen:
            raise CorruptQueueFile("message rejected: missing size record")

    def attribute(self, offset: int, name: str, value: str) -> None:
        """An attribute that has no record type of its own."""
        envelope = self.envelope
        if name == "trace_flags":
            if envelope.trace_offset == 0:
                envelope.trace_offset = offset
                envelope.trace_flags = _number(value.encode("utf-8", "replace"))
        elif name == "encoding":
            envelope.attrs[name] = value
        else:
            envelope.attrs.setdefault(name, value)


_SPECIAL = frozenset({b"trace_flags", b"encoding"})
_Handler = Callable[[_Scan, int, bytes], bool]
_Table = dict[int, _Handler]


def _end(_scan: _Scan, _offset: int, _data: bytes) -> bool:
    return True


def _content(scan: _Scan, _offset: int, _data: bytes) -> bool:
    envelope = scan.envelope
    if envelope.content_offset:
        end = envelope.content_offset + envelope.content_size
        if scan.walk.offset > end:  # going back would never end
            raise CorruptQueueFile("message rejected: content after content", scan.walk.offset)
        scan.walk.jump(end)
    elif scan.size_seen:  # a very old size record does not say where
        envelope.content_offset = scan.walk.offset
        envelope.content_size = _end_of_content(scan.walk) - envelope.content_offset
    return False


def _end_of_content(walk: Walk) -> int:
    """The offset of the record that ends the content; the walk is after it."""
    while True:
        offset, kind, _ = walk.next()
        if kind == _XTRA:
            return offset


def _size(scan: _Scan, _offset: int, data: bytes) -> bool:
    if scan.size_seen:
        return False
    numbers = leading_numbers(data)
    if not numbers:
        raise CorruptQueueFile("message rejected: weird size record", 0)
    scan.size_seen = True
    envelope = scan.envelope
    size, offset, count, opts, length, sendopts = (*numbers, 0, 0, 0, 0, 0)[:6]
    if len(numbers) == 1:
        offset = 1  # very old: _content() finds out
    if size <= 0 or offset <= 0 or length < 0:
        raise CorruptQueueFile(f"invalid size record: {_text(data)[:100]}", 0)
    if opts & ~_KNOWN_OPTS:
        raise CorruptQueueFile(f"invalid flags in size record: {_text(data)[:100]}", 0)
    envelope.content_size, envelope.content_len = size, length or size
    envelope.content_offset = offset if len(numbers) > 1 else 0
    envelope.rcpt_count = count
    envelope.rcpt_unread += count
    envelope.qmgr_opts, envelope.sendopts = opts, sendopts & KNOWN
    return False


def _arrival(scan: _Scan, _offset: int, data: bytes) -> bool:
    if scan.envelope.arrival[0] == 0:
        seconds, microseconds = (*leading_numbers(data), 0, 0)[:2]
        scan.envelope.arrival = (seconds, microseconds)
    return False


def _create_time(scan: _Scan, _offset: int, data: bytes) -> bool:
    scan.envelope.create_time = scan.envelope.create_time or _number(data)
    return False


def _sender(scan: _Scan, _offset: int, data: bytes) -> bool:
    if not scan.sender_seen:
        scan.sender_seen = True
        scan.envelope.sender = _text(data)
    return False


def _warn(scan: _Scan, offset: int, data: bytes) -> bool:
    if scan.envelope.warn_offset == 0:
        scan.envelope.warn_offset = offset
        scan.envelope.warn_time = _number(data)
    return False


def _verp(scan: _Scan, _offset: int, data: bytes) -> bool:
    envelope = scan.envelope
    if envelope.verp:
        return False
    if not envelope.sender:
        envelope.warnings.append("ignoring VERP request for null sender")
    elif len(data) != 2:
        envelope.warnings.append(f'ignoring bad VERP request: "{_text(data)[:100]}"')
    else:
        envelope.verp = _text(data)
    return False


def _ret_flags(scan: _Scan, _offset: int, data: bytes) -> bool:
    flags = _flags(data, _KNOWN_RET)
    if flags:
        scan.envelope.ret_flags = flags
    else:
        text = f"ignoring malformed DSN RET flags in queue file record:{_text(data)[:100]}"
        scan.envelope.warnings.append(text)
    return False


def _last(name: str) -> _Handler:
    """A record whose text is a member of the envelope; the last one counts."""

    def handler(scan: _Scan, _offset: int, data: bytes) -> bool:
        setattr(scan.envelope, name, _text(data))
        return False

    return handler


def _recipient(scan: _Scan, offset: int, data: bytes) -> bool:
    envelope = scan.envelope
    envelope.rcpt_unread -= 1
    recipients = envelope.recipients
    recipients.append(Recipient(offset, _text(data), scan.original, scan.dsn_orig_rcpt, scan.notify))
    scan.original = scan.dsn_orig_rcpt = ""
    scan.notify = 0
    return len(recipients) >= scan.limit and _end_batch(scan, offset)


def _end_batch(scan: _Scan, offset: int) -> bool:
    """A batch is full: stop here, or go on for what else there is, without recipients."""
    envelope = scan.envelope
    envelope.rcpt_offset = scan.walk.offset
    if scan.table is _RECIPIENTS:
        return True
    scan.table = _THE_REST
    if envelope.qmgr_opts & MIXED_RECIPIENTS or not envelope.content_offset:
        return False
    if offset > envelope.content_offset:
        return True
    scan.walk.jump(envelope.content_offset + envelope.content_size)
    return False


def _done(scan: _Scan, _offset: int, _data: bytes) -> bool:
    scan.envelope.rcpt_unread -= 1
    scan.envelope.done_count += 1
    scan.original = scan.dsn_orig_rcpt = ""
    scan.notify = 0
    return False


def _original(scan: _Scan, _offset: int, data: bytes) -> bool:
    if scan.original:
        scan.envelope.warnings.append(f"ignoring out-of-order original recipient <{scan.original:.200}>")
    scan.original = _text(data)
    return False


def _dsn_orig_rcpt(scan: _Scan, _offset: int, data: bytes) -> bool:
    if scan.dsn_orig_rcpt:
        text = f"ignoring out-of-order DSN original recipient address <{scan.dsn_orig_rcpt:.200}>"
        scan.envelope.warnings.append(text)
    scan.dsn_orig_rcpt = _text(data)
    return False


def _notify(scan: _Scan, _offset: int, data: bytes) -> bool:
    if scan.notify:
        scan.envelope.warnings.append(f"ignoring out-of-order DSN notify flags <{scan.notify}>")
    scan.notify = _flags(data, _KNOWN_NOTIFY)
    if not scan.notify:
        scan.envelope.warnings.append(f"ignoring malformed DSN notify flags <{_text(data)[:200]}>")
    return False


_RECIPIENTS: Final[_Table] = {
    ord("E"): _end,
    ord("M"): _content,
    ord("R"): _recipient,
    ord("D"): _done,
    ord("/"): _done,
    ord("O"): _original,
    ord("o"): _dsn_orig_rcpt,
    ord("n"): _notify,
}
"""For the second batch and those after it."""

_THE_REST: Final[_Table] = {
    ord("E"): _end,
    ord("M"): _content,
    ord("C"): _size,
    ord("T"): _arrival,
    ord("c"): _create_time,
    ord("S"): _sender,
    ord("W"): _warn,
    ord("V"): _verp,
    ord("<"): _ret_flags,
    ord("i"): _last("envelope_id"),
    ord("F"): _last("full_name"),
    ord("I"): _last("inspect"),
    ord("L"): _last("filter"),
    ord(">"): _last("redirect"),
}
"""For what is left when the first batch is full."""

_EVERYTHING: Final[_Table] = _THE_REST | _RECIPIENTS
_MOVING = frozenset(b"EMR")
"""Records whose handlers may stop, move the walk, or change the table."""


@lru_cache(maxsize=2048)  # most attributes of a message are those of the message before
def _plain(record: bytes) -> tuple[str, str] | None:
    """Name and value of an attribute that is kept by its name; None: it is more than that, odd, long, or cut off."""
    if len(record) != 2 + record[1] or record[1] > 127:
        return None
    try:
        name, value = split_attribute(record[2:])
    except ValueError:
        return None
    return None if name in ATTRIBUTE_TYPES or name in _SPECIAL else (_text(name), _text(value))


def _number(data: bytes) -> int:
    """The first number of a record; 0 when there is none."""
    if data.isdigit() and len(data) < 19:
        return int(data)
    return (*leading_numbers(data), 0)[0]


def _flags(data: bytes, known: range) -> int:
    """DSN bits; 0: malformed."""
    if data.isdigit() and len(data) < 10 and int(data) in known:
        return int(data)
    return 0
