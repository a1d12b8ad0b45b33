"""lines - lines of a byte stream, whatever they end with

A line ends with LF. One CR before it belongs to the line end; all CRs do when the
peer's line ends are of no concern (exact=False). A line with LF alone is a bare one: a
peer that takes it for a line end where another does not can smuggle messages (SMTP
smuggling), so who cares is told.
"""

from __future__ import annotations


class Line:
    """A piece of input. text: without line end; complete: it had one; bare: that was LF alone."""

    __slots__ = ("bare", "complete", "end", "text")

    def __init__(self, text: bytes, end: int, *, complete: bool, bare: bool) -> None:
        self.text = text
        self.end = end
        """Where the next line begins."""
        self.complete = complete
        self.bare = bare


def next_line(data: bytes, at: int, limit: int, *, exact: bool) -> Line | None:
    """The line at `at`, or `limit` bytes of a longer one; None: more input is needed to know.

    limit: bytes with line end; a CR LF that begins on the last of them is not torn.
    """
    stop = at + limit
    end = data.find(b"\n", at, stop)
    if end < 0 and len(data) > stop and data[stop - 1 : stop + 1] == b"\r\n":
        end = stop
    if end >= 0:
        return _complete(data[at:end], end + 1, exact=exact)
    if len(data) <= stop:
        return None
    return Line(data[at:stop], stop, complete=False, bare=False)


def _complete(text: bytes, end: int, *, exact: bool) -> Line:
    bare = not text.endswith(b"\r")
    if not bare:
        text = text[:-1] if exact else text.rstrip(b"\r")
    return Line(text, end, complete=True, bare=bare)
