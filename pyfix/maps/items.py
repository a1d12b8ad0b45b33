"""items - the text of a match list, taken apart

    list(read_items("a, !b /file hash:x"))     Item(True, "a"), Item(False, "b"), ...

`/file/name` stands for the items in that file: comments are lines that begin with `#`, and
`type:{...}` may go over several lines. `!` before a file turns each of its items around.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pyfix.maps.braces import split
from pyfix.maps.lines import read_text
from pyfix.maps.table import OpenError
from pyfix.unix import msg


class Item(NamedTuple):
    """One item. match: what it decides (False after `!`); failure: why its file can't be read."""

    match: bool
    text: str
    failure: str | None = None


def read_items(text: str, name: str, *, match: bool = True) -> Iterator[Item]:
    """The items of a parameter's text; name: the parameter's, for the log."""
    for word in split(text):
        item = word.lstrip("!")
        agrees = match is ((len(word) - len(item)) % 2 == 0)
        if not item.startswith("/"):
            yield Item(agrees, item)
            continue
        try:
            content, _ = read_text(item, failure=f"open file {item}")
        except OpenError as error:
            yield Item(agrees, item, str(error))
        else:
            yield from read_items(_without_comments(content, item, name), name, match=agrees)


def _without_comments(content: str, file: str, name: str) -> str:
    lines = [line for line in content.split("\n") if not line.lstrip().startswith("#")]
    for line in lines:
        if any(word.startswith("#") for word in line.split()):
            msg.warning(f"{name}: file {file}: #comment after other text is not allowed: {line.strip()}")
    return "\n".join(lines)
