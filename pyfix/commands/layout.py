"""layout - the directories of an instance: who owns them, and who may look

Missing ones are made; wrong ones are reported, and put right by `postfix set-permissions`.
"""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from pyfix.config.params.mail import MailParams
from pyfix.server import privileges
from pyfix.unix import users


class Directory(NamedTuple):
    """One directory below queue_directory."""

    name: str
    mode: int
    owner: str = "mail_owner"
    group: str = ""
    """setgid_group, or empty: the owner's."""


QUEUE = (
    Directory("", 0o755, "root"),
    Directory("pid", 0o755, "root"),
    *(
        Directory(name, 0o700)
        for name in (
            "incoming", "active", "deferred", "hold", "corrupt", "saved", "bounce", "defer", "trace", "flush",
            "private",
        )
    ),
    Directory("maildrop", 0o730, group="setgid_group"),
    Directory("public", 0o711, group="setgid_group"),  # open: who may use a socket is a matter of each
)  # fmt: skip


class Place(NamedTuple):
    """Where a directory has to be, and how."""

    path: str
    mode: int
    uid: int
    gid: int
    owner: str


def places(cfg: MailParams) -> Iterator[Place]:
    """Every directory of the instance, parents first. UnknownUserError: setgid_group."""
    owner = privileges.owner_of(cfg.mail_owner)
    root = users.user_of(0) if privileges.is_root() else owner
    assert root is not None
    setgid = users.group(cfg.setgid_group) if privileges.is_root() else owner.gid
    for directory in QUEUE:
        user = root if directory.owner == "root" else owner
        gid = setgid if directory.group else user.gid
        path = os.path.join(cfg.queue_directory, directory.name).rstrip("/")
        yield Place(path, directory.mode, user.uid, gid, user.name)
    yield Place(cfg.data_directory, 0o700, owner.uid, owner.gid, owner.name)


def complete(wanted: Iterator[Place], *, repair: bool = False) -> list[str]:
    """Make what is missing; returns what is wrong with the rest (or puts it right). OSError: it can't."""
    problems: list[str] = []
    for place in wanted:
        if not os.path.isdir(place.path):
            os.makedirs(place.path, 0o755)
            _set(place)
        elif repair:
            _set(place)
        else:
            _open(place)
            problems += _wrong(place)
    return problems


def _set(place: Place) -> None:
    if privileges.is_root():
        os.chown(place.path, place.uid, place.gid)
    os.chmod(place.path, place.mode)


def _open(place: Place) -> None:
    """Postfix's set-gid programs need no way for others; ours has no such programs."""
    mode = stat.S_IMODE(os.stat(place.path).st_mode)
    if place.mode & ~mode & 0o001:
        os.chmod(place.path, mode | 0o001)


def _wrong(place: Place) -> Iterator[str]:
    found = os.stat(place.path)
    if found.st_uid != place.uid:
        yield f"not owned by {place.owner}: {place.path}"
    if place.gid != found.st_gid and place.mode & 0o070 & ~0o050:
        yield f"not owned by group {users.group_name(place.gid)}: {place.path}"
    if stat.S_IMODE(found.st_mode) & 0o022 & ~place.mode:
        yield f"group or other writable: {place.path}"
