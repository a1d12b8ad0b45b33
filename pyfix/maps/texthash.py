"""texthash - lookup table in a text file, in postmap's input format, without an index

The file is read when the table is opened, and again when it has changed.

See also: postmap(1) INPUT FILE FORMAT.
"""

from pyfix.maps.inline import InlineTable
from pyfix.maps.lines import logical_lines, read_text
from pyfix.maps.source import map_entry
from pyfix.maps.table import Options, fold_key, is_utf8
from pyfix.maps.watch import Watch
from pyfix.unix import msg


class TextHashTable(InlineTable):
    """The entries of a file."""

    def __init__(self, entries: dict[str, str], watch: Watch) -> None:
        super().__init__(entries)
        self.watch: Watch | None = watch  # type: ignore[assignment]


def open_texthash(options: Options, name: str) -> TextHashTable:
    """Read the file; bad lines are reported and left out. OpenError when it can't be read."""
    text, watch = read_text(name, failure=f"open database {name}")
    entries: dict[str, str] = {}
    for number, line in logical_lines(text.split("\n"), name):
        if options.utf8 and not is_utf8(line):
            msg.warning(f'{name}, line {number}: non-UTF-8 input "{line}" -- ignoring this line')
            continue
        entry = map_entry(line, f"{name}, line {number}", ending=" -- ignoring this line")
        if entry is None:
            continue
        key = fold_key(entry[0], utf8=options.utf8) if options.fold else entry[0]
        if key in entries:
            msg.warning(f'{name}, line {number}: duplicate entry: "{key}"')
        else:
            entries[key] = entry[1]
    return TextHashTable(entries, watch)
