"""log - where a daemon's lines go, after main.cf"""

import os
import select
import socket
import sys
from contextlib import suppress
from functools import partial
from typing import NoReturn

from pyfix.config.check import LOG_MODE, maillog_file
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.unix import msg
from pyfix.unix.maillog_client import Append, Frame, Postlog, Syslog

AGAIN = 50
"""Milliseconds until a program without a loop offers its lines again."""


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
        return Append(_target(cfg), before, file_mode(main))
    except (OSError, BadConfig):
        return Syslog(before.tag, cfg.syslog_facility)


def administrators(main: MainCf, tag: str, directory: str | None = None) -> msg.Sink:
    """For a command of theirs: postlogd while it listens, else the log file itself. Fatal: that can't be opened.

    directory: as for sink(), None for a command that may run anywhere; tag: the whole of it.
    """
    cfg = MailParams(main)
    msg.ascii_only = not cfg.smtputf8_enable
    before = Frame(tag, cfg.myhostname)
    path = f"{cfg.queue_directory}/" if directory is None else directory
    path += f"public/{cfg.postlog_service_name}"
    if not cfg.maillog_file:
        return Syslog(tag, cfg.syslog_facility)
    if _listens(path):
        return Postlog(path, before, lambda: direct(main, before))
    there = os.path.lexists(cfg.maillog_file)
    try:
        maillog_file(cfg)
        return Append(_target(cfg), before, file_mode(main), partial(_end, cfg.maillog_file))
    except BadConfig:  # which `postfix check` tells of later
        return Syslog(tag, cfg.syslog_facility)
    except OSError as error:
        what = "open file" if there else "create file exclusively"
        msg.fatal(f"open logfile '{cfg.maillog_file}': cannot {what}: {error.strerror}")


def _end(path: str, sink: msg.Sink, error: OSError) -> None:
    """What a sink could not write ends the command with status 1."""
    msg.to(*(each for each in msg.active() if each is not sink))
    with suppress(msg.Fatal):
        msg.fatal(f"logfile '{path}' write error: {error.strerror}")
    sys.exit(1)


def _target(cfg: MailParams) -> str | int:
    return 1 if cfg.maillog_file == "/dev/stdout" else cfg.maillog_file


def _listens(path: str) -> bool:
    """Whether somebody does at a datagram socket, and can be reached: not below a path that is too long."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(path)
    except OSError:
        return False
    return True


def file_mode(main: MainCf) -> int:
    """maillog_file_permissions as a number; 0600 for what can't be one of a log file."""
    text = MailParams(main).maillog_file_permissions
    return int(text, 8) if LOG_MODE.fullmatch(text) else 0o600


def wait(poll: select.poll, seconds: float | None) -> list[tuple[int, int]]:
    """What is ready, after some seconds at most (None: any number). Meanwhile postlogd gets what it did not take."""
    logs = [active for active in msg.active() if isinstance(active, Postlog)]
    while not all(log.offer() for log in logs):
        if ready := poll.poll(AGAIN):
            return ready
    return poll.poll(None if seconds is None else seconds * 1000)


def close() -> None:
    """Send what still waits for postlogd."""
    for active in msg.active():
        if isinstance(active, Postlog):
            active.close()


def leave(status: int) -> NoReturn:
    """End this process at once, after its last lines."""
    close()
    os._exit(status)
