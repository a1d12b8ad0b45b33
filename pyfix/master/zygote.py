"""zygote - where workers come from

Most from the zygote, a fork of master that imports their rooms. Programs of ours that become other users keep root and
have no network code: master itself imports those, before it makes the zygote, and forks each of their workers. So all
share what they have in common, and a seldom wanted agent needs no zygote of its own. Other programs that keep root,
which nobody but master.cf knows, have a second zygote.

Master forks as long as its own code is what would be read from disk now; after an upgrade, or where main.cf has words
for the interpreter (PYTHON... in import_environment), both zygotes are new interpreters.
Where orphans can't be adopted (no subreaper), other workers are started by exec instead.
"""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
import sys
import syslog
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NoReturn

from pyfix.config.main_cf import MainCf
from pyfix.server import control, log
from pyfix.server.control import CONTROL_FD, STATUS_FD
from pyfix.unix import msg, signals

_HIGH = 100
"""Descriptors that are to be moved go above this one first, out of the way."""


class Zygote:
    """A running zygote."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self.control = channel
        self.pid = pid
        self.started = time.monotonic()

    def start(self, order: control.Start, fds: list[int]) -> bool:
        """Order a worker; False when the zygote can't take an order now."""
        try:
            control.send_start(self.control, order, fds)
        except OSError:
            return False
        return True

    def young(self, seconds: float) -> bool:
        """Whether it was started less than so long ago."""
        return time.monotonic() - self.started < seconds

    def close(self) -> None:
        """Let it end."""
        self.control.close()


class Code:
    """The files that this process's code came from, by one string: to go over modules writes to what others share."""

    def __init__(self) -> None:
        self._paths = "\0".join({str(getattr(m, "__file__", None) or sys.executable) for m in [*sys.modules.values()]})
        self._seen = self._now()

    def _now(self) -> list[tuple[int, int] | None]:
        return [_version(path) for path in self._paths.split("\0")]

    def is_current(self) -> bool:
        """Whether all of them are still as they were."""
        return self._now() == self._seen


def _version(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def preload(main: MainCf, programs: Collection[str]) -> None:
    """Have in this process what workers of these programs need, if there are any. What fails is left to them."""
    if not programs:
        return
    try:
        from pyfix.server import zygote  # with what a worker needs, and master does not

        zygote.take_in(main, programs)
    except (Exception, SystemExit) as error:
        msg.warning(f"can't prepare for {' '.join(sorted(programs))}: {type(error).__name__}: {error}")
    finally:
        gc.enable()


def may_fork(environment: Mapping[str, str]) -> bool:
    """Whether a fork of this interpreter can have such an environment: not if variables are for its start."""
    words = {name for name in environment if name.startswith("PYTHON")}
    return bool(sys.flags.utf8_mode) and words <= {"PYTHONPATH", "PYTHONUTF8"}


def start_zygote(main: MainCf, programs: Collection[str], environment: Mapping[str, str], *, fork: bool) -> Zygote:
    """Start a zygote for these programs: a fork of this process, or a new interpreter."""
    ours, theirs = control.pair()
    with theirs:
        if fork:
            pid = _fork(environment, [theirs.fileno()], lambda: _be_zygote(main, theirs, programs))
        else:
            with os.fdopen(control.snapshot(main)) as main_cf:
                arguments = ["pyfix.server.zygote", *sorted(programs)]
                pid = run_python(arguments, environment, [theirs.fileno(), main_cf.fileno()], CONTROL_FD)
    return Zygote(ours, pid)


def _be_zygote(main: MainCf, channel: socket.socket, programs: Collection[str]) -> NoReturn:
    from pyfix.server import zygote  # not for master

    zygote.run(main, channel, programs)


def fork_worker(order: control.Start, main: MainCf, environment: Mapping[str, str], fds: list[int]) -> int:
    """Start a worker of a program that was preloaded; returns its pid. fds: as for Zygote.start."""
    return _fork(environment, fds, lambda: _be_worker(order, main, fds))


def _be_worker(order: control.Start, main: MainCf, fds: list[int]) -> NoReturn:
    from pyfix.server import zygote  # which preload() has

    msg.to(log.sink(main, order.program, stamps=True))
    zygote.work(order, main, fds)


def _fork(environment: Mapping[str, str], fds: list[int], life: Callable[[], NoReturn]) -> int:
    """Fork; the parent gets the pid. Signals wait, since a handler of master's has no place in the child."""
    gc.freeze()  # what both have stays in common as long as nobody counts its references
    before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _leave(environment, fds, before, life)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _leave(
    environment: Mapping[str, str], fds: list[int], mask: Iterable[int], life: Callable[[], NoReturn]
) -> NoReturn:
    """The rest of a forked child's life."""
    try:
        _leave_master(environment, fds)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        life()
    finally:
        os._exit(1)


def _leave_master(environment: Mapping[str, str], fds: list[int]) -> None:
    """Nothing of master's stays open in a forked child, nor is it freed, since what frees closes."""
    syslog.closelog()  # else the C library would write to whatever gets that number next
    above = 3
    for fd in sorted(fds):
        os.closerange(above, fd)
        above = fd + 1
    os.closerange(above, os.sysconf("SC_OPEN_MAX"))
    signals.reset()
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.path[:0] = [path for path in environment["PYTHONPATH"].split(":") if path not in sys.path]


def exec_worker(order: control.Start, main: MainCf, environment: Mapping[str, str], fds: list[int]) -> int:
    """Start a worker without a zygote; returns its pid. fds: as for Zygote.start."""
    arguments = ["pyfix.server.daemon", order.encode().decode(), str(len(fds) - 1)]
    with os.fdopen(control.snapshot(main)) as main_cf:
        return run_python(arguments, environment, [fds[0], main_cf.fileno(), *fds[1:]], STATUS_FD)


def run_python(arguments: list[str], environment: Mapping[str, str], fds: list[int], first: int) -> int:
    """Run a module of ours in a new interpreter, with descriptors at `first` and on; returns its pid.

    Signals have their default actions there.
    """
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH) for fd in fds]
    actions = [(os.POSIX_SPAWN_DUP2, fd, first + at) for at, fd in enumerate(moved)]
    command = [sys.executable, "-P", "-s", "-m", *arguments]
    try:
        return os.posix_spawn(sys.executable, command, environment, file_actions=actions)
    finally:
        for fd in moved:
            os.close(fd)
