"""pipemap - lookup table where one table's answer is the next one's key

pipemap:{type:name, type:name}; not found when any of them has no answer.
"""

from pyfix.maps.compound import Parts
from pyfix.maps.table import Options
from pyfix.maps.watch import Watch


class PipeTable:
    """Tables one after the other."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.fixed = parts.fixed
        self.waits = parts.waits
        self.watch: Watch | None = parts.watch

    def lookup(self, key: str) -> str | None:
        """The last table's answer; TableError when a table can't answer."""
        value = key
        for table in self._parts.tables:
            found = self._parts.lookup(table, value)
            if found is None:
                return None
            value = found
        return value


def open_pipemap(options: Options, name: str) -> PipeTable:
    """Open all tables within the braces; OpenError when one can't open."""
    return PipeTable(Parts(options, name))
