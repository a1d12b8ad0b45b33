"""mailq - list the queue, as postqueue -p does

    mailq [-C DIR]

See also: mailq(1), postqueue(1).
"""

import os
import sys

from pyfix.commands import postqueue


def main(argv: list[str] | None = None) -> int:
    """List the queue; other options of sendmail are passed over."""
    words = sys.argv if argv is None else argv
    directory = _directory(words)
    return postqueue.main([words[0], *(["-c", directory] if directory else []), "-p"])


def _directory(words: list[str]) -> str:
    """The value of -C, which may name main.cf itself."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word[:2] in ("-C", "-c"):
            value = word[2:] or following
            return os.path.dirname(value) if value.endswith("main.cf") else value
    return ""


if __name__ == "__main__":
    sys.exit(main())
