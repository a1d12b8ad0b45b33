"""mailq - list the queue, as postqueue -p does

    mailq [-C DIR]

See also: mailq(1), postqueue(1).
"""

import os
import sys

from pyfix.commands import postqueue
from pyfix.commands.mail_conf import UsageError, options


def main(argv: list[str] | None = None) -> int:
    """List the queue; other options of sendmail are passed over."""
    words = sys.argv if argv is None else argv
    try:
        found, _ = options(words[1:], "C:c:v")
    except UsageError:
        found = []
    directory = next((value for letter, value in found if letter in "cC"), "")
    if directory.endswith("main.cf"):
        directory = os.path.dirname(directory)
    verbose = ["-v"] * sum(letter == "v" for letter, _ in found)
    return postqueue.main([words[0], *verbose, *(["-c", directory] if directory else []), "-p"])


if __name__ == "__main__":
    sys.exit(main())
