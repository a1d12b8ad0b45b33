"""postfix - starts, stops and looks after the mail system

    postfix [-c config_dir] [-Dv] command [argument ...]
    start  start-fg  stop  abort  drain  quick-stop  reload  status  check  flush  logrotate
    set-permissions [name=value ...]  upgrade-configuration [name=value ...]
    tls subcommand ...  non-bdb subcommand

Without -c and MAIL_CONFIG the command is for all instances, where multi_instance_wrapper says so; see postmulti.

Exit status: 0; 1 when something is wrong, or (status) when the system does not run. `check` is 1 as well where mail
would be refused or wait because of the configuration, and where a name is probably misspelt; start goes on then.
Lines about the system go to the log as postfix-script's, and to standard error.

Privileges: root, or the owner of the queue for an instance of his own.
Sources: postfix(1).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import NoReturn

from pyfix.commands import check_config, check_files, layout, mail_conf, upgrade
from pyfix.commands.system import System
from pyfix.config import check as config_check
from pyfix.config import compatibility, registry
from pyfix.config.edit import edit_file, parse_changes
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.master_cf import load_services
from pyfix.config.params import GROUPS
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.repair import UNFINISHED, purge, repair
from pyfix.server import log, privileges
from pyfix.unix import msg, pid_file, users

USAGE = "usage: postfix [-c config_dir] [-Dv] command"
STOP_PATIENCE = 5.0
"""Seconds until `stop` says that it waits."""
KILL_PATIENCE = 60.0
"""Seconds until `stop` ends what does not end by itself."""
QUEUES = ("maildrop", "hold", "incoming", "active", "deferred")


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    found, words = mail_conf.begin(argv, "postfix", "c:Dv", USAGE)
    options = dict(found)
    given = options.get("c") or os.environ.get("MAIL_CONFIG")
    config_dir = options.get("c") or mail_conf.from_environment()
    if config_dir:
        config_dir = os.path.abspath(config_dir)
    name, arguments = (words or [""])[0], words[1:]
    try:
        system = System(config_dir, verbose=msg.verbose, debug="D" in options)
        if name != "check":  # which tells of every mistake
            config_check.at_start(system.main)
        _may_use(system, name)
        if not given:
            _for_all_instances(system, words)
        os.environ["MAIL_CONFIG"] = config_dir
        _log_as(system, system.cfg.syslog_name)
        for line in compatibility.notices(system.main):
            msg.info(line)
        script = f"postfix-{name}-script" if name in SCRIPTS else "postfix-script"
        shown = script if msg.on_terminal() else "postlog"
        _log_as(system, log.tag(system.main, script), log.tag(system.main, shown))
        if name not in COMMANDS:
            msg.fatal(f"unknown command: '{name}'. Usage: postfix start (or {', '.join(TOLD)})")
        return COMMANDS[name](system, arguments)
    except BadConfig as error:
        msg.fatal(str(error))
    except users.UnknownUserError as error:
        msg.fatal(f"file {config_dir}/main.cf: {error}")
    finally:
        log.close()


def _may_use(system: System, name: str) -> None:
    if name != "status" and not _is_ours(system):
        msg.error("to submit mail, use the Postfix sendmail command")
        msg.fatal("the postfix command is reserved for the superuser")


def _is_ours(system: System) -> bool:
    """Whether it is the caller's to administer."""
    if os.geteuid() == 0:
        return True
    try:
        return os.stat(system.cfg.queue_directory).st_uid == os.geteuid()
    except FileNotFoundError:
        return True


def _for_all_instances(system: System, words: list[str]) -> None:
    """Become multi_instance_wrapper, where it is wanted."""
    cfg = system.cfg
    wrapper = cfg.multi_instance_wrapper.split()
    if not wrapper and not cfg.multi_instance_directories:
        return
    if not wrapper:
        msg.fatal("multi-instance support is requested, but multi_instance_wrapper is empty")
    if words[:1] == ["start-fg"] and cfg.multi_instance_directories:
        msg.fatal("start-fg does not support multi_instance_directories")
    os.environ["MAIL_CONFIG"] = system.main.config_dir
    if os.path.basename(wrapper[0]) == "postmulti":
        from pyfix.commands import postmulti

        sys.exit(postmulti.main([*wrapper, *words]))
    try:
        os.execvp(wrapper[0], [*wrapper, *words])  # noqa: S606  # what the administrator names
    except OSError as error:
        msg.fatal(f"{wrapper[0]}: {error.strerror}")


def _log_as(system: System, tag: str, shown: str = "") -> None:
    """Lines go to the log, and to standard error under the name of what Postfix's script logs with."""
    msg.to(*msg.active()[:1])  # a log that can't be written is told of under the name until now
    sink = (log.administrators if _is_ours(system) else log.command_sink)(system.main, tag)
    msg.to(msg.stderr_sink(shown or tag), sink)


