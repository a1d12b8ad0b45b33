"""privileges - the one place that knows about root and ordinary users

Started by root, daemons become mail_owner before they look at anything that came from
outside, inside queue_directory as their root where master.cf says so. Started by an
ordinary user, there is nothing to give up and nothing changes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from pyfix.unix import msg, users


def is_root() -> bool:
    """Whether this process could become somebody else."""
    return os.geteuid() == 0


def drop(mail_owner: str, *, chroot: str | None = None, keep_root: bool = False) -> None:
    """Become mail_owner for good; in the jail `chroot` when given.

    keep_root: the service is not unprivileged (master.cf), it only enters the jail.
    Ends the program when mail_owner is unknown or is root himself.
    """
    if not is_root():
        return
    owner, groups = identity(mail_owner)
    if chroot is not None:
        os.chroot(chroot)
        os.chdir("/")
    if not keep_root:
        os.setgroups(groups)
        os.setresgid(owner.gid, owner.gid, owner.gid)
        os.setresuid(owner.uid, owner.uid, owner.uid)


@cache
def identity(mail_owner: str) -> tuple[users.User, tuple[int, ...]]:
    """Whom root becomes, and the groups; looked up once for all processes that are forked afterwards."""
    owner = owner_of(mail_owner)
    return owner, tuple(users.groups_of(owner.name, owner.gid))


def owner_of(mail_owner: str) -> users.User:
    """The user that daemons become: mail_owner for root, else the caller."""
    if not is_root():
        return users.caller()
    owner = users.find_user(mail_owner)
    if owner is None:
        msg.fatal(f"main.cf: parameter mail_owner: unknown user name: {mail_owner}")
    if owner.uid == 0:
        msg.fatal(f"main.cf: parameter mail_owner: user {mail_owner} has user ID 0")
    return owner


@contextmanager
def acting_as(user: users.User) -> Iterator[None]:
    """Make files as that user for a while (root only; nothing for others)."""
    if not is_root():
        yield
        return
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
