"""instance - writes a complete mail system of its own below one directory

    DIR/etc     main.cf, master.cf, vmailbox (the mailboxes)
    DIR/queue   queue_directory            DIR/data  data_directory
    DIR/mail    Maildirs                   DIR/log   maillog

Nothing outside DIR is touched. As root the daemons become an unprivileged user, as
anybody else they stay who they are.
"""

import os
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pyfix
from pyfix.commands import layout
from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.server import privileges
from pyfix.unix import users

DEMO_USERS = ("alice", "bob")

MAIN_CF = """\
# An instance of pyfix below {directory}, made by `pyfix new`.
compatibility_level = 3.11
queue_directory = {directory}/queue
data_directory = {directory}/data
mail_owner = {owner}
setgid_group = {group}
default_privs = {others}

myhostname = mail.{domain}
mydomain = {domain}
myorigin = $mydomain
inet_interfaces = loopback-only
mynetworks = 127.0.0.0/8, [::1]/128

# Mail for {domain} goes to Maildirs; the file vmailbox says whose.
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {directory}/mail
virtual_mailbox_maps = texthash:{directory}/etc/vmailbox
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}

maillog_file = {directory}/log/maillog
maillog_file_prefixes = {directory}/log, /dev/stdout
"""


class Owner(NamedTuple):
    """Whom an instance's daemons become."""

    user: users.User
    group: str
    """setgid_group: another group than the user's own, where there is a choice."""
    others: str
    """default_privs: who runs commands for nobody in particular; another user, where there is a choice."""


def choose_owner(name: str | None = None) -> Owner:
    """For root the named user, postfix or nobody; for others the caller. UnknownUserError."""
    if not privileges.is_root():
        user = users.caller()
        return Owner(user, users.group_name(user.gid) or str(user.gid), user.name)
    user = users.user(name) if name is not None else users.find_user("postfix") or users.user("nobody")
    group = _other_group(user.gid)
    return Owner(user, group, _other_user(user, group))


def _other_group(gid: int) -> str:
    for name in ("postdrop", "mail", "daemon", "nogroup"):
        try:
            if users.group(name) != gid:
                return name
        except users.UnknownUserError:
            continue
    return "0"


def _other_user(owner: users.User, group: str) -> str:
    taken = {0, owner.gid, users.group(group)}
    for name in ("nobody", "daemon", "games", "man"):
        user = users.find_user(name)
        if user is not None and user.uid != owner.uid and user.gid not in taken:
            return name
    return owner.name


def write(directory: Path, *, smtp: str, domain: str, user: str | None = None) -> None:
    """Write the instance. FileExistsError: there is one; UnknownUserError; OSError.

    smtp: address and port, such as 127.0.0.1:2525; user: whom daemons become (root only).
    """
    if (directory / "etc" / "main.cf").exists():
        raise FileExistsError(f"{directory}/etc/main.cf exists already")
    owner = choose_owner(user)
    for name in ("etc", "log", "mail"):
        (directory / name).mkdir(0o755, parents=True, exist_ok=True)
    names = {"owner": owner.user.name, "group": owner.group, "others": owner.others}
    ids = {"uid": owner.user.uid, "gid": owner.user.gid}
    main_cf = MAIN_CF.format(directory=directory, domain=domain, **names, **ids)
    (directory / "etc" / "master.cf").write_text(master_cf(smtp))
    (directory / "etc" / "vmailbox").write_text(_mailboxes(domain))
    _own(directory / "log", owner)
    _own(directory / "mail", owner)
    layout.complete(layout.places(MailParams(MainCf.from_text(main_cf))))
    (directory / "etc" / "main.cf").write_text(main_cf)


def _own(path: Path, owner: Owner) -> None:
    if privileges.is_root():
        os.chown(path, owner.user.uid, owner.user.gid)


def _mailboxes(domain: str) -> str:
    """texthash: of the demo users, Maildirs below virtual_mailbox_base."""
    return "".join(f"{name}@{domain}\t{domain}/{name}/\n" for name in DEMO_USERS)


def master_cf(smtp: str) -> str:
    """The shipped master.cf with another address for SMTP."""
    text = (shipped() / "master.cf").read_text()
    old = "smtp         inet"
    assert old in text
    return text.replace(old, f"{smtp} inet", 1)


def shipped() -> Path:
    """The directory of the shipped configuration: beside the package, or where pip put it."""
    beside = Path(pyfix.__file__).parent.parent / "conf"
    return beside if beside.is_dir() else Path(sysconfig.get_path("data")) / "share" / "pyfix"


def reachable(directory: Path, user: users.User) -> bool:
    """Whether that user may pass through this directory and all above it, as far as they exist."""
    existing = [path for path in (directory, *directory.parents) if path.exists()]
    return all(_may_pass(path, user) for path in existing)


def _may_pass(path: Path, user: users.User) -> bool:
    found = path.stat()
    if found.st_uid == user.uid:
        return bool(found.st_mode & 0o100)
    if found.st_gid in users.groups_of(user.name, user.gid):
        return bool(found.st_mode & 0o010)
    return bool(found.st_mode & 0o001)
