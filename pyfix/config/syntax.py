"""syntax - the lines of main.cf and master.cf

A line that begins with white space goes on from the one before it. Empty lines and lines
whose first text is "#" are skipped, inside a continued line too. A logical line is known
by the number of its first physical line, and keeps its white space, so that an error can
show it as it was typed.

Sources: postconf(5), master(5).
"""

from collections.abc import Iterator
from typing import NamedTuple

SPACE = " \t\n\v\f\r"


class BadConfig(Exception):
    """A mistake of the administrator; str() is the whole message, with file and line."""


class LogicalLine(NamedTuple):
    """One logical line: the number of its first physical line, and its text without line ends."""

    number: int
    text: str


def read_text(path: str) -> str:
    """The text of a configuration file. Raises BadConfig when it can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except OSError as e:
        raise BadConfig(f"open {path}: {e.strerror}") from e


def logical_lines(text: str) -> Iterator[LogicalLine]:
    """Join continued lines and leave out comments and empty lines.

    A first line that begins with white space continues nothing: it is given as it stands
    and the caller complains.
    """
    first = 0
    parts: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        begin = line.lstrip(SPACE)[:1]
        if begin in {"", "#"}:
            continue
        if parts and line[0] in SPACE:
            parts.append(line)
            continue
        if parts:
            yield LogicalLine(first, "".join(parts))
        first, parts = number, [line]
    if parts:
        yield LogicalLine(first, "".join(parts))


def split_setting(text: str) -> tuple[str, str]:
    """The name and the value of "name = value"; ValueError says what is missing.

    White space around both is dropped; the value may be empty.
    """
    before, equals, value = text.partition("=")
    name = before.strip(SPACE)
    if not name:
        raise ValueError("missing attribute name")
    if not equals or any(char in SPACE for char in name):
        raise ValueError("missing '=' after attribute name")
    return name, value.strip(SPACE)


def split_braced(word: str) -> tuple[str, str]:
    """What is in the braces around a word, trimmed, and what is wrong with them, if anything."""
    if not word.startswith("{"):
        return word, ""
    depth = 0
    for at, char in enumerate(word):
        depth += (char == "{") - (char == "}")
        if not depth:
            problem = f"syntax error after '}}' in \"{word}\"" if at + 1 < len(word) else ""
            return word[1:at].strip(SPACE), problem
    return word[1:].strip(SPACE), f"missing '}}' in \"{word}\""
