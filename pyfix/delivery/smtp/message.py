"""message - the text of a message as it goes over the wire

Lines end with CRLF, dots at their beginning are doubled, lines that are too long are broken (CRLF
and a space), 8-bit text is made quoted-printable for servers that don't take it. All in bulk.

Parameters: smtp_line_length_limit, disable_mime_output_conversion.
Sources: smtp(8) (flags), RFC 5321 section 4.5.2, RFC 6152.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import chain

from pyfix.mail.address import quote
from pyfix.mail.downgrade import downgrade
from pyfix.mail.headers import split_head
from pyfix.queue.file import Recipient, content_chunks
from pyfix.wire.smtp_client import stuff


class Text:
    """One message, to be sent once.

    seven_bit: convert it; line_limit: bytes without CRLF, 0 for any number; broken: called when the first
    line is broken; head: lines in front, each with CRLF.
    """

    def __init__(
        self,
        fd: int,
        offset: int,
        *,
        line_limit: int,
        broken: Callable[[], None],
        head: bytes = b"",
        seven_bit: bool = False,
    ) -> None:
        self._source = content_chunks(fd, offset, b"\n" if seven_bit else b"\r\n")
        self._seven_bit = seven_bit
        self._limit = line_limit
        self._broken = broken
        self._head = head

    async def rewrite(self, change: Callable[[list[bytes]], Awaitable[list[bytes]]]) -> None:
        """Put other headers in the place of the message's own. CorruptQueueFile, and what change raises."""
        eol = b"\n" if self._seven_bit else b"\r\n"
        lines = [b""]
        headers, body = split_head(lines)
        for chunk in self._source:
            more = chunk.split(eol)
            lines[-1:] = [lines[-1] + more[0], *more[1:]]
            headers, body = split_head(lines)
            if len(body) > 1:  # else the last line, which may go on in the next piece
                break
        text = eol.join([*await change(headers), *body])
        self._source = chain([text], self._source)

    def wire(self) -> Iterator[bytes]:
        """All of it in pieces, without the last dot. CorruptQueueFile."""
        before = b"\n"
        for chunk in self._lines():
            yield stuff(chunk, before)
            before = chunk[-1:]
        if before != b"\n":
            yield b"\r\n"

    def _lines(self) -> Iterator[bytes]:
        """Pieces that end with a line end, but for the last one."""
        rest = b""
        for chunk in self._chunks():
            text = rest + chunk if rest else chunk
            end = text.rfind(b"\n") + 1
            rest = text[end:]
            if end:
                yield self._break(text[:end] if rest else text)
        if rest:
            yield self._break(rest)

    def _chunks(self) -> Iterator[bytes]:
        if self._head:
            yield self._head
        if self._seven_bit:
            yield downgrade(b"".join(self._source)).replace(b"\n", b"\r\n")
        else:
            yield from self._source

    def _break(self, text: bytes) -> bytes:
        if not self._limit or not _has_longer(text, self._limit):
            return text
        self._broken()
        return b"\r\n".join([broken_line(line, self._limit) for line in text.split(b"\r\n")])


def _has_longer(text: bytes, limit: int) -> bool:
    """Whether a line is longer than `limit` bytes; most lines are not even looked at."""
    at, size = 0, len(text)
    while size - at > limit:
        end = text.rfind(b"\r\n", at, at + limit + 2)
        if end < 0:
            return True
        at = end + 2
    return False


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
