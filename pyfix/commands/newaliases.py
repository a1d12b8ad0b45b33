"""newaliases - rebuild the alias databases

    newaliases [-c DIR]

What `postalias` does with each table of alias_database, as `sendmail -bi` does.

Parameters: alias_database
See also: newaliases(1), postalias(1).
"""

import sys

from pyfix.commands import mail_conf, postalias
from pyfix.unix import msg

USAGE = "usage: newaliases [-c config_dir] [-v]"


def main(argv: list[str] | None = None) -> int:
    """Rebuild them; options of sendmail are passed over."""
    found, _ = mail_conf.begin(argv, "newaliases", "C:c:v", USAGE)
    directory = next((value for letter, value in found if letter in "cC"), None)
    main_cf = mail_conf.load(directory)
    tables = main_cf.value("alias_database").replace(",", " ").split()
    if not tables:
        return 0
    verbose = ["-v"] * msg.verbose
    return postalias.main(["postalias", *verbose, "-c", main_cf.config_dir, "--", *tables])


if __name__ == "__main__":
    sys.exit(main())
