"""postfix - starts, stops and looks after the mail system

    postfix [-c config_dir] [-Dv] command
    start  start-fg  stop  abort  reload  status  check  flush  logrotate  set-permissions

Exit status: 0; 1 when something is wrong, or (status) when the system does not run.
Lines about the system go to the log as postfix-script's, and to a terminal.

Privileges: root, or the owner of the queue for an instance of his own.
Sources: postfix(1).
"""

import getopt
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec

import pyfix
from pyfix.commands import layout
from pyfix.config import pending, registry
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.master_cf import load_services
from pyfix.config.params import GROUPS
from pyfix.config.params.mail import MailParams
from pyfix.server import log
from pyfix.unix import msg, pid_file, users
from pyfix.unix.maillog_client import Frame, Postlog, Syslog
from pyfix.unix.msg import Priority

USAGE = "usage: postfix [-c config_dir] [-Dv] command"
STOP_PATIENCE = 5.0
"""Seconds until `stop` says that it waits."""
KILL_PATIENCE = 60.0
"""Seconds until `stop` ends what does not end by itself."""


class System:
    """One instance of the mail system."""

    def __init__(self, config_dir: str, *, verbose: int = 0) -> None:
        self.main = MainCf.load(config_dir)
        self.cfg = MailParams(self.main)
        self.verbose = verbose
        self.pid_file = os.path.join(
            self.cfg.queue_directory, self.cfg.process_id_directory, "master.pid"
        )

    @property
    def runs(self) -> bool:
        """Whether its master is there."""
        return pid_file.is_held(self.pid_file)

    def master(self, *options: str) -> tuple[list[str], dict[str, str]]:
        """Command and environment that start its master."""
        verbose = ["-v"] * self.verbose
        command = [sys.executable, "-P", "-s", "-m", "pyfix.master", "-c", self.main.config_dir]
        source = os.path.dirname(os.path.dirname(pyfix.__file__))
        return [*command, *verbose, *options], {**os.environ, "PYTHONPATH": source}

    def signal(self, number: signal.Signals) -> None:
        """Send its master a signal."""
        pid = pid_file.holder(self.pid_file)
        if pid:
            os.kill(pid, number)

    def ends_within(self, seconds: float) -> bool:
        """Wait for its master to go."""
        end = time.monotonic() + seconds
        while self.runs:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True


def main() -> int:
    """The command; returns its exit status."""
    msg.to_stderr("postfix")
    try:
        found, words = getopt.getopt(sys.argv[1:], "c:Dv")
    except getopt.GetoptError as error:
        msg.fatal(f"{error.msg}: {USAGE}")
    if len(words) != 1:
        msg.fatal(USAGE)
    options = dict(found)
    name = words[0]
    if name not in COMMANDS:
        msg.fatal(f"unknown command: '{name}'. {USAGE}")
    config_dir = os.path.abspath(options.get("-c") or os.environ.get("MAIL_CONFIG") or "/etc/postfix")
    try:
        system = System(config_dir, verbose=sum(option == "-v" for option, _ in found))
        _may_use(system, name)
        _log_as_script(system)
        return COMMANDS[name](system)
    except BadConfig as error:
        msg.fatal(str(error))
    except users.UnknownUserError as error:
        msg.fatal(f"file {config_dir}/main.cf: {error}")


def _may_use(system: System, name: str) -> None:
    if os.geteuid() == 0 or name == "status":
        return
    try:
        owner = os.stat(system.cfg.queue_directory).st_uid
    except FileNotFoundError:
        return
    if owner != os.geteuid():
        msg.fatal("the postfix command is reserved for the superuser")


def _log_as_script(system: System) -> None:
    """Lines go to the log, trouble to standard error too, the rest only to a terminal."""
    to_stderr = msg.stderr_sink("postfix/postlog")
    terminal = sys.stderr is not None and sys.stderr.isatty()

    def screen(priority: Priority, text: str) -> None:
        if terminal or priority < Priority.INFO:
            to_stderr(priority, text)

    msg.to(script_sink(system, "postfix-script"), screen)


def script_sink(system: System, program: str, *, tag: str | None = None) -> msg.Sink:
    """Where a command's lines go: postlogd while it runs, else the file itself, or syslog.

    tag: in place of `postfix/PROGRAM`.
    """
    cfg = system.cfg
    frame = Frame(tag or log.tag(system.main, program), cfg.myhostname)
    if not cfg.maillog_file:
        return Syslog(frame.tag, cfg.syslog_facility)
    if not system.runs:
        return log.direct(system.main, frame)
    path = f"{cfg.queue_directory}/public/{cfg.postlog_service_name}"
    return Postlog(path, frame, lambda: log.direct(system.main, frame))


# The commands


def check(system: System) -> int:
    """Read all configuration, make what directories are missing, warn of what looks wrong."""
    check_parameters(system.main)
    for problem in pending.warnings(system.main, load_services(system.main)):
        msg.warning(problem)
    log.check_file(system.cfg)
    _complete(system, repair=False)
    for problem in _bad_permissions(system.main.config_dir):
        msg.warning(problem)
    return 0


