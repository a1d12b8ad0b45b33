"""zygote - master's hold on the process that workers are forked from

One for services without privileges and, when master is root, one for those that keep
root. Where orphans can't be adopted (no subreaper), workers are started by exec instead.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterable, Mapping

from pyfix.config.main_cf import MainCf
from pyfix.server import control
from pyfix.server.control import CONTROL_FD, STATUS_FD

_HIGH = 100
"""Descriptors that are to be moved go above this one first, out of the way."""


class Zygote:
    """A running zygote; programs: what it imports."""

    def __init__(self, main: MainCf, programs: Iterable[str], environment: Mapping[str, str]) -> None:
        self.control, theirs = control.pair()
        arguments = ["pyfix.server.zygote", *sorted(programs)]
        with theirs, os.fdopen(control.snapshot(main)) as main_cf:
            fds = [theirs.fileno(), main_cf.fileno()]
            self.pid = run_python(arguments, environment, fds, CONTROL_FD)
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


