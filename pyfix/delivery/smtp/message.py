"""message - the text of a message as it goes over the wire

Lines end with CRLF, dots at their beginning are doubled, lines that are too long are broken (CRLF
and a space), 8-bit text is made quoted-printable for servers that don't take it. All in bulk.

Parameters: smtp_line_length_limit, disable_mime_output_conversion.
Sources: smtp(8) (flags), RFC 5321 section 4.5.2, RFC 6152.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pyfix.mail.address import quote
from pyfix.mail.downgrade import downgrade
from pyfix.queue.file import Recipient, content_bytes, content_chunks
from pyfix.wire.smtp_client import stuff


class Text:
    """One message.

    line_limit: bytes without CRLF, 0 for any number; broken: called when the first line is broken;
    head: lines in front, each with CRLF.
    """

    def __init__(self, fd: int, offset: int, *, line_limit: int, broken: Callable[[], None], head: bytes = b"") -> None:
        self._fd = fd
        self._offset = offset
        self._limit = line_limit
        self._broken = broken
        self._head = head

    def wire(self, *, seven_bit: bool = False) -> Iterator[bytes]:
        """All of it in pieces, without the last dot. seven_bit: convert it. CorruptQueueFile."""
        before = b"\n"
        for chunk in self._lines(seven_bit=seven_bit):
            yield stuff(chunk, before)
            before = chunk[-1:]
        if before != b"\n":
            yield b"\r\n"

    def _lines(self, *, seven_bit: bool) -> Iterator[bytes]:
        """Pieces that end with a line end, but for the last one."""
        rest = b""
        for chunk in self._chunks(seven_bit=seven_bit):
            text, end, rest = (rest + chunk).rpartition(b"\n")
            if end:
                yield self._break(text + end)
        if rest:
            yield self._break(rest)

    def _chunks(self, *, seven_bit: bool) -> Iterator[bytes]:
        if self._head:
            yield self._head
        if seven_bit:
            yield downgrade(content_bytes(self._fd, self._offset)).replace(b"\n", b"\r\n")
        else:
            yield from content_chunks(self._fd, self._offset, b"\r\n")

    def _break(self, text: bytes) -> bytes:
        lines = text.split(b"\r\n")
        if not self._limit or max(map(len, lines)) <= self._limit:
            return text
        self._broken()
        return b"\r\n".join([broken_line(line, self._limit) for line in lines])


def broken_line(line: bytes, limit: int) -> bytes:
    """A line in pieces of at most `limit` bytes, the space in front of each but the first included."""
    if len(line) <= limit:
        return line
    rest = max(limit - 1, 1)
    return b"\r\n ".join([line[:limit], *[line[at : at + rest] for at in range(limit, len(line), rest)]])


def head(flags: str, sender: str, recipient: Recipient) -> bytes:
    """The lines that flags=DOR of master.cf put in front."""
    lines = []
    if "R" in flags:
        lines.append(f"Return-Path: <{quote(sender)}>\r\n")
    if "O" in flags and recipient.original:
        lines.append(f"X-Original-To: {quote(recipient.original)}\r\n")
    if "D" in flags:
        lines.append(f"Delivered-To: {quote(recipient.address)}\r\n")
    return "".join(lines).encode("utf-8", "surrogateescape")
