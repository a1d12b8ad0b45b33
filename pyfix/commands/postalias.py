"""postalias - makes, changes, asks and dumps alias databases

    postalias [map_type:]file...          make the index of each file, in the syntax of aliases(5)
    postalias -q key map_type:name...     the first value found; `-q -`: keys from standard input
    postalias -d key, -s, -i ...          delete a key, dump, add from standard input

Each database holds the entry `@: @`, by which Sendmail knows that it is complete, and for NIS the time that it was made
(YP_LAST_MODIFIED, seconds since 1970) and myhostname (YP_MASTER_NAME).

See also: postalias(1), aliases(5). The work is in pyfix.commands.tables.
"""

import sys

from pyfix.commands import tables
from pyfix.maps.source import alias_entry

POSTALIAS = tables.Command(
    name="postalias",
    letters="c:d:fijnNopq:rsuvw",
    usage="postalias [-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
    entry=alias_entry,
    joint=":\t",
    signs=True,
)


def main(argv: list[str] | None = None) -> int:
    """The postalias command; argv with its name, None for the process's own."""
    return tables.run(POSTALIAS, argv)


if __name__ == "__main__":
    sys.exit(main())
