"""unionmap - lookup table that asks several tables and joins what they answer with commas

unionmap:{type:name, type:name}; a key is not found only when no table has it.
"""

from pyfix.maps.compound import Parts
from pyfix.maps.table import Options
from pyfix.maps.watch import Watch


class UnionTable:
    """All tables' answers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.fixed = parts.fixed
        self.waits = parts.waits
        self.watch: Watch | None = parts.watch

    def lookup(self, key: str) -> str | None:
        """The values found, in the tables' order; TableError when a table can't answer."""
        found = [self._parts.lookup(table, key) for table in self._parts.tables]
        values = [value for value in found if value is not None]
        return ",".join(values) if values else None


def open_unionmap(options: Options, name: str) -> UnionTable:
    """Open all tables within the braces; OpenError when one can't open."""
    return UnionTable(Parts(options, name))