# The commands


def check(system: System, _: list[str]) -> int:
    """Read all configuration, make what directories are missing, tell what looks wrong."""
    config_check.warn(system.main)
    bad = list(bad_values(system.main))
    for problem in bad:
        msg.error(problem)
    return int(_look(system, thorough=True) or bool(bad))


def _prepare(system: System) -> None:
    """The same before a start, which a bad value prevents."""
    _refuse_bad(system)
    _look(system, thorough=False)


def _look(system: System, *, thorough: bool) -> bool:
    """Whether something grave was found."""
    config_check.maillog_file(system.cfg)
    _complete(system, fix=False)
    grave = False
    for finding in check_config.findings(system.main, thorough=thorough):
        msg.warning(finding.text)
        grave |= finding.grave
    for problem in check_files.warnings(system.cfg):
        msg.warning(problem)
    if not system.runs:
        _put_queue_in_order(system)
    return grave


def set_permissions(system: System, arguments: list[str]) -> int:
    """Put the owners and modes of the instance's directories right; name=value changes main.cf first."""
    system = _changed(system, arguments)
    _complete(system, fix=True)
    check_files.secure(system.main.config_dir)
    return 0


def upgrade_configuration(system: System, arguments: list[str]) -> int:
    """Bring an older master.cf to what is needed; name=value changes main.cf first."""
    system = _changed(system, arguments)
    for line in upgrade.upgrade(system.main.config_dir):
        sys.stdout.write(f"{line}\n")
    return 0


def start(system: System, _: list[str]) -> int:
    """Start in the background; comes back when the system takes mail."""
    _refuse_second(system)
    _prepare(system)
    msg.info("starting the Postfix mail system")
    command, environment = system.master("-w")
    if subprocess.run(command, env=environment, check=False).returncode:  # noqa: S603  # ourselves
        msg.fatal("mail system startup failed")
    return 0


def start_fg(system: System, _: list[str]) -> int:
    """Become the master, in the foreground."""
    _refuse_second(system)
    _prepare(system)
    msg.info("starting the Postfix mail system")
    command, environment = system.master("-i" if os.getpid() == 1 else "-s")
    _become(command, environment)


def stop(system: System, _: list[str]) -> int:
    """Stop; comes back when everything has ended."""
    _stop(system)
    if not system.ends_within(STOP_PATIENCE):
        msg.info("stopping the Postfix mail system ... waiting for the Postfix mail system to terminate")
        if not system.ends_within(KILL_PATIENCE):
            return abort(system, [])
    return 0


def quick_stop(system: System, _: list[str]) -> int:
    """Stop, without waiting for the end. That nothing runs is said, and no failure: what is wanted is there."""
    with suppress(msg.Fatal):
        _stop(system)
    return 0


def _stop(system: System) -> None:
    _refuse_without(system)
    msg.info("stopping the Postfix mail system")
    system.signal(signal.SIGTERM)


def abort(system: System, _: list[str]) -> int:
    """End everything at once."""
    _refuse_without(system)
    msg.info("aborting the Postfix mail system")
    system.signal(signal.SIGQUIT)
    return 0 if system.ends_within(KILL_PATIENCE) else 1


def reload(system: System, _: list[str]) -> int:
    """Have main.cf and master.cf read again."""
    _refuse_without(system)
    _refuse_bad(system)
    for finding in check_config.findings(system.main, thorough=False):
        msg.warning(finding.text)
    msg.info("refreshing the Postfix mail system")
    system.signal(signal.SIGHUP)
    return 0


def status(system: System, _: list[str]) -> int:
    """Say whether the system runs."""
    if not system.runs:
        msg.info("the Postfix mail system is not running")
        return 1
    msg.info(f"the Postfix mail system is running: PID: {pid_file.holder(system.pid_file)}")
    return 0


def flush(system: System, _: list[str]) -> int:
    """Try to deliver all deferred mail now."""
    from pyfix.commands import postqueue

    return postqueue.main(["postqueue", "-c", system.main.config_dir, "-f"])


def logrotate(system: System, _: list[str]) -> int:
    """Set the log file aside, begin a new one, compress the old one. A device is left alone."""
    path = system.cfg.maillog_file
    if not path:
        msg.fatal("empty 'maillog_file' parameter value - logfile rotation failed")
    if path.startswith("/dev/"):
        msg.fatal(f"not rotating '{path}'")
    if system.runs:
        _refuse_bad(system)  # with which no new log would be begun
    aside = path + time.strftime("." + system.cfg.maillog_file_rotate_suffix)
    if os.path.exists(aside):
        msg.fatal(f"logfile '{path}' rotation failed: {aside} exists")
    try:
        os.rename(path, aside)
    except OSError as error:
        msg.fatal(f"logfile '{path}' rotation failed: {error.strerror}")
    if system.runs:
        system.signal(signal.SIGHUP)
        _wait_for(path)
    return subprocess.run([system.cfg.maillog_file_compressor, aside], check=False).returncode  # noqa: S603


