"""mail_copy - what is written into a mailbox: lines in front, then the message

    From sender  Fri Nov 20 22:33:31 2026      mbox only
    Return-Path: <sender>
    X-Original-To: recipient as it came in     when known
    Delivered-To: recipient

In a mbox lines that begin with `From ` get a `>` in front, and an empty line follows the message.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator

from pyfix.mail.address import quote
from pyfix.queue.file import Recipient, content_bytes, content_chunks

WHOLE = 1 << 20  # bytes; larger content is copied in pieces

_FROM = re.compile(rb"^From ", re.MULTILINE)


class Letter:
    """One message for one recipient.

    fd, offset, size: its content in the queue file; sender: internal form.
    """

    __slots__ = ("_fd", "_offset", "_recipient", "_sender", "_size")

    def __init__(self, fd: int, offset: int, size: int, sender: str, recipient: Recipient) -> None:
        self._fd = fd
        self._offset = offset
        self._size = size
        self._sender = sender
        self._recipient = recipient

    def head(self) -> bytes:
        """The lines in front."""
        original = self._recipient.original
        lines = [f"Return-Path: <{quote(self._sender)}>"]
        if original:
            lines.append(f"X-Original-To: {quote(original)}")
        lines.append(f"Delivered-To: {quote(self._recipient.address)}\n")
        return "\n".join(lines).encode("utf-8", "surrogateescape")

    def envelope_line(self, now: float) -> bytes:
        """The line that a message in a mbox begins with. now: seconds since 1970."""
        sender = quote(self._sender) or "MAILER-DAEMON"
        return f"From {sender}  {time.asctime(time.localtime(now))}\n".encode("utf-8", "surrogateescape")

    def plain(self) -> Iterator[bytes]:
        """All of it as a file of its own."""
        yield self.head()
        yield from _ended(self._content())

    def mbox(self, now: float) -> Iterator[bytes]:
        """All of it as a part of a mbox."""
        yield self.envelope_line(now) + self.head()
        yield from _escaped(_ended(self._content()))
        yield b"\n"

    def _content(self) -> Iterator[bytes]:
        if self._size <= WHOLE:
            return iter((content_bytes(self._fd, self._offset),))
        return content_chunks(self._fd, self._offset)


def _ended(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same with a line end at the end."""
    last = b"\n"
    for chunk in chunks:
        if chunk:
            last = chunk
            yield chunk
    if not last.endswith(b"\n"):
        yield b"\n"


def _escaped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same with `>` before lines that begin with `From `. Chunks are cut to whole lines first."""
    rest = b""
    for chunk in chunks:
        at = chunk.rfind(b"\n") + 1
        if at:
            yield _FROM.sub(b">From ", rest + chunk[:at])
            rest = chunk[at:]
        else:
            rest += chunk
    if rest:
        yield _FROM.sub(b">From ", rest)


def write(fd: int, chunks: Iterator[bytes], limit: int, size: int = 0) -> None:
    """Write everything. OSError, EFBIG when the file would be larger than `limit` bytes (0: no limit).

    size: bytes that are in the file already.
    """
    for chunk in chunks:
        size += len(chunk)
        if limit and size > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        view = memoryview(chunk)
        while view:
            view = view[os.write(fd, view) :]


_STATUS = {
    errno.EAGAIN: "4.2.0",
    errno.ESTALE: "4.2.0",
    errno.ENOSPC: "4.3.0",
    errno.EDQUOT: "5.2.2",
    errno.EFBIG: "5.2.2",
}


class MailboxError(Exception):
    """A mailbox did not take the message. status: enhanced code; str(): the reason."""

    def __init__(self, status: str, reason: str, error: OSError | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.errno = error.errno if error is not None else 0


def mailbox_error(error: OSError, doing: str, default: str = "4.2.0") -> MailboxError:
    """What an error of the file system means: over quota bounces, most else may pass."""
    status = _STATUS.get(error.errno or 0, default)
    return MailboxError(status, f"{doing}: {error.strerror or error}", error)
