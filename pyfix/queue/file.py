"""file - a queue file as its readers see it: envelope, content, marks in place

The envelope is read by read_envelope() and read_recipients() (scan.py), the content in bulk by
content_bytes() or content_chunks(), record by record by read_content().

Marks change one byte, or one record of fixed length, in place:

| operation   | before             | after                     | lost by a crash          |
|-------------|--------------------|---------------------------|--------------------------|
| mark_done   | R, recipient to do | D                         | the recipient gets two   |
| mark_warned | W, time of warning | W, the same time negative | the sender gets two      |
| kill_record | any record         | K                         | one more report          |

Builders (cleanup, postdrop) make the records themselves (records.py) and call make_durable() of batch.py.
"""

import os
from collections.abc import Iterator

from pyfix.mail.error import Retry
from pyfix.queue.envelope import Envelope, Recipient
from pyfix.queue.records import DONE, KILL, NORM, RCPT, CorruptQueueFile, Truncated, decode
from pyfix.queue.scan import read_envelope, read_recipients
from pyfix.queue.walk import CHUNK, Walk, pointer_target

__all__ = [
    "CorruptQueueFile",
    "Envelope",
    "Recipient",
    "content_bytes",
    "content_chunks",
    "kill_record",
    "mark_done",
    "mark_warned",
    "read_content",
    "read_envelope",
    "read_recipients",
]

_NORM, _CONT, _XTRA, _PTR, _DTXT = b"NLXpw"
_CONTENT = frozenset(b"NLXpw")
_BIG_CHUNK = 1 << 20
_JUMP_LIMIT = 10000
_MANY = 1024  # bytes from which on it pays to look whether lines are of one length
_TRIES = 4  # how often in one piece
_EMPTY = -1


def read_content(fd: int, offset: int) -> Iterator[tuple[bytes, bytes]]:
    """(NORM or CONT, data) of each piece of text. offset: the envelope's content_offset. CorruptQueueFile."""
    walk = Walk(fd, offset)
    while True:
        at, kind, data = walk.next()
        if kind == _XTRA:
            return
        if kind not in _CONTENT:
            raise CorruptQueueFile(f"bad record type: {kind} in message content", at)
        yield bytes((kind,)), data


def content_bytes(fd: int, offset: int, eol: bytes = b"\n") -> bytes:
    """The whole content with this line end, none behind a last line that had none. CorruptQueueFile, Retry."""
    return b"".join(content_chunks(fd, offset, eol))


def content_chunks(fd: int, offset: int, eol: bytes = b"\n") -> Iterator[bytes]:
    """The content in pieces of up to about 1 MB, cut anywhere. offset: content_offset.

    CorruptQueueFile. Retry: the disk; no OSError, which would be taken for trouble where the content goes.
    """
    size, jumps = CHUNK, 0
    while True:
        try:
            buf = os.pread(fd, size, offset)
        except OSError as error:
            raise Retry(f"error reading message: {error.strerror}") from error
        pieces: list[bytes] = []
        at, kind = _text_pieces(buf, eol, pieces)
        text = b"".join(pieces)
        if text:
            yield text
        if kind == _XTRA:
            return
        if kind == _PTR:
            jumps += 1
            offset = _jump(buf, at, offset, jumps)
            continue
        if len(buf) < size:
            raise Truncated("message rejected: missing end record", offset + at)
        offset += at
        size = _BIG_CHUNK if at else size * 2


def _jump(buf: bytes, at: int, base: int, jumps: int) -> int:
    """Where the pointer record at `at` leads."""
    _, start, end = decode(buf, at)
    if jumps > _JUMP_LIMIT:
        raise CorruptQueueFile("too many reverse jump records", base + at)
    return pointer_target(buf[start:end], base + at) or base + end


def _text_pieces(buf: bytes, eol: bytes, pieces: list[bytes]) -> tuple[int, int]:
    """Append the text of the whole records in `buf`; (where it stopped, the type it stopped at or 0)."""
    at, kind, tries = 0, 0, _TRIES
    lines: list[bytes] = []
    while True:
        if tries and len(buf) - at >= _MANY:
            tries -= 1
            at = _rows(buf, at, eol, lines)
        at, kind = _text_lines(buf, at, lines, until_empty=tries > 0)
        if kind == _EMPTY:
            continue
        if kind != _CONT:
            break
        _, start, at = decode(buf, at)
        pieces.append(eol.join([*lines, buf[start:at]]))
        lines.clear()
    lines.append(b"")
    pieces.append(eol.join(lines))
    return at, kind


def _rows(buf: bytes, at: int, eol: bytes, lines: list[bytes]) -> int:
    """Append the lines of one length that begin at `at`, if they are many, as one; where they end.

    An attachment is made of such lines: heads that look alike at equal distances are heads.
    """
    length = buf[at + 1]
    if buf[at] != _NORM or not 0 < length < 128 or not 0 < len(eol) < 3:
        return at
    width = length + 2
    if buf[at + width : at + width + 2] != buf[at : at + 2]:
        return at
    count = (len(buf) - at) // width
    for offset, byte in ((0, NORM), (1, buf[at + 1 : at + 2])):
        heads = buf[at + offset : at + count * width : width]
        if heads != byte * count:
            count = len(heads) - len(heads.lstrip(byte))
    end = at + count * width
    if end - at < _MANY:
        return at
    text = bytearray(buf[at:end])
    if len(eol) == 1:
        del text[::width]
        text[:: width - 1] = eol * count
    else:
        text[::width], text[1::width] = eol[:1] * count, eol[1:] * count
    lines.append(bytes(text[len(eol) :]))
    return end


def _text_lines(buf: bytes, at: int, lines: list[bytes], *, until_empty: bool) -> tuple[int, int]:
    """Append the whole lines in `buf` from `at` on; (where it stopped, the type it stopped at or 0).

    until_empty: stop behind an empty line too, with the type _EMPTY.
    """
    begin = at
    try:
        while True:
            kind, length = buf[at], buf[at + 1]
            begin = at
            if kind == _NORM and length < 128:
                at += 2 + length
                lines.append(buf[begin + 2 : at])
                if not length and until_empty:
                    return at, _EMPTY
                continue
            _, start, end = decode(buf, at)
            if kind == _NORM:
                lines.append(buf[start:end])
            elif kind != _DTXT:
                if kind not in _CONTENT:
                    raise CorruptQueueFile(f"bad record type: {kind} in message content")
                return at, kind
            at = end
    except (IndexError, Truncated):
        if at > len(buf):  # the last line is cut off
            lines.pop()
            return begin, 0
        return at, 0


def mark_done(fd: int, offset: int) -> None:
    """Mark the recipient whose record is at `offset` as done with. ValueError: it is none. OSError."""
    if os.pread(fd, 1, offset) not in (RCPT, DONE):
        raise ValueError(f"no recipient record at offset {offset}")
    os.pwrite(fd, DONE, offset)


def mark_warned(fd: int, envelope: Envelope) -> None:
    """Note that the sender has been told of the delay, so that it happens once. OSError."""
    if envelope.warn_offset and envelope.warn_time > 0:
        os.pwrite(fd, b"%15d" % -envelope.warn_time, envelope.warn_offset + 2)
        envelope.warn_time = -envelope.warn_time


def kill_record(fd: int, offset: int) -> None:
    """Put the record at `offset` out of use, such as trace_flags after the report. OSError."""
    os.pwrite(fd, KILL, offset)
