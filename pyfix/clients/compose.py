"""compose - the records of a submission, for commands that start quickly

The same format as pyfix.queue.records, which knows all of it; here is only what a message needs that a local
user hands in, and nothing is imported.

See also: queue-file sheet sections 4 and 6.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE, FULL, FROM, RCPT, ATTR, VERP = b"C", b"F", b"S", b"R", b"A", b"V"
MESG, CONT, NORM, XTRA, END, TIME = b"M", b"L", b"N", b"X", b"E", b"T"

Piece = tuple[bytes, bytes]
"""NORM or CONT (no line end follows), and the text."""


def record(kind: bytes, data: bytes = b"") -> bytes:
    """One record."""
    size = len(data)
    head = kind
    while size > 127:
        head += bytes((size & 127 | 128,))
        size >>= 7
    return head + bytes((size,)) + data


def attribute(name: str, value: object) -> bytes:
    """A named attribute as a record."""
    return record(ATTR, f"{name}={value}".encode("utf-8", "surrogateescape"))


def pieces(read: "Callable[[], bytes]", limit: int) -> "Iterator[Piece]":
    """Lines of text, cut every `limit` bytes (line_length_limit).

    read: gives more bytes, none at the end. A line end right after a cut makes an empty piece.
    """
    rest = b""
    while data := read():
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            while len(line) >= limit:
                yield CONT, line[:limit]
                line = line[limit:]
            yield NORM, line
        while len(rest) >= limit:
            yield CONT, rest[:limit]
            rest = rest[limit:]
    if rest:
        yield CONT, rest


def cut(line: bytes, limit: int) -> bytes:
    """One line of a header as records."""
    head = b""
    while len(line) > limit:
        head += record(CONT, line[:limit])
        line = line[limit:]
    return head + record(NORM, line)


def body(text: "Iterator[Piece]", fix: str, *, dot_ends: bool) -> "Iterator[Piece]":
    """The message in what a program hands in.

    fix: sendmail_fix_line_endings, always, strict (only if the first line ends with CR LF) or never;
    dot_ends: a line with one dot ends the message. Leading From_ lines of a mailbox go.
    """
    strip = fix == "always"
    undecided = fix == "strict"
    leading, whole = True, True
    for kind, line in text:
        if undecided and kind is NORM:
            undecided, strip = False, line.endswith(b"\r")
        if leading:
            if kind is NORM and line.lstrip(b">").startswith(b"From "):
                continue
            leading = False
        if strip and kind is NORM:
            line = line.rstrip(b"\r")
        if dot_ends and whole and line == b".":
            return
        whole = kind is NORM
        yield kind, line
