"""settings - everything that master reads, read and checked as a whole before it is used

A master.cf of Postfix's has no postdrop service, because its command of that name is set-gid. Ours is not, and ordinary
users could submit nothing: where the line is missing, master serves POSTDROP (master_service_disable may name it).

Parameters: master_service_disable, service_throttle_time and those of listen.py
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pyfix.config import compatibility, mailname
from pyfix.config.check import check, warn
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import Line, load_services, parse_service, read_lines
from pyfix.config.master_cf import Service as Entry
from pyfix.config.params.mail import MailParams
from pyfix.config.params.master import MasterParams
from pyfix.master import listen, log
from pyfix.master.listen import Endpoint, Interfaces
from pyfix.server import privileges, programs
from pyfix.unix import msg, users

POSTDROP = "postdrop unix n - n - 0 postdropd"
"""The line of master.cf that is there without being written."""


class Settings(NamedTuple):
    """One state of main.cf and master.cf."""

    cfg: MailParams
    throttle_time: float
    owner: users.User
    interfaces: Interfaces
    entries: dict[str, Entry]
    """By key, those that can be served and are not disabled."""
    jails: tuple[str, ...]
    """Log lines about those that run in a jail because of an old default."""

    def tell_jails(self) -> None:
        """Log them."""
        for line in self.jails:
            msg.info(line)

    def tell_ignored(self) -> None:
        """Log what has to wait for the next start."""
        inet = [entry.name for entry in self.entries.values() if entry.type == "inet"]
        for line in log.ignored(self.interfaces.written, listen.written(self.cfg), inet):
            msg.warning(line)

    def maxproc(self, entry: Entry) -> int:
        """The sessions that a service may serve at once; 0: any number."""
        return self.cfg.default_process_limit if entry.maxproc is None else entry.maxproc

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Where a service listens. BadConfig: its name makes no address."""
        return listen.endpoints(entry, self.cfg, self.interfaces)

    def wanted(self) -> dict[Endpoint, int]:
        """Every socket there has to be, and its backlog."""
        return {
            endpoint: max(self.maxproc(entry), self.cfg.default_process_limit)
            for entry in self.entries.values()
            for endpoint in self.endpoints(entry)
        }


def load(config_dir: str, keep: Interfaces | None = None) -> Settings:
    """Read both files. BadConfig: something is wrong with one, with file and line.

    keep: the interfaces of a running master, which do not change.
    """
    main = MainCf.load(config_dir)
    check(main)
    warn(main)
    mailname.read(main)
    cfg = MailParams(main)
    own = MasterParams(main)
    own.check()
    jails = tuple(compatibility.jails(main, read_lines(f"{config_dir}/master.cf")))
    where = listen.interfaces(cfg) if keep is None else keep
    supplied = parse_service(Line(0, POSTDROP, "master"))
    entries = {entry.key: entry for entry in (supplied, *load_services(main))}
    disabled = Disabled(own.master_service_disable)
    served = {key: e for key, e in entries.items() if not disabled(e) and _known(e, config_dir)}
    settings = Settings(cfg, own.service_throttle_time, privileges.owner_of(cfg.mail_owner), where, served, jails)
    settings.wanted()
    return settings


def _known(entry: Entry, config_dir: str) -> bool:
    if programs.locate(entry.program) is not None:
        return True
    where = f"{config_dir}/master.cf, line {entry.line}"
    msg.warning(log.unknown_program(where, entry.name, entry.program))
    return False


class Disabled:
    """master_service_disable: `name/type` or a type; `!` before one makes an exception. No other words count."""

    def __init__(self, text: str) -> None:
        self._patterns = [word for word in re.split(r"[\s,]+", text) if word]

    def __call__(self, entry: Entry) -> bool:
        names = {f"{entry.name}/{entry.type}", entry.type}
        for pattern in self._patterns:
            if pattern.removeprefix("!") in names:
                return not pattern.startswith("!")
        return False
