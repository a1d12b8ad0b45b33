"""as_user - touch a recipient's files with the recipient's rights

Only a process that root started can become somebody else, and it stays mail_owner in between;
for other processes nothing changes and everything belongs to the user who runs them. seteuid is
a property of the process, so only serial agents may do this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pyfix.unix.users import User


def can_switch() -> bool:
    """Whether this process could become other users."""
    return os.getuid() == 0


def become(uid: int, gid: int) -> None:
    """Be that user from now on, in that group only, until the next call. OSError."""
    if not can_switch():
        return
    os.seteuid(0)
    os.setegid(gid)
    os.setgroups([gid])
    os.seteuid(uid)


@contextmanager
def as_user(uid: int, gid: int, owner: User) -> Iterator[None]:
    """Be that user for a while, mail_owner afterwards."""
    become(uid, gid)
    try:
        yield
    finally:
        become(owner.uid, owner.gid)


@contextmanager
def as_root() -> Iterator[None]:
    """Be root for a moment, if this process could be; then who it was."""
    if not can_switch() or os.geteuid() == 0:
        yield
        return
    uid = os.geteuid()
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(uid)
