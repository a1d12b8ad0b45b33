"""mailname - myorigin may name a file

    myorigin = /etc/mailname

The first line of the file is the value then, as with Debian's Postfix, whose installation writes this line. Daemons
read it before a jail closes; commands show what was written.
"""

from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.syntax import SPACE


def read(main: MainCf) -> MainCf:
    """main.cf with the line instead of the file's name. Raises BadConfig: no such file, or nothing in it."""
    path = main.value("myorigin")
    return main.with_overrides([("myorigin", _first_line(main, path))], path) if path.startswith("/") else main


def _first_line(main: MainCf, path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            line = file.readline().strip(SPACE)
    except OSError as error:
        raise _bad(main, f"open {path}: {error.strerror}") from None
    if not line:
        raise _bad(main, f"the first line of {path} is empty")
    return line


def _bad(main: MainCf, problem: str) -> BadConfig:
    return main.bad("myorigin", f"myorigin: {problem}")
