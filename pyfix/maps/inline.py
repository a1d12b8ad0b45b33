"""inline - lookup table whose entries stand in its name

inline:{ key=value, {key = value with white space} }. White space in a key stands in quotes, which are part of it.
Also the memory double of tables in tests: InlineTable({"key": "value"}).
"""

import re
from collections.abc import Iterator, Mapping

from pyfix.maps.braces import BraceError, content, split
from pyfix.maps.lines import SPACE
from pyfix.maps.table import OpenError, Options, fold_key

_ENTRY = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^\s="])*)\s*(=?)(.*)', re.ASCII | re.DOTALL)
_NEED = 'need "inline:{name=value...}"'


class InlineTable:
    """A dictionary, its keys folded already."""

    fixed = True
    watch = None

    def __init__(self, entries: Mapping[str, str]) -> None:
        self._entries = entries

    def lookup(self, key: str) -> str | None:
        """The key's value, None when there is none."""
        return self._entries.get(key)

    def items(self) -> Iterator[tuple[str, str]]:
        """All keys and values."""
        return iter(self._entries.items())


def open_inline(options: Options, name: str) -> InlineTable:
    """The table in the braces; OpenError names the bad entry."""
    spec = options.spec(name)
    try:
        items = split(content(name))
        if not items:
            raise BraceError
        pairs = [_pair(item) for item in items]
    except BraceError as error:
        reason = str(error) if name.startswith("{") and str(error) else "bad syntax"
        raise OpenError(f'{reason}: "{spec}"; {_NEED}') from None
    entries: dict[str, str] = {}
    for key, value in pairs:
        entries[fold_key(key, utf8=options.utf8) if options.fold else key] = value
    return InlineTable(entries)


def _pair(item: str) -> tuple[str, str]:
    text = content(item) if item.startswith("{") else item
    found = _ENTRY.fullmatch(text)
    assert found is not None  # it matches every text
    key, equals, value = found.groups()
    if not equals:
        raise BraceError("unbalanced '\"'" if value.startswith('"') else "missing '=' after attribute name")
    return key, value.strip(SPACE)
