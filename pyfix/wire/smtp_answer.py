"""smtp_answer - replies as a client reads them

A reply is one or more lines `NNN-text`, the last `NNN text` or `NNN`. Servers send odd things,
so nothing is refused: a line of another form is garbage, told to the owner and shown with the reply
that ends it; what is too long is cut, so that memory stays bounded, and what follows a NUL is not
read, as Postfix does not.

Source: RFC 5321 section 4.2, RFC 2034.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pyfix.wire.smtp_reply import enhanced_status

LAST = re.compile(rb"([0-9]{3})(?: |$)", re.ASCII)
MORE = re.compile(rb"[0-9]{3}-", re.ASCII)
UNPRINTABLE = re.compile(rb"[\x00-\x1f\x7f]", re.ASCII)


class Answer:
    """One reply.

    code: 0 to 999; status: enhanced code, made of the code where the server gave none that fits
    ("" for codes that have no class of it); text: its lines as they came, separated by line feeds.
    """

    __slots__ = ("code", "kind", "status", "text")

    def __init__(self, code: int, status: str, text: str) -> None:
        self.code = code
        self.kind = code // 100
        """The first digit."""
        self.status = status
        self.text = text

    @property
    def line(self) -> str:
        """All of it in one line, for the log."""
        return self.text.replace("\n", " ")

    def __repr__(self) -> str:
        return f"Answer({self.code}, {self.status!r}, {self.text!r})"


class Garbage:
    """A line that is no part of a reply. text: as it came."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class TooLong:
    """A line, or (lines) a reply of many, that was longer than the limit. text: its beginning."""

    __slots__ = ("lines", "text")

    def __init__(self, text: str, *, lines: bool = False) -> None:
        self.text = text
        self.lines = lines


class AnswerReader:
    """Bytes in, replies out. line_limit: bytes of a line, and of all lines of a reply together."""

    def __init__(self, line_limit: int = 2048) -> None:
        self._limit = line_limit
        self._input = b""
        self._cut: bytes | None = None  # the beginning of a line that was too long
        self._skipping = False  # the rest of it
        self._lines: list[bytes] = []
        self._size = 0

    def receive(self, data: bytes) -> None:
        """More input. Nothing is looked at before it is asked for."""
        self._input += data

    @property
    def empty(self) -> bool:
        """All input was used."""
        return not (self._input or self._lines or self._cut)

    def next(self) -> Answer | Garbage | TooLong | None:
        """The next thing in the input; None: more input is needed."""
        if not (self._lines or self._skipping or self._cut):
            first, end, rest = self._input.partition(b"\n")
            if end and len(first) <= self._limit and (answer := _single(first)) is not None:
                self._input = rest
                return answer
        while True:
            line = self._next_line()
            if line is None or isinstance(line, TooLong):
                return line
            found = self._line(line)
            if found is not None:
                return found

    def _next_line(self) -> bytes | TooLong | None:
        if self._cut is not None:
            line, self._cut = self._cut, None
            return line
        if self._skipping:
            _, end, self._input = self._input.partition(b"\n")
            self._skipping = not end
        end_at = self._input.find(b"\n", 0, self._limit + 2)
        if end_at >= 0:
            line, self._input = self._input[:end_at].rstrip(b"\r"), self._input[end_at + 1 :]
            return line
        if len(self._input) <= self._limit + 1:
            return None
        self._cut, self._input = self._input[: self._limit], self._input[self._limit :]
        self._skipping = True
        return TooLong(_text(self._cut[:30]))

    def _line(self, line: bytes) -> Answer | Garbage | TooLong | None:
        line = line.partition(b"\0")[0]
        last = LAST.match(line)
        dropped = self._keep(line)
        if last is None:
            if not MORE.match(line):
                return Garbage(_text(line))
            return TooLong(_text(b"\n".join(self._lines)[:30]), lines=True) if dropped else None
        answer = _answer(int(last[1]), line, self._lines)
        self._lines, self._size = [], 0
        return answer

    def _keep(self, line: bytes) -> bool:
        """Keep a line of a reply, while there is room; whether this is the first for which there is none."""
        before, self._size = self._size, self._size + len(line)
        if before < self._limit:
            self._lines.append(line)
        return before < self._limit <= self._size and bool(self._lines[1:])


@lru_cache(maxsize=64)
def _single(line: bytes) -> Answer | None:
    """A reply of one line; None: it is none. Most are always the same; nobody changes them."""
    line = line.rstrip(b"\r").partition(b"\0")[0]
    return _answer(int(line[:3]), line, [line]) if LAST.match(line) else None


def _answer(code: int, last: bytes, lines: list[bytes]) -> Answer:
    kind = chr(last[0])
    status = ""
    text = _text(last)
    if kind in "245":
        status = enhanced_status(text[4:].lstrip(" "))
        if status[:1] != kind:
            status = f"{kind}.0.0"
    if len(lines) != 1 or lines[0] is not last:
        text = "\n".join([_text(line) for line in lines])
    return Answer(code, status, text)


def _text(line: bytes) -> str:
    text = line.decode("utf-8", "surrogateescape")
    if text.isprintable():
        return text
    return UNPRINTABLE.sub(b"?", line).decode("utf-8", "surrogateescape")
