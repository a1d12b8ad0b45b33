"""debug - lookup table that logs each question and answer of another one

debug:type:name
"""

from pyfix.maps.open import open_source, split_spec
from pyfix.maps.table import OpenError, Options, Source, TableError
from pyfix.maps.watch import Watch
from pyfix.unix import msg


class DebugTable:
    """Another table, with a log line for each lookup."""

    def __init__(self, name: str, source: Source) -> None:
        self._name = name
        self._source = source
        self.fixed = source.fixed
        self.waits = bool(getattr(source, "waits", False))
        self.substitutes = bool(getattr(source, "substitutes", False))
        self.watch: Watch | None = source.watch

    def lookup(self, key: str) -> str | None:
        """The other table's answer; its TableError passes through."""
        try:
            value = self._source.lookup(key)
        except TableError:
            msg.info(looked_up(self._name, key, "error"))
            raise
        msg.info(looked_up(self._name, key, "not_found" if value is None else value))
        return value


def looked_up(table: str, key: str, value: str) -> str:
    """A lookup in a debug table."""
    return f'{table} lookup: "{key}" = "{value}"'


def open_debug(options: Options, name: str) -> DebugTable:
    """Open the other table; OpenError when it can't open."""
    if ":" not in name:
        raise OpenError(f'bad syntax: "{options.spec(name)}"; need "debug:maptype:mapname"')
    return DebugTable(name, open_source(*split_spec(name, options, "")))
