"""records - the records that queue files and submissions are made of

A record is one type byte, a length in groups of seven bits (least significant first, high bit
set while more follow) and that many bytes of data. No terminator, no padding.

Types are one-byte constants. One letter means two things: L is a content filter in the envelope and an
unterminated piece of text in the content.

See also: queue-file sheet section 4, postcat(1).
"""

import re
from collections.abc import Iterable, Iterator

SIZE = b"C"  # first record of a finished file, see size_record()
TIME = b"T"  # arrival, "SECONDS MICROSECONDS"
CTIME = b"c"  # creation of the first file of this message, seconds
FULL = b"F"  # full name of a local sender
INSP = b"I"  # obsolete inspector transport
FILT = b"L"  # content filter, "transport:nexthop"
FROM = b"S"  # envelope sender
DONE = b"D"  # recipient that is done with
RCPT = b"R"  # recipient still to do
ORCP = b"O"  # address before expansion, of the next recipient
DRCP = b"/"  # recipient that a filter removed
WARN = b"W"  # time of the delay warning
ATTR = b"A"  # "name=value"
KILL = b"K"  # record put out of use
RDR = b">"  # redirect all recipients to this address
FLGS = b"f"  # cleanup flags (wire only)
DELAY = b"d"  # delay (wire only)
MESG = b"M"  # the content begins
CONT = b"L"  # text without line end
NORM = b"N"  # text, a line end follows
DTXT = b"w"  # filler
XTRA = b"X"  # the content ends
RRTO = b"r"  # return receipt (old)
ERTO = b"e"  # errors to (old)
PRIO = b"P"  # priority (unused)
PTR = b"p"  # continue at this file offset; 0: go on
VERP = b"V"  # two delimiter characters
DSN_RET = b"<"
DSN_ENVID = b"i"
DSN_ORCPT = b"o"
DSN_NOTIFY = b"n"
MILT_COUNT = b"m"  # number of milters (wire only)
END = b"E"  # the file ends

NAMES = {  # as postcat shows them
    SIZE: "message_size",
    TIME: "message_arrival_time",
    CTIME: "queue_file_create_time",
    FULL: "sender_fullname",
    INSP: "content_inspector",
    FILT: "content_filter",
    FROM: "sender",
    DONE: "done_recipient",
    RCPT: "recipient",
    ORCP: "original_recipient",
    DRCP: "canceled_recipient",
    WARN: "warning_message_time",
    ATTR: "named_attribute",
    KILL: "killed_record",
    RDR: "redirect_to",
    FLGS: "flags",
    DELAY: "delay",
    MESG: "message_content",
    NORM: "regular_text",
    DTXT: "padding",
    XTRA: "extracted_info",
    RRTO: "return_receipt",
    ERTO: "errors_to",
    PRIO: "priority",
    PTR: "pointer_record",
    VERP: "verp_delimiters",
    DSN_RET: "dsn_return_flags",
    DSN_ENVID: "dsn_envelope_id",
    DSN_ORCPT: "dsn_original_recipient",
    DSN_NOTIFY: "dsn_notify_flags",
    MILT_COUNT: "milter_count",
    END: "message_end",
}
CONTENT_NAMES = NAMES | {CONT: "unterminated_text"}

ATTRIBUTE_TYPES = {  # attributes that stand for a record type of their own
    b"create_time": CTIME,
    b"ret_flags": DSN_RET,
    b"envelope_id": DSN_ENVID,
    b"dsn_orig_rcpt": DSN_ORCPT,
    b"notify_flags": DSN_NOTIFY,
}

SUBMITTER = "submitter_uid"
"""Attribute of a maildrop file that mail_owner owns: whom the postdrop service had it from. Ours, not Postfix's."""

# What may stand in each segment. The types in ..._END end it.
ENVELOPE = frozenset(b"MCTcFILSDRO/WVA>K<ionpw")
ENVELOPE_END = frozenset(b"M")
CONTENT = frozenset(b"XLNwp")
CONTENT_END = frozenset(b"X")
EXTRACTED = frozenset(b"EDRO/PreAFIL>Konpw")
EXTRACTED_END = frozenset(b"E")
RECIPIENT = frozenset(b"DRO/Kon")
SUBMITTED_ENVELOPE = frozenset(b"MCFSRVAin")  # what a local user may send to postdrop
SUBMITTED_CONTENT = frozenset(b"XLN")
SUBMITTED_EXTRACTED = frozenset(b"EAR")

_NUMBER = re.compile(rb"\s*[+-]?[0-9]{1,18}")
_SPACE = frozenset(b" \t\n\v\f\r")
_BLANK, _TAB = b" \t"

POINTER_SIZE = 17  # bytes of a whole pointer record
SIZE_SIZE = 97  # bytes of a whole size record


class CorruptQueueFile(Exception):
    """These bytes are no queue file. offset: where the bad record begins, in bytes (None: unknown)."""

    def __init__(self, text: str, offset: int | None = None) -> None:
        super().__init__(text)
        self.offset = offset


class Truncated(CorruptQueueFile):
    """The bytes end inside a record; with more of them it may be whole."""