def set_permissions(system: System) -> int:
    """Put the owners and modes of the instance's directories right."""
    _complete(system, repair=True)
    return 0


def start(system: System) -> int:
    """Start in the background; comes back when the system takes mail."""
    _refuse_second(system)
    check(system)
    msg.info("starting the Postfix mail system")
    command, environment = system.master("-w")
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  # ourselves


def start_fg(system: System) -> int:
    """Become the master, in the foreground."""
    _refuse_second(system)
    check(system)
    msg.info("starting the Postfix mail system")
    command, environment = system.master("-i" if os.getpid() == 1 else "-s")
    log.close()
    os.execve(command[0], command, environment)  # noqa: S606  # ourselves


def stop(system: System) -> int:
    """Stop; comes back when everything has ended."""
    _refuse_without(system)
    msg.info("stopping the Postfix mail system")
    system.signal(signal.SIGTERM)
    if not system.ends_within(STOP_PATIENCE):
        msg.info("stopping the Postfix mail system ... waiting for the Postfix mail system to terminate")
        if not system.ends_within(KILL_PATIENCE):
            return abort(system)
    return 0


def abort(system: System) -> int:
    """End everything at once."""
    _refuse_without(system)
    msg.info("aborting the Postfix mail system")
    system.signal(signal.SIGQUIT)
    return 0 if system.ends_within(KILL_PATIENCE) else 1


def reload(system: System) -> int:
    """Have main.cf and master.cf read again."""
    _refuse_without(system)
    check_parameters(system.main)
    msg.info("refreshing the Postfix mail system")
    system.signal(signal.SIGHUP)
    return 0


def status(system: System) -> int:
    """Say whether the system runs."""
    if not system.runs:
        msg.info("the Postfix mail system is not running")
        return 1
    msg.info(f"the Postfix mail system is running: PID: {pid_file.holder(system.pid_file)}")
    return 0


def flush(system: System) -> int:
    """Try to deliver all deferred mail now."""
    _refuse_without(system)
    public = f"{system.cfg.queue_directory}/public"
    _trigger(f"{public}/{system.cfg.queue_service_name}", b"FADI\0")
    _trigger(f"{public}/{system.cfg.pickup_service_name}", b"W\0")
    return 0


def logrotate(system: System) -> int:
    """Set the log file aside, begin a new one, compress the old one."""
    path = system.cfg.maillog_file
    if not path or path == "/dev/stdout":
        msg.fatal("maillog_file is not a file: nothing to rotate")
    aside = path + time.strftime("." + system.cfg.maillog_file_rotate_suffix)
    if os.path.exists(aside):
        msg.fatal(f"old log file {aside} already exists")
    os.rename(path, aside)
    if system.runs:
        reload(system)
        _wait_for(path)
    return subprocess.run([system.cfg.maillog_file_compressor, aside], check=False).returncode  # noqa: S603


COMMANDS: dict[str, Callable[[System], int]] = {
    "abort": abort,
    "check": check,
    "flush": flush,
    "logrotate": logrotate,
    "reload": reload,
    "set-permissions": set_permissions,
    "start": start,
    "start-fg": start_fg,
    "status": status,
    "stop": stop,
    "upgrade-configuration": check,
}


def _refuse_second(system: System) -> None:
    if system.runs:
        msg.fatal("the Postfix mail system is already running")


def _refuse_without(system: System) -> None:
    if not system.runs:
        msg.fatal("the Postfix mail system is not running")


def _complete(system: System, *, repair: bool) -> None:
    try:
        for problem in layout.complete(layout.places(system.cfg), repair=repair):
            msg.warning(problem)
    except OSError as error:
        msg.fatal(f"{error.filename}: {error.strerror}")


def check_parameters(main: MainCf) -> None:
    """Read every parameter, with each service's -o too. BadConfig: the first that is wrong."""
    groups = {name: registry.group(name) for name in GROUPS if _exists(name)}
    for group in groups.values():
        group(main).check()
    for entry in load_services(main.config_dir):
        own = groups.get(entry.program.replace("-", "_"))
        if own is not None and entry.overrides:
            where = f"{main.config_dir}/master.cf, line {entry.line}"
            own(main.with_overrides(entry.overrides, where)).check()


def _exists(group: str) -> bool:
    return find_spec(GROUPS[group].partition(":")[0]) is not None


def _bad_permissions(config_dir: str) -> Iterator[str]:
    """Configuration that others than root could change (root's instances only)."""
    if os.geteuid() != 0:
        return
    for name in ("", "main.cf", "master.cf"):
        path = os.path.join(config_dir, name).rstrip("/")
        with suppress(FileNotFoundError):
            found = os.stat(path)
            if found.st_uid != 0:
                yield f"not owned by root: {path}"
            if found.st_mode & 0o022:
                yield f"group or other writable: {path}"


def _trigger(path: str, request: bytes) -> None:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(path)
        sock.sendall(request)


def _wait_for(path: str) -> None:
    for _ in range(100):
        if os.path.exists(path):
            return
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
