"""message_lines - the header and body lines of a message, as header and body checks see them

    for is_header, text in message_lines(lines, mime=True): ...

A header line comes with its continuation lines. The empty line after a header is a body line;
that after the message's own is there even when it is missing. With `mime` the headers of parts, and of messages within
the message, are headers too; without it they are body.

Sources: postmap(1) -b -h -m; RFC 2045, RFC 2046.
"""

import re
from collections.abc import Iterable, Iterator

Line = tuple[bool, str]
"""Whether it is a header, its text."""

_HEADER = re.compile(r"(?P<name>[!-9;-~]+)[ \t]*:")
_TYPE = re.compile(r"content-type:\s*(?P<type>[^\s;/]+)/(?P<subtype>[^\s;]+)", re.IGNORECASE)
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s;]+))', re.IGNORECASE)


def message_lines(lines: Iterable[str], *, mime: bool) -> Iterator[Line]:
    """All lines of a message, without line ends."""
    walk = _Walk(mime=mime)
    for line in lines:
        yield from walk.line(line)
    yield from walk.end()


class _Walk:
    """Where in a message we are."""

    def __init__(self, *, mime: bool) -> None:
        self._mime = mime
        self._in_header = self._is_first = True
        self._pending: list[str] = []  # the lines of the header that may go on
        self._type = ""
        self._boundaries: list[str] = []

    def line(self, line: str) -> Iterator[Line]:
        """One more."""
        if self._in_header and self._pending and line[:1] in (" ", "\t"):
            self._pending.append(line)
        elif self._in_header and (match := _HEADER.match(line)):
            yield from self.end()
            self._pending = [f"{match['name']}:{line[match.end() :]}"]
        elif self._in_header:
            yield from self.end()
            if self._is_first or not line:
                yield False, ""
            self._is_first = False
            self._in_header = self._mime and self._starts_inside()
            if line:
                yield from self.line(line)
        else:
            self._look_for_boundary(line)
            yield False, line

    def end(self) -> Iterator[Line]:
        """What is still to be said of a header."""
        if self._pending:
            text = "\n".join(self._pending)
            if _TYPE.match(text):
                self._type = text
            self._pending = []
            yield True, text

    def _starts_inside(self) -> bool:
        """Whether a header follows at once; remembers the boundary of parts."""
        text, self._type = self._type, ""
        match = _TYPE.match(text)
        if match is None:
            return False
        boundary = _BOUNDARY.search(text)
        if match["type"].lower() == "multipart" and boundary:
            self._boundaries.append(boundary["quoted"] or boundary["plain"] or "")
        return (match["type"] + "/" + match["subtype"]).lower() in ("message/rfc822", "message/global")

    def _look_for_boundary(self, line: str) -> None:
        """Between parts: a header follows, except after the last one."""
        if not line.startswith("--"):
            return
        for at in reversed(range(len(self._boundaries))):
            boundary = self._boundaries[at]
            if boundary and line.startswith(boundary, 2):
                last = line.startswith("--", 2 + len(boundary))
                del self._boundaries[at + (not last) :]
                self._in_header = not last
                return
