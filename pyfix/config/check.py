"""check - what must be true of main.cf before a program goes on

The values of the shared parameters, the users and groups they name, and the addresses of
this host. Who runs as an ordinary user can become nobody else, so that then users and
groups only have to be known by name where they are set.

Sources: postconf(5); the checks and words are those of every Postfix program at its start.
"""

import os
import re

from pyfix.config import environment, nbdb_util, registry, tcp_ports
from pyfix.config.at_start import READ
from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.unix import msg, users

FACILITIES = frozenset(
    ["auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp"]
    + [f"local{number}" for number in range(8)]
)
LOG_MODE = re.compile(r"0*(600|640|644)")
"""What maillog_file_permissions may be."""


def check(main: MainCf) -> None:
    """Every parameter of no one program, for those that start a system.

    Raises BadConfig for the first thing that is wrong, located where a setting is to blame.
    """
    MailParams(main).check()
    _check_meanings(main)
    networks_of(main)


def at_start(main: MainCf) -> None:
    """What every program reads at its start, of what main.cf sets. Raises BadConfig."""
    for name in main.names():
        if name in READ and (parameter := registry.find(name)) is not None:
            parameter.read(main)
    MailParams(main).mydomain  # noqa: B018 - is made of myhostname, if it can be
    _check_meanings(main)
    warn(main)
    if {"inet_interfaces", "inet_protocols", "mynetworks_style"} & {*main.names()}:
        networks_of(main)


def warn(main: MainCf) -> None:
    """Warn of settings that are passed over where they are wrong."""
    cfg = MailParams(main)
    if main.raw("known_tcp_ports") is not None:
        for problem in tcp_ports.parse(cfg.known_tcp_ports)[1]:
            msg.warning(f"known_tcp_ports: {problem}")
    if not LOG_MODE.fullmatch(cfg.maillog_file_permissions):
        msg.warning(f"ignoring bad permissions: maillog_file_permissions = {cfg.maillog_file_permissions}")


def networks_of(main: MainCf) -> None:
    """The addresses of this host, as far as they are told. Raises BadConfig."""
    from pyfix.config import networks  # most commands can do without

    networks.protocols(main)
    networks.own_addresses(main)
    if main.raw("mynetworks_style") is not None:
        networks.default_mynetworks(main)


def maillog_file(cfg: MailParams) -> None:
    """maillog_file must lie below one of maillog_file_prefixes. BadConfig, located, when not."""
    path = cfg.maillog_file
    allowed = [prefix for prefix in re.split(r"[\s,]+", cfg.maillog_file_prefixes) if prefix]
    if path and not any(path == p or path.startswith(p.rstrip("/") + "/") for p in allowed):
        problem = f"maillog_file value '{path}' does not match any prefix in maillog_file_prefixes"
        raise cfg.main.bad("maillog_file", problem)


def _check_meanings(main: MainCf) -> None:
    """The values of which more is asked than that they are text. BadConfig."""
    cfg = MailParams(main)
    maillog_file(cfg)
    for problem in environment.problems(cfg.import_environment):
        raise main.bad("import_environment", f"import_environment: {problem}")
    if cfg.syslog_facility not in FACILITIES:
        problem = f"parameter syslog_facility: unrecognized value: {cfg.syslog_facility}"
        raise main.bad("syslog_facility", problem)
    if nbdb_util.level(main) is not nbdb_util.Level.DISABLE:
        nbdb_util.custom_mapping(main)
    if os.geteuid() == 0:
        _check_owners(cfg)


def _check_owners(cfg: MailParams) -> None:
    """The users and groups, when they will be used."""
    owner, group = _user(cfg, "mail_owner", cfg.mail_owner), _group(cfg, cfg.setgid_group)
    default = _user(cfg, "default_privs", cfg.default_privs)
    if owner.uid == default.uid:
        problem = f"parameters default_privs and mail_owner specify the same user {owner.name}"
        raise cfg.main.bad("default_privs", problem)
    for user, name in ((owner, "mail_owner"), (default, "default_privs")):
        if user.gid == group:
            what = f"user {user.name} and group {cfg.setgid_group} have the same group ID: {group}"
            raise cfg.main.bad(name, f"parameters {name} and setgid_group: {what}")


def _user(cfg: MailParams, name: str, value: str) -> users.User:
    found = users.find_user(value)
    if found is None:
        raise cfg.main.bad(name, f"parameter {name}: unknown user name value: {value}")
    if not found.uid:
        raise cfg.main.bad(name, f"parameter {name}: user {value} has privileged user ID")
    if not found.gid:
        raise cfg.main.bad(name, f"parameter {name}: user {value} has privileged group ID")
    return found


def _group(cfg: MailParams, value: str) -> int:
    name = "setgid_group"
    try:
        found = users.group(value)
    except users.UnknownUserError:
        raise cfg.main.bad(name, f"parameter {name}: unknown group name: {value}") from None
    if not found:
        raise cfg.main.bad(name, f"parameter {name}: group {value} has privileged group ID")
    return found
