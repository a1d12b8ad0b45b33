"""maps - the tables of one parameter, asked in order

    maps = Maps("hash:/etc/postfix/virtual, inline:{a=b}", name="virtual_alias_maps")
    value = await maps.find("user@example.com")

The first table with an answer wins. A table that can't answer ends the search: what stands in
a later one might be the wrong answer. So does an empty value, which is reported.

Parameters: smtputf8_enable, default_database_type.
"""

from collections.abc import Iterable

from pyfix.maps.braces import split
from pyfix.maps.open import open_table
from pyfix.maps.table import Care, LocalTable, Table, TableError, without_values
from pyfix.maps.watch import Stamp
from pyfix.unix import msg


class Maps:
    """Several tables in order. name: the parameter's, for the log."""

    __slots__ = ("_local", "_opened", "_secret", "name", "tables")

    def __init__(
        self,
        text: str,
        *,
        name: str,
        config_dir: str = "",
        fold: bool = True,
        utf8: bool = True,
        secret: bool = False,
        care: Care = Care.NONE,
    ) -> None:
        """Open all tables of a parameter's text; one that can't open fails each lookup.

        text: type:name items, separated by commas or white space, braces kept together; secret: no value is
        for the log; care: what is not taken from a table.
        """
        self.name = name
        self._secret = secret
        self.tables: list[Table] = []
        self._local: list[LocalTable] = []
        for spec in split(text):
            self.add(open_table(spec, config_dir=config_dir, fold=fold, utf8=utf8, secret=secret, care=care))
        self._opened = self.stamp()

    @classmethod
    def of(cls, tables: Iterable[Table], *, name: str) -> "Maps":
        """Maps of tables that are open already."""
        maps = cls("", name=name)
        for table in tables:
            maps.add(table)
        return maps

    def add(self, table: Table) -> None:
        """One more table after the others."""
        self.tables.append(table)
        if isinstance(table, LocalTable):
            table.secret = table.secret or self._secret
            self._local.append(table)
            self._opened = self.stamp()

    def __bool__(self) -> bool:
        return bool(self.tables)

    async def find(self, key: str, *, partial: bool = False) -> str | None:
        """The first table's value, None when no table has one.

        partial: the key is only a part of what is looked for (`user`, `@domain`): pattern
        tables are left out. TableError: a table can't answer; it was logged.
        """
        if not key:
            return None
        for table in self.tables:
            if partial and not table.fixed:
                continue
            try:
                if isinstance(table, LocalTable) and not table.waits:
                    value = table.lookup_now(key)
                else:
                    value = await table.lookup(key)
            except TableError:
                name = without_values(table.name) if self._secret else table.name
                msg.warning(lookup_error(name, key))
                raise
            if value == "":
                raise empty_result(self.name, table.name, key)
            if value is not None:
                if msg.verbose:
                    self._tell(table, key, value)
                return value
        if msg.verbose:
            msg.info(f"maps_find: {self.name}: {key}: not found")
        return None

    def _tell(self, table: Table, key: str, value: str) -> None:
        name, shown = (without_values(table.name), "(hidden)") if self._secret else (table.name, value)
        msg.info(f"maps_find: {self.name}: {name}: {key} = {shown}")

    def changed(self) -> bool:
        """Whether a file of these tables is on disk no longer as it was when they were opened."""
        return self.stamp() != self._opened

    def stamp(self) -> tuple[Stamp | None, ...]:
        """Differs when a table's file does: for caches of answers, compare two of them."""
        return tuple([table.stamp() for table in self._local])


def empty_result(who: str, table: str, key: str) -> TableError:
    """A table's value is empty, which is neither a value nor none: the error, reported. who: asked for it."""
    msg.warning(f"{who} lookup of {key} returns an empty string result")
    msg.warning(f"{who} should return NO RESULT in case of NOT FOUND")
    return TableError(table, "empty string result")


def lookup_error(table: str, key: str) -> str:
    """A table could not answer."""
    return f'{table} lookup error for "{key}"'
