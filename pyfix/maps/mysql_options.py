"""mysql_options - option files of MySQL's and MariaDB's own clients: who asks, where, with which certificates

    read_options("/etc/mysql/my.cnf", ("client", "postfix"))     {"user": "mail", "password": "..."}

Lines are `[group]`, `name = value` (perhaps in quotes; `-` and `_` in a name are the same), `name`, `!include file`
and `!includedir directory`; a later value takes the place of an earlier one. Files that can't be read have no options.

Sources: mysql_table(5), "Using Option Files" in the documentation of MySQL.
"""

import os
from collections.abc import Iterable

DEFAULT_FILES = ("/etc/my.cnf", "/etc/mysql/my.cnf", "~/.my.cnf")
DEEPEST = 10  # files that include one another


def read_options(paths: Iterable[str], groups: Iterable[str], depth: int = 0) -> dict[str, str]:
    """The options of some groups; those of a later one win, whatever the order in the files."""
    found: dict[str, dict[str, str]] = {group: {} for group in groups}
    for path in paths:
        _read(os.path.expanduser(path), found, depth)
    return {name: value for options in found.values() for name, value in options.items()}


def _read(path: str, found: dict[str, dict[str, str]], depth: int) -> None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    options: dict[str, str] | None = None
    for line in map(str.strip, lines):
        if line.startswith("!"):
            for each in _included(line) if depth < DEEPEST else ():
                _read(each, found, depth + 1)
        elif line.startswith("["):
            options = found.get(line[1:].partition("]")[0].strip())
        elif line and line[0] not in "#;" and options is not None:
            name, _, value = line.partition("=")
            options[name.strip().replace("_", "-")] = _plain(value)


def _plain(value: str) -> str:
    """A value without quotes, or without the comment behind it."""
    value = value.strip()
    if value[:1] in ("'", '"') and value.count(value[0]) > 1:
        return value[1 : value.index(value[0], 1)]
    return value.partition(" #")[0].rstrip()


def _included(line: str) -> list[str]:
    order, _, path = line.partition(" ")
    path = path.strip()
    if order == "!include":
        return [path]
    try:
        return [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".cnf")]
    except OSError:
        return []
