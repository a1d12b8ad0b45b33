"""log - where a daemon's lines go, after main.cf"""

import os
from typing import NoReturn

from pyfix.config.check import LOG_MODE, maillog_file
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.unix import msg
from pyfix.unix.maillog_client import Append, Frame, Postlog, Syslog


def tag(main: MainCf, program: str) -> str:
    """`postfix/smtpd`: syslog_name and the program."""
    return f"{MailParams(main).syslog_name}/{program}"


def frame(main: MainCf, program: str) -> Frame:
    """What stands before each line in a log file."""
    return Frame(tag(main, program), MailParams(main).myhostname)


def sink(main: MainCf, program: str, directory: str = "", *, stamps: bool = False) -> msg.Sink:
    """postlogd when maillog_file is set, else syslog.

    directory: queue_directory and a slash for a process that is elsewhere; stamps: for a daemon.
    """
    cfg = MailParams(main)
    if not cfg.maillog_file:
        return Syslog(tag(main, program), cfg.syslog_facility)
    path = f"{directory}public/{cfg.postlog_service_name}"
    before = frame(main, program)
    return Postlog(path, before, lambda: direct(main, before), stamps=stamps)


def command_sink(main: MainCf, tag: str) -> msg.Sink:
    """The same for a command, which may run anywhere; tag: the whole of it."""
    cfg = MailParams(main)
    if not cfg.maillog_file:
        return Syslog(tag, cfg.syslog_facility)
    before = Frame(tag, cfg.myhostname)
    return Postlog(f"{cfg.queue_directory}/public/{cfg.postlog_service_name}", before, lambda: direct(main, before))


def direct(main: MainCf, before: Frame) -> msg.Sink:
    """The log file itself where this process may write it, else syslog."""
    cfg = MailParams(main)
    try:
        maillog_file(cfg)
        target = 1 if cfg.maillog_file == "/dev/stdout" else cfg.maillog_file
        return Append(target, before, file_mode(main))
    except (OSError, BadConfig):
        return Syslog(before.tag, cfg.syslog_facility)


def file_mode(main: MainCf) -> int:
    """maillog_file_permissions as a number; 0600 for what can't be one of a log file."""
    text = MailParams(main).maillog_file_permissions
    return int(text, 8) if LOG_MODE.fullmatch(text) else 0o600


def close() -> None:
    """Send what still waits for postlogd."""
    for active in msg.active():
        if isinstance(active, Postlog):
            active.close()


def leave(status: int) -> NoReturn:
    """End this process at once, after its last lines."""
    close()
    os._exit(status)
