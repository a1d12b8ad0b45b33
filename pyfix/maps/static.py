"""static - lookup table with one value for every key

static:text, or static:{text with white space}.
"""

from pyfix.maps.braces import BraceError, content
from pyfix.maps.table import OpenError, Options


class StaticTable:
    """Answers its own name."""

    fixed = True
    watch = None

    def __init__(self, value: str) -> None:
        self._value = value

    def lookup(self, key: str) -> str | None:  # noqa: ARG002
        """The value, whatever the key."""
        return self._value


def open_static(_: Options, name: str) -> StaticTable:
    """A table that always answers `name`; OpenError on unbalanced braces."""
    if not name.startswith("{"):
        return StaticTable(name)
    try:
        return StaticTable(content(name))
    except BraceError as error:
        raise OpenError(f"bad static:name syntax: {error}") from None