def _length(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_LENGTHS = tuple(_length(number) for number in range(2049))
_TEXT_HEADS = tuple(NORM + length for length in _LENGTHS)
_BYTES = tuple(bytes((number,)) for number in range(256))


def encode(kind: bytes, data: bytes = b"") -> bytes:
    """One record. kind: a constant of this module."""
    size = len(data)
    return kind + (_LENGTHS[size] if size <= 2048 else _length(size)) + data


def encode_all(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Records one after the other, from (type, data) pairs."""
    return b"".join([encode(kind, data) for kind, data in records])


def encode_text(lines: list[bytes]) -> bytes:
    """Lines (without line end) as text records, in bulk: 55 lines in 3 us."""
    parts = [b""] * (2 * len(lines))
    try:
        parts[::2] = map(_TEXT_HEADS.__getitem__, map(len, lines))
    except IndexError:
        parts[::2] = [NORM + _length(len(line)) for line in lines]
    parts[1::2] = lines
    return b"".join(parts)


def encode_rows(rows: bytearray, width: int) -> bytes | bytearray:
    """Lines of one length below 128 as text records, in place.

    rows: two bytes of any value before each line; width: bytes of a line with these.
    """
    count = len(rows) // width
    rows[::width] = NORM * count
    rows[1::width] = _LENGTHS[width - 2] * count
    return rows


def encode_line(line: bytes, limit: int) -> bytes:
    """One line of any length: pieces of up to `limit` bytes (line_length_limit), only the last one ended."""
    last = max(len(line) - 1, 0) // limit * limit
    pieces = [encode(CONT, line[at : at + limit]) for at in range(0, last, limit)]
    return b"".join([*pieces, encode(NORM, line[last:])])


def attribute(name: str, value: str) -> bytes:
    """A named attribute as a record."""
    data = f"{name}={value}".encode("utf-8", "surrogateescape")
    size = len(data)
    return ATTR + (_LENGTHS[size] if size <= 2048 else _length(size)) + data


def attributes(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Named attributes as records, those without a value left out."""
    parts: list[bytes] = []
    for name, value in pairs:
        if value:
            data = f"{name}={value}".encode("utf-8", "surrogateescape")
            size = len(data)
            parts += (ATTR, _LENGTHS[size] if size <= 2048 else _length(size), data)
    return b"".join(parts)


def split_attribute(data: bytes) -> tuple[bytes, bytes]:
    """(name, value) of a named attribute, without white space around them. ValueError: it is none.

    It ends at a NUL, as Postfix's strings do.
    """
    if 0 in data:
        data = data.partition(b"\0")[0]
    name, equals, value = data.partition(b"=")
    name = name.strip()
    if not name:
        raise ValueError("missing attribute name")
    if not equals or _BLANK in name or _TAB in name:
        raise ValueError("missing '=' after attribute name")
    return name, value.strip()


def pointer_record(target: int = 0) -> bytes:
    """Reading continues at the file offset `target`; 0 is a place holder."""
    return encode(PTR, b"%15d" % target)


def size_record(
    content_size: int = 0,
    content_offset: int = 0,
    rcpt_count: int = 0,
    qmgr_opts: int = 0,
    content_len: int = 0,
    sendopts: int = 0,
) -> bytes:
    """The first record of a file, always 97 bytes: written empty, overwritten when the file is finished.

    content_size: bytes of the content records as first written, M and X not included; content_offset:
    where the first of them is; qmgr_opts: 1 when recipient records stand among others, with the DSN notify
    bits shifted left by one; content_len: bytes now (0: content_size), what logs show as size=.
    """
    numbers = (content_size, content_offset, rcpt_count, qmgr_opts, content_len or content_size, sendopts)
    return _SIZE_HEAD + b"%15d %15d %15d %15d %15d %15d" % numbers


_SIZE_HEAD = SIZE + _LENGTHS[SIZE_SIZE - 2]


def decode(buf: bytes | bytearray | memoryview, at: int) -> tuple[int, int, int]:
    """The record at `at`: (type as a number, first byte of data, first byte after it).

    Truncated: more bytes are needed. CorruptQueueFile: this can't become a record.
    """
    try:
        kind, size = buf[at], buf[at + 1]
        start = at + 2
        if size > 127:
            size, start = _long_length(buf, at)
    except IndexError:
        text = "unexpected EOF reading length" + (f", record type {buf[at]}" if at < len(buf) else "")
        raise Truncated(text, at) from None
    end = start + size
    if end > len(buf):
        raise Truncated(f"unexpected EOF in data, record type {kind} length {size}", at)
    return kind, start, end


def _long_length(buf: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """(length, where the data begins) of the record at `at`."""
    size = shift = 0
    start = at + 1
    while True:
        if shift >= 32:
            raise CorruptQueueFile(f"too many length bits, record type {buf[at]}", at)
        group = buf[start]
        size |= (group & 127) << shift
        start += 1
        if group < 128:
            break
        shift += 7
    if size > 0x7FFFFFFF:
        raise CorruptQueueFile(f"illegal length {size - (1 << 32)}, record type {buf[at]}", at)
    return size, start


def iterate(buf: bytes, at: int = 0) -> Iterator[tuple[int, bytes, bytes]]:
    """(offset, type, data) of each record in `buf` from `at` on. Pointers are not followed.

    Truncated comes after the last whole record, with the offset of the one that is cut off.
    """
    end = len(buf)
    while at < end:
        kind, start, after = decode(buf, at)
        yield at, _BYTES[kind], buf[start:after]
        at = after


def leading_numbers(data: bytes, count: int = -1) -> list[int]:
    """The decimal numbers at the beginning of a record, read as C does: "7x 8" is [7].

    count: how many are wanted; more may come. -1: all.
    """
    words = data.split(None, count)
    if count > 0:
        del words[count:]
    if b"".join(words).isdigit() and max(map(len, words)) < 19:
        return list(map(int, words))
    numbers: list[int] = []
    at = 0
    while found := _NUMBER.match(data, at):
        numbers.append(int(found[0]))
        at = found.end()
        if at < len(data) and data[at] not in _SPACE:
            break
    return numbers
