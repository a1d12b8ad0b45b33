"""compound - what unionmap and pipemap share: tables named within `{}`

    unionmap:{type:name, type:name}     pipemap:{type:name, type:name}

Whether such a table is one of patterns, which is not asked for parts of an address, its first table says.
"""

from pyfix.maps.braces import BraceError, content, split
from pyfix.maps.open import open_or_fail
from pyfix.maps.table import LocalTable, OpenError, Options, TableError
from pyfix.maps.watch import Together


class Parts:
    """The tables within a compound one; their errors carry the name of the whole."""

    def __init__(self, options: Options, name: str) -> None:
        """Open them all; OpenError when one can't open or the syntax is bad."""
        self.name = options.spec(name)
        self.tables = [
            open_or_fail(
                spec,
                config_dir=options.config_dir,
                fold=options.fold,
                utf8=options.utf8,
                secret=options.secret,
                care=options.care,
            )
            for spec in _specs(options, name)
        ]
        self.fixed = self.tables[0].fixed
        self.waits = any(table.waits for table in self.tables)
        self.watch = Together([table.stamp for table in self.tables])

    def lookup(self, table: LocalTable, key: str) -> str | None:
        """One table's answer."""
        try:
            return table.lookup_now(key)
        except TableError as error:
            raise TableError(self.name, error.reason) from None


def first_type(spec: str) -> str:
    """The type of a table, of a compound one that of its first."""
    table_type, _, name = spec.partition(":")
    if table_type not in ("pipemap", "unionmap"):
        return table_type
    try:
        return first_type(split(content(name))[0])
    except (BraceError, IndexError):
        return table_type


def _specs(options: Options, name: str) -> list[str]:
    try:
        specs = split(content(name))
    except BraceError:
        specs = []
    if not specs or not all(":" in spec for spec in specs):
        raise OpenError(
            f'bad syntax: "{options.spec(name)}"; need "{options.type}:{{type:name...}}"'
        ) from None
    return specs
