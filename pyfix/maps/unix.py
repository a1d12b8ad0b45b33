"""unix - lookup tables of the system's users and groups

unix:passwd.byname   user name -> the line of passwd(5)
unix:group.byname    group name -> the line of group(5)

In a jail there are none to be found, which is trouble, and not that somebody does not exist.
"""

import grp
import os
import pwd
from collections.abc import Callable
from typing import ClassVar

from pyfix.maps.table import OpenError, Options, TableError


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


TABLES: dict[str, tuple[Callable[[str], str | None], str]] = {
    "passwd.byname": (_passwd, "/etc/passwd"),
    "group.byname": (_group, "/etc/group"),
}


class UnixTable:
    """unix:name, one of the system's tables; file: without it the system knows nobody."""

    fixed = True
    waits: ClassVar[bool] = True  # the system may ask a directory service
    watch = None

    def __init__(self, name: str, find: Callable[[str], str | None], file: str) -> None:
        self._name = name
        self._find = find
        self._file = file

    def lookup(self, key: str) -> str | None:
        """The entry in the system's own text form; None when there is none. TableError: in a jail."""
        found = self._find(key)
        if found is None and not os.path.exists(self._file):
            raise TableError(self._name, f"there is no {self._file} here")
        return found


def open_unix(options: Options, name: str) -> UnixTable:
    """The table of that name; OpenError when there is no such."""
    if name not in TABLES:
        raise OpenError(f"unknown table: {options.spec(name)}")
    return UnixTable(options.spec(name), *TABLES[name])
