"""smtp_reply - SMTP replies as values

A reply is its code, its enhanced status (empty: none, as after HELO) and its lines. All
replies of a session go through one place, so that it can change them (soft_bounce,
smtpd_reject_footer) or note them (log, error count).

Source: RFC 5321 section 4.2, RFC 2034.
"""

from __future__ import annotations

import re


class Reply:
    """One reply. code: three digits; status: "X.Y.Z" or empty; lines: text without codes."""

    __slots__ = ("code", "data", "lines", "ok", "status")

    def __init__(self, code: int, status: str, *lines: str) -> None:
        self.code = code
        self.status = status
        self.lines = lines
        self.ok = code < 400
        """The command was accepted."""
        if status and len(lines) == 1:
            self.data = f"{code} {status} {lines[0]}\r\n".encode("utf-8", "surrogateescape")
        else:
            self.data = self._encode()
        """The reply as it goes over the wire."""

    @classmethod
    def from_text(cls, text: str) -> Reply:
        """A reply from "CODE X.Y.Z text" or "CODE text"; further lines repeat what they repeat."""
        lines = text.replace("\r", "").split("\n")
        code = int(lines[0][:3])
        status = enhanced_status(lines[0][4:])
        cut = 4 + (len(status) + 1 if status else 0)
        return cls(code, status, *(line[cut:] for line in lines))

    @property
    def text(self) -> str:
        """The first line as logs show it: code, status, text."""
        return f"{self.code} {self.status} {self.lines[0]}" if self.status else f"{self.code} {self.lines[0]}"

    def softened(self) -> Reply:
        """The same as a temporary refusal (soft_bounce)."""
        if self.code < 500:
            return self
        return Reply(self.code - 100, "4" + self.status[1:] if self.status else "", *self.lines)

    def _encode(self) -> bytes:
        status = self.status + " " if self.status else ""
        if len(self.lines) == 1:
            return f"{self.code} {status}{self.lines[0]}\r\n".encode("utf-8", "surrogateescape")
        body = [f"{self.code}-{status}{line}\r\n" for line in self.lines[:-1]]
        body.append(f"{self.code} {status}{self.lines[-1]}\r\n")
        return "".join(body).encode("utf-8", "surrogateescape")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"Reply({self.data!r})"


def enhanced_status(text: str) -> str:
    """The enhanced status that a text begins with, or nothing (RFC 3463: class 2, 4 or 5)."""
    found = STATUS.match(text)
    return found[0] if found is not None else ""


STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |$)", re.ASCII)
