"""texthash - lookup table in a text file, in postmap's input format, without an index

The file is read when the table is opened, and again when it has changed.

See also: postmap(1) INPUT FILE FORMAT.
"""

from collections.abc import Callable, Iterable

from pyfix.maps.inline import InlineTable
from pyfix.maps.lines import logical_lines, read_text
from pyfix.maps.source import map_entry
from pyfix.maps.table import Options, fold_key, is_utf8
from pyfix.maps.watch import Watch
from pyfix.unix import msg

Entry = Callable[[str, str], tuple[str, str] | None]
"""Takes a line and where it stands apart into key and value, or reports it."""


class TextHashTable(InlineTable):
    """The entries of a file."""

    def __init__(self, entries: dict[str, str], watch: Watch) -> None:
        super().__init__(entries)
        self.watch: Watch | None = watch  # type: ignore[assignment]


def open_texthash(options: Options, name: str) -> TextHashTable:
    """Read the file; bad lines are reported and left out. OpenError when it can't be read."""
    text, watch = read_text(name, failure=f"open database {name}")
    return TextHashTable(read_entries(options, name, text.split("\n"), _entry), watch)


def _entry(line: str, place: str) -> tuple[str, str] | None:
    return map_entry(line, place, ending=" -- ignoring this line")


def read_entries(options: Options, name: str, lines: Iterable[str], parse: Entry) -> dict[str, str]:
    """All good entries of a source file; the first of several with the same key."""
    entries: dict[str, str] = {}
    for number, line in logical_lines(lines, name):
        place = f"{name}, line {number}"
        if options.utf8 and not is_utf8(line):
            msg.warning(f'{place}: non-UTF-8 input "{line}" -- ignoring this line')
            continue
        entry = parse(line, place)
        if entry is None:
            continue
        key = fold_key(entry[0], utf8=options.utf8) if options.fold else entry[0]
        if key in entries:
            msg.warning(f'{place}: duplicate entry: "{key}"')
        else:
            entries[key] = entry[1]
    return entries
