"""debug - lookup table that logs each question and answer of another one, and each entry when it is dumped

debug:type:name. The log has keys as they were asked for: they are folded for the other table only.
"""

from collections.abc import Iterator

from pyfix.maps.open import in_place_of, open_source, split_spec
from pyfix.maps.table import Dump, OpenError, Options, Source, TableError, fold_key, folds
from pyfix.maps.watch import Watch
from pyfix.unix import msg


class DebugTable:
    """Another table, with a log line for each lookup."""

    folds_itself = True

    def __init__(self, options: Options, name: str, source: Source) -> None:
        self._name = name
        self._fold = folds(source, fold=options.fold)
        self._utf8 = options.utf8
        self._source = source
        self.fixed = source.fixed
        self.waits = bool(getattr(source, "waits", False))
        self.watch: Watch | None = source.watch

    def lookup(self, key: str) -> str | None:
        """The other table's answer; its TableError with the name of this one."""
        try:
            value = self._source.lookup(fold_key(key, utf8=self._utf8) if self._fold else key)
        except TableError as error:
            msg.info(looked_up(self._name, key, "error"))
            raise TableError(f"debug:{self._name}", error.reason) from None
        msg.info(looked_up(self._name, key, "not_found" if value is None else value))
        return value


class DumpedDebugTable(DebugTable):
    """Of a table that can tell all it holds."""

    def __init__(self, options: Options, name: str, source: Source, dump: Dump) -> None:
        super().__init__(options, name, source)
        self._dump = dump

    def items(self) -> Iterator[tuple[str, str]]:
        """Keys and values, each logged."""
        for key, value in self._dump.items():
            msg.info(f'{self._name} sequence: "{key}" = "{value}"')
            yield key, value
        msg.info(f"{self._name} sequence: found EOF")


def looked_up(table: str, key: str, value: str) -> str:
    """A lookup in a debug table."""
    return f'{table} lookup: "{key}" = "{value}"'


def open_debug(options: Options, name: str) -> DebugTable:
    """Open the other table; OpenError when it can't open."""
    if ":" not in name:
        raise OpenError(f'open dictionary: expecting "type:name" form instead of "{name or options.spec(name)}"')
    inner, inner_name = split_spec(name, options, "")
    source = open_source(in_place_of(inner, inner_name), inner_name)
    if isinstance(source, Dump):
        return DumpedDebugTable(options, name, source, source)
    return DebugTable(options, name, source)
