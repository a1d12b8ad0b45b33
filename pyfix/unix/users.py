"""users - look-ups of users and groups by name or number

A daemon looks its users up before the jail; afterwards /etc/passwd may be out of reach.
"""

import grp
import os
import pwd
from typing import NamedTuple


class UnknownUserError(LookupError):
    """The system knows no such user or group; str() names it."""


class User(NamedTuple):
    """A user of the system."""

    name: str
    uid: int
    gid: int
    home: str


def user(name: str) -> User:
    """The user of that name (or of that number, in digits); UnknownUserError when there is none."""
    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        raise UnknownUserError(f"no such user: {name}") from None
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def find_user(name: str) -> User | None:
    """The user of that name, None when there is none."""
    try:
        return user(name)
    except UnknownUserError:
        return None


def user_of(uid: int) -> User | None:
    """The user with that number, None when it has no name."""
    return find_user(str(uid))


def group(name: str) -> int:
    """The number of a group by its name or (in digits) its number; UnknownUserError when there is none."""
    try:
        return grp.getgrgid(int(name)).gr_gid if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise UnknownUserError(f"no such group: {name}") from None


def group_name(gid: int) -> str | None:
    """The name of a group, None when it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None


def groups_of(name: str, gid: int) -> list[int]:
    """All groups of a user, `gid` among them."""
    return os.getgrouplist(name, gid)


def caller() -> User:
    """The user who runs this process; one without a name is called by number."""
    uid = os.getuid()
    return user_of(uid) or User(str(uid), uid, os.getgid(), "/")
