"""zygote - master's hold on the process that workers are forked from

One for services without privileges and, when master is root, one for those that keep root, from
which the other is forked. Where orphans can't be adopted (no subreaper), workers are started by exec
instead.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack

from pyfix.config.main_cf import MainCf
from pyfix.server import control
from pyfix.server.control import CONTROL_FD, STATUS_FD

_HIGH = 100
"""Descriptors that are to be moved go above this one first, out of the way."""


class Zygote:
    """A running zygote. pid: None until it has said its own."""

    def __init__(self, channel: socket.socket) -> None:
        self.control = channel
        self.pid: int | None = None
        self.started = time.monotonic()

    def gone(self, pid: int) -> bool:
        """Whether it was the process that has ended, or one that ended before it had begun."""
        while self.pid is None:
            try:
                word = self.control.recv(64)
            except BlockingIOError:
                return False
            except OSError:
                word = b""
            if not word:
                return True
            self.pid = control.parse_pid(word)
        return self.pid == pid

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


def start_zygotes(
    main: MainCf, groups: Sequence[Iterable[str]], environment: Mapping[str, str]
) -> list[Zygote]:
    """Start a zygote for each group of programs (one or two), the second forked from the first."""
    arguments = ["pyfix.server.zygote"]
    with ExitStack() as stack:
        fds: list[int] = []
        zygotes: list[Zygote] = []
        for programs in groups:
            ours, theirs = control.pair()
            zygotes.append(Zygote(ours))
            fds.append(stack.enter_context(theirs).fileno())
            arguments += [control.NEXT] * bool(fds[1:]) + sorted(programs)
        main_cf = stack.enter_context(os.fdopen(control.snapshot(main)))
        fds.insert(1, main_cf.fileno())
        zygotes[0].pid = run_python(arguments, environment, fds, CONTROL_FD)
    return zygotes


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


