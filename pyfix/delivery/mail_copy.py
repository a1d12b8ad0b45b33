"""mail_copy - what is written into a mailbox or a command: lines in front, then the message

    From sender  Fri Nov 20 22:33:31 2026      Copy.FROM
    Return-Path: <sender>                      Copy.RETURN_PATH
    X-Original-To: recipient as it came in     Copy.ORIGINAL, when known and wanted
    Delivered-To: recipient                    Copy.DELIVERED
    the message                                Copy.QUOTE: `>` before `From `; Copy.DOT: `.` before `.`
    an empty line                              Copy.BLANK
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pyfix.delivery.outcome import MAY_PASS
from pyfix.mail.address import quote
from pyfix.queue.file import Recipient, content_bytes, content_chunks

WHOLE = 1 << 20  # bytes; larger content is copied in pieces


class Copy:
    """What is added to a message. Plain numbers: they are asked for often."""

    NOTHING = 0
    FROM = 1
    RETURN_PATH = 2
    ORIGINAL = 4
    DELIVERED = 8
    QUOTE = 16
    DOT = 32
    BLANK = 64


PLAIN = Copy.RETURN_PATH | Copy.ORIGINAL | Copy.DELIVERED  # a file of its own
PIPE = PLAIN | Copy.FROM
MBOX = PIPE | Copy.QUOTE | Copy.BLANK


class Letter:
    """One message for one recipient.

    fd, offset, size: its content in the queue file; sender: internal form; delivered: the address in
    Delivered-To, None: the recipient's, "": no such line; original: whether Copy.ORIGINAL counts.
    """

    __slots__ = ("_delivered", "_fd", "_offset", "_original", "_sender", "_size")

    def __init__(
        self,
        fd: int,
        offset: int,
        size: int,
        sender: str,
        recipient: Recipient,
        *,
        delivered: str | None = None,
        original: bool = True,
    ) -> None:
        self._original = recipient.original if original else ""
        self._fd = fd
        self._offset = offset
        self._size = size
        self._sender = sender
        self._delivered = recipient.address if delivered is None else delivered

    def head(self, flags: int = PLAIN, now: float = 0, eol: str = "\n") -> bytes:
        """The lines in front. now: seconds since 1970, for Copy.FROM."""
        lines = []
        if flags & Copy.FROM:
            lines.append(f"From {quote(self._sender) or 'MAILER-DAEMON'}  {time.asctime(time.localtime(now))}")
        if flags & Copy.RETURN_PATH:
            lines.append(f"Return-Path: <{quote(self._sender)}>")
        if flags & Copy.ORIGINAL and self._original:
            lines.append(f"X-Original-To: {quote(self._original)}")
        if flags & Copy.DELIVERED and self._delivered:
            lines.append(f"Delivered-To: {quote(self._delivered)}")
        return "".join([line + eol for line in lines]).encode("utf-8", "surrogateescape")

    def chunks(self, flags: int, now: float = 0, eol: bytes = b"\n") -> Iterator[bytes]:
        """All of it. now: seconds since 1970; eol: ends each line."""
        yield self.head(flags, now, eol.decode("latin-1"))
        marks = [(mark, add) for flag, mark, add in _MARKS if flags & flag] if flags & _MARKED else []
        yield from _marked(self._content(eol), marks, eol) if marks else self._content(eol)
        if flags & Copy.BLANK:
            yield eol

    def plain(self) -> Iterator[bytes]:
        """All of it as a file of its own, in one piece when it is small."""
        chunks = self.chunks(PLAIN)
        return chunks if self._size > WHOLE else iter((b"".join(chunks),))

    def mbox(self, now: float) -> Iterator[bytes]:
        """All of it as a part of a mbox."""
        return self.chunks(MBOX, now)

    def _content(self, eol: bytes) -> Iterable[bytes]:
        """The message, with a line end at its end."""
        if self._size > WHOLE:
            return _ended(content_chunks(self._fd, self._offset, eol), eol)
        text = content_bytes(self._fd, self._offset, eol)
        return (text,) if text.endswith(eol) or not text else (text, eol)


_MARKED = Copy.QUOTE | Copy.DOT
_MARKS = ((Copy.QUOTE, b"From ", b">"), (Copy.DOT, b".", b"."))


def _ended(chunks: Iterator[bytes], eol: bytes) -> Iterator[bytes]:
    """The same with a line end at the end."""
    last = eol
    for chunk in chunks:
        if chunk:
            last = chunk
            yield chunk
    if not last.endswith(eol):
        yield eol


def _marked(chunks: Iterable[bytes], marks: list[tuple[bytes, bytes]], eol: bytes) -> Iterator[bytes]:
    """The same with something before lines that begin in a certain way. Chunks are cut to whole lines first."""
    lines = [(re.compile(rb"(?:\A|(?<=%b))%b" % (re.escape(eol), re.escape(mark))), add + mark) for mark, add in marks]
    rest = b""
    for chunk in chunks:
        at = chunk.rfind(eol) + len(eol) if eol in chunk else 0
        if not at:
            rest += chunk
            continue
        text = rest + chunk[:at]
        for pattern, mark in lines:
            text = pattern.sub(lambda _, mark=mark: mark, text)  # type: ignore[misc]
        yield text
        rest = chunk[at:]
    if rest:
        yield rest


def write(fd: int, chunks: Iterator[bytes], limit: int, size: int = 0) -> None:
    """Write everything. OSError, EFBIG when the file would be larger than `limit` bytes (0: no limit).

    size: bytes that are in the file already.
    """
    for chunk in chunks:
        size += len(chunk)
        if limit and size > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        done = os.write(fd, chunk)
        while done < len(chunk):
            done += os.write(fd, memoryview(chunk)[done:])


_STATUS = {
    errno.EAGAIN: "4.2.0",
    errno.ESTALE: "4.2.0",
    errno.ENOSPC: "4.3.0",
    errno.EDQUOT: "5.2.2",
    errno.EFBIG: "5.2.2",
}


class MailboxError(Exception):
    """A mailbox did not take the message. status: enhanced code; str(): the reason; more: what a DSN says beside it."""

    def __init__(self, status: str, reason: str, error: OSError | None = None, **more: Any) -> None:
        super().__init__(reason)
        self.status = status
        self.more = more
        self.errno = error.errno if error is not None else 0


def mailbox_error(error: OSError, doing: str, default: str = "4.2.0", **more: str) -> MailboxError:
    """What an error of the file system means: over quota bounces, most else may pass."""
    status = _STATUS.get(error.errno or 0, default)
    if error.errno in MAY_PASS and status[0] == "5":
        status = "4.3.0"
    return MailboxError(status, f"{doing}: {error.strerror or error}", error, **more)


def write_error(error: OSError) -> MailboxError:
    """What such an error means for a message of which a part is written."""
    return mailbox_error(error, "error writing message", "5.3.0", diag_type="x-unix", diag_text="input/output error")
