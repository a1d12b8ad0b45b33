"""mailq - list the queue: sendmail under another name

See also: mailq(1), sendmail(1), postqueue(1).
"""

import sys

from pyfix.commands import sendmail
from pyfix.unix import stdio


def main(argv: list[str] | None = None) -> int:
    """Be `sendmail -bp`, whatever file this is started from."""
    words = sys.argv if argv is None else argv
    if argv is None:
        stdio.prepare()
    return sendmail.main(["mailq", *words[1:]])


if __name__ == "__main__":
    sys.exit(main())
