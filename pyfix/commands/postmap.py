"""postmap - makes, changes, asks and dumps lookup tables

    postmap [map_type:]file...            make the index of each file
    postmap -q key map_type:name...       the first value found; `-q -`: keys from standard input
    postmap -d key, -s, -i ...            delete a key, dump, add from standard input

See also: postmap(1), DATABASE_README. The work is in pyfix.commands.tables.
"""

import sys

from pyfix.commands import tables
from pyfix.maps.source import map_entry

POSTMAP = tables.Command(
    name="postmap",
    letters="bc:d:fFhijmnNopq:rsuUvw",
    usage="postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
    entry=map_entry,
    joint="\t",
)


def main(argv: list[str] | None = None) -> int:
    """The postmap command; argv with its name, None for the process's own."""
    return tables.run(POSTMAP, argv)


if __name__ == "__main__":
    sys.exit(main())
