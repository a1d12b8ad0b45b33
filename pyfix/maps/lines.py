"""lines - logical lines of a table's text, with their numbers

Empty lines and comments are skipped, a line that begins with white space continues the one
before it (comments may stand between). The number is that of the first physical line.
White space is ASCII's, as in C's isspace().

See also: postmap(1) INPUT FILE FORMAT.
"""

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from pyfix.maps.table import OpenError
from pyfix.maps.watch import TextFile
from pyfix.unix import msg

SPACE = " \t\n\r\v\f"


def logical_lines(lines: Iterable[str], name: str = "") -> Iterator[tuple[int, str]]:
    """(number, line) pairs; lines keep their white space except for line ends.

    lines: the physical ones, without line ends; name: the file's, to report an indented line
    that has nothing to continue.
    """
    for number, line in _joined(lines):
        if line[0] in SPACE:
            shown = line if len(line) <= _SHOWN else line[:_SHOWN] + "..."
            msg.warning(f'{name}: logical line must not start with whitespace: "{shown}"')
        else:
            yield number, line


_SHOWN = 30  # characters of a bad line in its warning


def _joined(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    parts: list[str] = []
    first = 0
    for number, line in enumerate(lines, 1):
        start = line[:1]
        if not start or start == "#" or (start in SPACE and line.lstrip(SPACE)[:1] in ("", "#")):
            continue
        if parts and start in SPACE:
            parts.append(line)
            continue
        if parts:
            yield first, parts[0] if len(parts) == 1 else "".join(parts)
        parts = [line]
        first = number
    if parts:
        yield first, "".join(parts)


def read_text(path: str, *, failure: str) -> tuple[str, TextFile]:
    """A file's text and the watch on it. OpenError `failure: reason` when it can't be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        watch = TextFile(fd)
        with open(fd, "rb", closefd=False) as file:
            data = file.read()
    except OSError as error:
        raise OpenError(f"{failure}: {error.strerror}") from None
    return decode(data), watch


def stream(file: BinaryIO) -> Iterator[str]:
    """The lines of an open file, without line ends, not all in memory at once."""
    for line in file:
        yield line.removesuffix(b"\n").decode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """Text from a file or the wire; bytes that are not UTF-8 become surrogates."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes behind a text."""
    return text.encode("utf-8", "surrogateescape")
