"""delegated - what access tables want done with a message, for cleanup and the queue manager

Actions are collected while a message's commands are decided on, those of refused recipients
included, and leave as records with its envelope; those of the end of data follow the content.

Sources: access(5) BCC, DISCARD, FILTER, HOLD, PREPEND, REDIRECT.
"""

from __future__ import annotations

from pyfix.queue import records as rec


class Delegated:
    """The actions of one message. flags: of the cleanup service; prepended: whole headers.

    With FLAG_DISCARD nothing more is asked about the message.
    """

    __slots__ = ("_flags_sent", "bcc", "filter", "flags", "prepended", "redirect")

    def __init__(self) -> None:
        self.flags = self._flags_sent = 0
        self.filter = ""
        self.redirect = ""
        self.bcc: list[str] = []
        self.prepended: list[str] = []

    def take(self) -> bytes:
        """The records of what was said since the last time; headers are not among them."""
        if not (self.filter or self.redirect or self.bcc) and self.flags == self._flags_sent:
            return b""
        parts: list[bytes] = []
        if self.filter:
            parts.append(rec.encode(rec.FILT, _bytes(self.filter)))
        if self.redirect:
            parts.append(rec.encode(rec.RDR, _bytes(self.redirect)))
        parts += [rec.encode(rec.RCPT, _bytes(address)) for address in self.bcc]
        if self.flags != self._flags_sent:
            parts.append(rec.encode(rec.FLGS, b"%d" % self.flags))
        self.filter = self.redirect = ""
        self.bcc.clear()
        self._flags_sent = self.flags
        return b"".join(parts)

    def headers(self) -> list[bytes]:
        """The lines that go before our Received: header."""
        return [_bytes(text) for text in self.prepended]


NOTHING = Delegated()
"""Of most messages; nobody adds to it."""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
