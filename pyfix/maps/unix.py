"""unix - lookup tables of the system's users and groups

unix:passwd.byname   user name -> the line of passwd(5)
unix:group.byname    group name -> the line of group(5)

In a jail there are none to be found, nor without a descriptor to read them with: that is trouble, and not that
somebody does not exist.
"""

from collections.abc import Callable
from typing import ClassVar

from pyfix.maps.table import OpenError, Options, TableError
from pyfix.unix import passwd


def _passwd(name: str) -> str | None:
    entry = passwd.find_user(name)
    return None if entry is None else ":".join(map(str, entry))


def _group(name: str) -> str | None:
    entry = passwd.find_group(name)
    return None if entry is None else f"{entry.gr_name}:{entry.gr_passwd}:{entry.gr_gid}:{','.join(entry.gr_mem)}"


TABLES: dict[str, Callable[[str], str | None]] = {
    "passwd.byname": _passwd,
    "group.byname": _group,
}


class UnixTable:
    """unix:name, one of the system's tables."""

    fixed = True
    waits: ClassVar[bool] = True  # the system may ask a directory service
    watch = None

    def __init__(self, name: str, find: Callable[[str], str | None]) -> None:
        self._name = name
        self._find = find

    def lookup(self, key: str) -> str | None:
        """The entry in the system's own text form; None when there is none. TableError: the system can't say."""
        try:
            return self._find(key)
        except OSError as error:
            raise TableError(self._name, str(error)) from error


def open_unix(options: Options, name: str) -> UnixTable:
    """The table of that name; OpenError when there is no such."""
    if name not in TABLES:
        raise OpenError(f"unknown table: {options.spec(name)}")
    return UnixTable(options.spec(name), TABLES[name])
