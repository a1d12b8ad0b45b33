"""daemon - the life of one worker process, from master's order to its end

    look     the program is made: configuration, tables, everything from outside
    drop     privileges go, the jail closes
    serve    sessions, in worker.py or serial.py

Run as a program it is how master starts a worker where it can't be a subreaper:
    python -m pyfix.server.daemon ORDER COUNT    (descriptors: see control.py)

Parameters: queue_directory, mail_owner, max_use, max_idle, default_process_limit, daemon_timeout,
smtputf8_enable
"""

import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from pyfix.config import in_force, mailname
from pyfix.config.check import warn
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.server import bug, control, log, privileges, programs
from pyfix.server.context import Context
from pyfix.server.control import MAIN_CF_FD, STATUS_FD, Start
from pyfix.server.serial import SerialWorker
from pyfix.unix import jail, locks, msg, prctl
from pyfix.unix.maillog_client import Postlog

if TYPE_CHECKING:
    from pyfix.server.worker import Worker  # serial programs need no loop


def run(
    order: Start, main: MainCf, status_fd: int, listeners: list[int], *, own_log: bool = True
) -> NoReturn:
    """Be that worker until the end of the process.

    own_log: send lines where main.cf says, not where they go now.
    """
    code = 1
    try:
        with socket.socket(fileno=status_fd) as status:
            main = mailname.read(main.with_overrides(_names(order) + order.overrides))
            in_force.main = main
            _prepare(order, main, own_log=own_log)
            _live(order, main, status, listeners)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BadConfig as error:
        _last_words(str(error))
    except BaseException as error:
        _last_words(bug.line(error, order.program))
    finally:
        log.leave(code)


def _last_words(text: str) -> None:
    with suppress(msg.Fatal):
        msg.fatal(text)


def _names(order: Start) -> tuple[tuple[str, str], ...]:
    return ("service_name", order.service), ("process_name", order.program)


def _prepare(order: Start, main: MainCf, *, own_log: bool) -> None:
    prctl.set_name(order.program)
    msg.verbose = order.verbose
    if own_log:
        own = order.program == "postlogd"  # whom nobody would hear through itself
        frame = log.frame(main, order.program)
        msg.to(log.direct(main, frame) if own else log.sink(main, order.program, stamps=True))
        warn(main)


def warm_up(names: Iterable[str]) -> None:
    """Import what workers with a loop import as they begin, if any of these programs has one; then a jail may close."""
    if programs.SERIAL.issuperset(names):
        return
    from pyfix.server import worker
    from pyfix.unix.loop import Loop

    assert worker
    Loop().close()


def _live(order: Start, main: MainCf, status: socket.socket, listeners: list[int]) -> None:
    cfg = MailParams(main)
    msg.ascii_only = not cfg.smtputf8_enable
    lock = _only_one(order, cfg.process_id_directory) if order.single else -1
    context = _context(order, main, status)
    if context.jailed:
        jail.expect()
    try:
        program = programs.load(order.program)(context)
    except LookupError as error:
        msg.fatal(str(error))
    _silence(order.program)
    privileges.drop(cfg.mail_owner, chroot="." if order.chroot else None, keep_root=not order.unpriv)
    max_idle = _max_idle(order, main, float(cfg.max_idle))
    sessions = cfg.max_use * _at_once(order, cfg.default_process_limit)
    max_sessions = None if order.program in programs.NO_MAX_USE else sessions
    if order.program in programs.SERIAL:
        SerialWorker(program, listeners, status, max_sessions=max_sessions, max_idle=max_idle).run()
    else:
        from pyfix.server.worker import Worker

        worker = Worker(
            program,
            listeners,
            status,
            limit=order.limit,
            max_sessions=max_sessions,
            max_idle=max_idle,
            datagrams=order.type == "unix-dgram",
        )
        _run_loop(worker, cfg.daemon_timeout)
    if lock >= 0:
        os.close(lock)


START_SHARE = 100
"""How many times what its start took of a processor a worker stays at least."""


def _max_idle(order: Start, main: MainCf, most: float) -> float | None:
    """Seconds without work after which this worker leaves, whose start is over; None: never.

    most: max_idle. Where nobody has set that, it is less for services that are seldom wanted.
    """
    if order.program in programs.NO_MAX_IDLE:
        return None
    if order.linger is None or main.raw("max_idle") is not None:
        return most
    return min(most, max(order.linger, START_SHARE * time.process_time()))


def _context(order: Start, main: MainCf, status: socket.socket) -> Context:
    return Context(
        service=order.service,
        program=order.program,
        main=main,
        args=order.args,
        limit=order.limit,
        single=order.single,
        privileged=privileges.is_root() and not order.unpriv,
        jailed=order.chroot and privileges.is_root(),
        wake=status.fileno(),
    )


def _at_once(order: Start, default_process_limit: int) -> int:
    """What max_use is multiplied with: a process of ours stands for so many of Postfix's."""
    return order.limit or default_process_limit


def _only_one(order: Start, pid_directory: str) -> int:
    """Hold pid/TYPE.SERVICE; a predecessor that is about to end is waited for a little."""
    name = f"{order.type}.{order.service}"
    fd = os.open(f"{pid_directory}/{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    signal.setitimer(signal.ITIMER_REAL, 5)  # the default action of SIGALRM ends the process
    locks.flock_exclusive(fd, wait=True)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return fd


def _silence(program: str) -> None:
    """Standard output is for postlogd only (maillog_file = /dev/stdout)."""
    if program != "postlogd":
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.close(null)


GC_THRESHOLDS = (20000, 20, 50)
"""Looking for cycles of objects: seldom, since sessions and requests leave none."""


def _run_loop(worker: "Worker", daemon_timeout: float) -> None:
    from pyfix.unix.loop import Loop

    signal.signal(signal.SIGALRM, _stuck)
    gc.set_threshold(*GC_THRESHOLDS)
    loop = Loop()
    for active in msg.active():
        if isinstance(active, Postlog):
            active.collect(loop)
    _feed_watchdog(loop, daemon_timeout)
    loop.run_until_complete(loop.create_task(worker.run()))
    log.close()


def _feed_watchdog(loop: Any, seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    loop.call_later(seconds / 3, _feed_watchdog, loop, seconds)


def _stuck(_number: int, _frame: object) -> None:
    msg.fatal("watchdog timeout")


def main() -> NoReturn:
    """The worker that master started by exec."""
    order, count = sys.argv[1:3]
    listeners = list(range(MAIN_CF_FD + 1, MAIN_CF_FD + 1 + int(count)))
    run(Start.decode(order.encode()), control.restore(MAIN_CF_FD), STATUS_FD, listeners)


if __name__ == "__main__":
    main()
