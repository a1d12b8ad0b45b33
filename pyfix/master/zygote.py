"""zygote - master's hold on the process that workers are forked from

One for services without privileges, and one for those that keep root, made when they get a worker and there as long as
they have several. Each is a fork of master, with which it shares what both have in memory, as long as master's own
code is what would be read from disk now; after an upgrade, or where main.cf has words for the interpreter (PYTHON...
in import_environment), it is a new interpreter.
Where orphans can't be adopted (no subreaper), workers are started by exec instead.
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
from collections.abc import Collection, Iterable, Mapping
from typing import NoReturn

from pyfix.config.main_cf import MainCf
from pyfix.server import control
from pyfix.server.control import CONTROL_FD, STATUS_FD

_HIGH = 100
"""Descriptors that are to be moved go above this one first, out of the way."""


class Zygote:
    """A running zygote."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self.control = channel
        self.pid = pid
        self.started = self.ordered = time.monotonic()

    def start(self, order: control.Start, fds: list[int]) -> bool:
        """Order a worker; False when the zygote can't take an order now."""
        try:
            control.send_start(self.control, order, fds)
        except OSError:
            return False
        self.ordered = time.monotonic()
        return True

    def idle(self, seconds: float) -> bool:
        """Whether the last order was so long ago."""
        return time.monotonic() - self.ordered >= seconds

    def young(self, seconds: float) -> bool:
        """Whether it was started less than so long ago."""
        return time.monotonic() - self.started < seconds

    def close(self) -> None:
        """Let it end."""
        self.control.close()


class Code:
    """The files that this process's code came from."""

    def __init__(self) -> None:
        self._seen = self._now()

    def _now(self) -> dict[str, tuple[int, int] | None]:
        paths = {str(getattr(module, "__file__", None) or sys.executable) for module in list(sys.modules.values())}
        return {path: _version(path) for path in paths}

    def is_current(self) -> bool:
        """Whether all of them are still as they were."""
        return self._now() == self._seen


def _version(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def start_zygote(main: MainCf, programs: Collection[str], environment: Mapping[str, str], *, fork: bool) -> Zygote:
    """Start a zygote for these programs: a fork of this process, or a new interpreter."""
    ours, theirs = control.pair()
    with theirs:
        if fork and not _for_the_interpreter(environment):
            pid = _fork(main, programs, environment, theirs)
        else:
            with os.fdopen(control.snapshot(main)) as main_cf:
                arguments = ["pyfix.server.zygote", *sorted(programs)]
                pid = run_python(arguments, environment, [theirs.fileno(), main_cf.fileno()], CONTROL_FD)
    return Zygote(ours, pid)


def _for_the_interpreter(environment: Mapping[str, str]) -> bool:
    """Whether there are variables that a running interpreter does not heed any more."""
    return any(name.startswith("PYTHON") for name in environment.keys() - {"PYTHONPATH", "PYTHONUTF8"})


def _fork(main: MainCf, programs: Collection[str], environment: Mapping[str, str], channel: socket.socket) -> int:
    """Fork; the parent gets the pid. Signals wait, since a handler of master's has no place in the child."""
    gc.freeze()  # what both have stays in common as long as nobody counts its references
    before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        _be_zygote(main, programs, environment, channel, before)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _be_zygote(
    main: MainCf,
    programs: Collection[str],
    environment: Mapping[str, str],
    channel: socket.socket,
    mask: Iterable[int],
) -> NoReturn:
    """The rest of a forked child's life. Nothing of master's is open in it, nor freed, since what frees closes."""
    try:
        fd = channel.fileno()
        syslog.closelog()  # else the C library would write to whatever gets that number next
        os.closerange(3, fd)
        os.closerange(fd + 1, os.sysconf("SC_OPEN_MAX"))
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        sys.path[:0] = [path for path in environment["PYTHONPATH"].split(":") if path not in sys.path]
        from pyfix.server import zygote  # not for master

        zygote.run(main, channel, programs, mask)
    finally:
        os._exit(1)


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