def tls(system: System, arguments: list[str]) -> int:
    """Make keys and certificates, switch TLS on."""
    from pyfix.commands import postfix_tls

    return postfix_tls.main(system, arguments)


def non_bdb(system: System, arguments: list[str]) -> int:
    """What becomes of tables of Berkeley DB's types."""
    from pyfix.commands import postfix_non_bdb

    return postfix_non_bdb.main(system, arguments)


Command = Callable[[System, list[str]], int]
COMMANDS: Mapping[str, Command] = {
    "abort": abort,
    "check": check,
    "drain": stop,
    "flush": flush,
    "logrotate": logrotate,
    "non-bdb": non_bdb,
    "quick-stop": quick_stop,
    "reload": reload,
    "set-permissions": set_permissions,
    "start": start,
    "start-fg": start_fg,
    "status": status,
    "stop": stop,
    "tls": tls,
    "upgrade-configuration": upgrade_configuration,
}
SCRIPTS = frozenset({"non-bdb", "tls"})
"""Commands whose lines have a name of their own in the log."""
TOLD = (
    "stop", "reload", "abort", "flush", "check", "status", "set-permissions", "upgrade-configuration", "logrotate",
    "tls", "non-bdb",
)  # fmt: skip


def _become(command: list[str], environment: dict[str, str]) -> NoReturn:
    log.close()
    os.execve(command[0], command, environment)  # noqa: S606  # ourselves


def _refuse_second(system: System) -> None:
    if system.runs:
        msg.fatal("the Postfix mail system is already running")


def _refuse_bad(system: System) -> None:
    for problem in bad_values(system.main):
        msg.fatal(problem)


def _refuse_without(system: System) -> None:
    if not system.runs:
        msg.fatal("the Postfix mail system is not running")


def _changed(system: System, arguments: list[str]) -> System:
    """The instance after name=value changes of its main.cf. BadConfig: they can't be; then nothing was changed."""
    changes = parse_changes(arguments)
    if not changes:
        return system
    config_dir = system.main.config_dir
    pairs = [(name, value) for name, value in changes.items() if isinstance(value, str)]
    config_check.check(system.main.with_overrides(pairs, "command line"))
    edit_file(f"{config_dir}/main.cf", changes)
    return System(config_dir, verbose=system.verbose, debug=system.debug)


def _complete(system: System, *, fix: bool) -> None:
    try:
        for problem in layout.complete(layout.places(system.cfg), repair=fix):
            msg.warning(problem)
    except OSError as error:
        msg.fatal(f"{error.filename}: {error.strerror}")


def _put_queue_in_order(system: System) -> None:
    """What postsuper does without options: files that a backup or a crash left in the wrong place."""
    queue = QueueDirectory.from_config(system.main, system.cfg.queue_directory)
    with privileges.acting_as(privileges.owner_of(system.cfg.mail_owner)):
        for name in QUEUES:
            purge(queue, name, time.time() - UNFINISHED)
        repair(queue, QUEUES)


def bad_values(main: MainCf) -> Iterator[str]:
    """Every parameter that can't be, with file and line; each service's -o too. BadConfig: a file can't be read."""
    groups = {name: registry.group(name) for name in GROUPS if find_spec(GROUPS[name].partition(":")[0])}
    told: set[str] = set()
    for group in groups.values():
        for parameter in group.declared():
            if parameter.default != "" or main.raw(parameter.name) is not None:
                yield from _bad(parameter.read, main, told)
    for entry in load_services(main):
        own = groups.get(entry.program.replace("-", "_"))
        names = {name for name, _ in entry.overrides}
        view = main.with_overrides(entry.overrides, f"{main.config_dir}/master.cf, line {entry.line}")
        for parameter in own.declared() if own is not None else ():
            if parameter.name in names:
                yield from _bad(parameter.read, view, told)
    if privileges.is_root():
        yield from _bad(config_check.check, main, told)


def _bad(read: Callable[[MainCf], object], main: MainCf, told: set[str]) -> Iterator[str]:
    try:
        read(main)
    except BadConfig as error:
        if str(error) not in told:
            told.add(str(error))
            yield str(error)


def _wait_for(path: str) -> None:
    for _ in range(100):
        if os.path.exists(path):
            return
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
