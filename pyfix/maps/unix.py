"""unix - lookup tables of the system's users and groups

unix:passwd.byname   user name -> the line of passwd(5)
unix:group.byname    group name -> the line of group(5)
"""

import grp
import pwd
from collections.abc import Callable
from typing import ClassVar

from pyfix.maps.table import OpenError, Options


def _passwd(name: str) -> str | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return ":".join(map(str, entry))


def _group(name: str) -> str | None:
    try:
        entry = grp.getgrnam(name)
    except KeyError:
        return None
    return f"{entry.gr_name}:{entry.gr_passwd}:{entry.gr_gid}:{','.join(entry.gr_mem)}"


TABLES: dict[str, Callable[[str], str | None]] = {"passwd.byname": _passwd, "group.byname": _group}


class UnixTable:
    """One of the system's tables."""

    fixed = True
    waits: ClassVar[bool] = True  # the system may ask a directory service
    watch = None

    def __init__(self, find: Callable[[str], str | None]) -> None:
        self._find = find

    def lookup(self, key: str) -> str | None:
        """The entry in the system's own text form; None when there is none."""
        return self._find(key)


def open_unix(options: Options, name: str) -> UnixTable:
    """The table of that name; OpenError when there is no such."""
    if name not in TABLES:
        raise OpenError(f"unknown table: {options.spec(name)}")
    return UnixTable(TABLES[name])
