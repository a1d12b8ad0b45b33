"""newaliases - rebuild the alias databases: sendmail under another name

What `postalias` does with each table of alias_database, as `sendmail -bi` does.

Parameters: alias_database
See also: newaliases(1), sendmail(1), postalias(1).
"""

import sys

from pyfix.commands import mail_conf, postalias, sendmail
from pyfix.unix import stdio


def main(argv: list[str] | None = None) -> int:
    """Be `sendmail -bi`, whatever file this is started from."""
    words = sys.argv if argv is None else argv
    if argv is None:
        stdio.prepare()
    return sendmail.main(["newaliases", *words[1:]])


def rebuild(directory: str, tables: str = "") -> int:
    """Rebuild tables, else those of alias_database; returns postalias' exit status."""
    main_cf = mail_conf.load(directory)
    names = (tables or main_cf.value("alias_database")).replace(",", " ").split()
    if not names:
        return 0
    return postalias.main(["postalias", "-c", main_cf.config_dir, "--", *names])


if __name__ == "__main__":
    sys.exit(main())
