"""master - the supervisor of the suite, as a program

    python -m pyfix.master [-c DIR] [-dDistvw] [-e SECONDS]

-c DIR   configuration directory (else MAIL_CONFIG, else /etc/postfix)
-d       don't detach from the terminal session, keep standard input and output
-D       (Postfix's debugger option; nothing here)
-e N     end after N seconds
-i       as process 1 of a container
-s       keep standard output, for maillog_file = /dev/stdout
-t       test: exit 0 when no master runs on this queue, 1 when one does
-v       verbose, for daemons too
-w       the caller waits until the suite listens, and hears what went wrong

Privileges: root, or an ordinary user for an instance of his own.
Parameters: those of settings.py and environment.py
"""

import getopt
import os
import select
import signal
import sys
from errno import ETIMEDOUT
from typing import NoReturn

from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.master import log as lines
from pyfix.master import notify, settings
from pyfix.master.loop import Loop
from pyfix.master.master import Master
from pyfix.server import log, privileges
from pyfix.unix import msg, pid_file, prctl
from pyfix.unix.maillog_client import Postlog

USAGE = "usage: master [-c config_dir] [-d] [-D] [-e exit_time] [-i] [-s] [-t] [-v] [-w]"
READY_TIMEOUT = 60
"""Seconds that -w waits at most."""


def main() -> NoReturn:
    """Read options, then test, or become the supervisor."""
    msg.to_stderr("postfix/master")
    try:
        found, words = getopt.getopt(sys.argv[1:], "c:dDe:istvw")
    except getopt.GetoptError as error:
        msg.fatal(f"{error.msg}: {USAGE}")
    if words:
        msg.fatal(USAGE)
    options = dict(found)
    msg.verbose = sum(name == "-v" for name, _ in found)
    config_dir = os.path.abspath(options.get("-c") or os.environ.get("MAIL_CONFIG") or "/etc/postfix")
    try:
        _run(config_dir, options)
    except BadConfig as error:
        msg.fatal(str(error))


def _run(config_dir: str, options: dict[str, str]) -> NoReturn:
    main_cf = MainCf.load(config_dir)
    cfg = MailParams(main_cf)
    os.umask(0o077)
    try:
        os.chdir(cfg.queue_directory)
    except OSError as error:
        msg.fatal(f"chdir {cfg.queue_directory}: {error.strerror}")
    path = f"{cfg.process_id_directory}/master.pid"
    if "-t" in options:
        sys.exit(1 if pid_file.is_held(path) else 0)
    if "-i" in options and os.getpid() != 1:
        msg.fatal("the -i option needs process ID 1")
    # until all listen, postlogd's socket is this process's own: lines that were sent there would end with it
    msg.to(log.administrators(main_cf, log.tag(main_cf, "master")), msg.stderr_sink("postfix/master"))
    told = _parent_waits() if "-w" in options else -1
    if not {"-d", "-i"} & set(options) and os.getpgrp() != os.getpid():
        os.setsid()
    locks = _take_locks(path, cfg)
    _supervise(config_dir, main_cf, options, told)
    assert locks
    log.leave(0)


def _take_locks(path: str, cfg: MailParams) -> list[int]:
    owner = privileges.owner_of(cfg.mail_owner)
    held = [pid_file.hold(path)]
    with privileges.acting_as(owner):
        held.append(pid_file.hold(f"{cfg.data_directory}/master.lock"))
    return held


def _parent_waits() -> int:
    """Fork; the parent exits when the child says that it is ready (0) or has ended (1), with nothing held any more."""
    reading, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        return told
    os.close(told)
    in_time, _, _ = select.select([reading], [], [], READY_TIMEOUT)
    if in_time and os.read(reading, 1):
        os._exit(0)
    if not in_time:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if not in_time:
        msg.fatal(f"{os.strerror(ETIMEDOUT)} while waiting for daemon initialization")
    os._exit(1)


def _supervise(config_dir: str, main_cf: MainCf, options: dict[str, str], told: int) -> None:
    """The master's work, from the first log line to the end."""
    loop = Loop()
    sink = log.sink(main_cf, "master", stamps=True)
    given = dict(os.environ)
    config = settings.load(config_dir)
    master = Master(loop, config, given, verbose=msg.verbose, subreaper=prctl.become_subreaper())
    prctl.set_name("master")
    master.listen()
    msg.to(sink)
    config.tell_jails()
    if "-d" not in options:
        _leave_terminal(keep_output=bool({"-s", "-i"} & set(options)))
    master.start()
    msg.info(lines.started(config_dir))
    notify.ready()
    if told >= 0:
        os.write(told, b"+")
        os.close(told)
    if isinstance(sink, Postlog):
        sink.collect(loop)
    if "-e" in options:
        loop.call_later(float(options["-e"]), master.stop)
    loop.run()


def _leave_terminal(*, keep_output: bool) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0,) if keep_output else (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


if __name__ == "__main__":
    main()
