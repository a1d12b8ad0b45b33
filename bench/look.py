"""look - one round of one case with somebody watching: what bench.syscalls and bench.profile share"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace

from bench import measure
from bench.instance import PATIENCE, PYFIX, Instance, real_postfix
from bench.rounds import Observer, one_round
from bench.table import WORKLOADS
from bench.workload import Case

STAY = {"max_idle": "100s"}
"""The same processes, also where somebody takes a second to look at them."""


def options(what: str) -> argparse.ArgumentParser:
    """Words that say which case of which system to look at."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--case", default="", help="how its label begins; the first one otherwise")
    parser.add_argument("--system", choices=["pyfix", "postfix"], default="pyfix")
    parser.add_argument("--top", type=int, default=12, help="lines for each daemon")
    return parser


def run(asked: argparse.Namespace, observer: Observer) -> None:
    """One round of that case; the observer is entered around what is measured."""
    kind = PYFIX if asked.system == "pyfix" else real_postfix()
    assert kind is not None, "real Postfix is not installed, or this is not root"
    case = _case(asked.workload, asked.case)
    one_round(kind, replace(case, main_cf={**case.main_cf, **STAY}), observer)


def _case(workload: str, label: str) -> Case:
    return next(case for case in WORKLOADS[workload].cases if case.label.startswith(label))


def by_daemon(mail: Instance) -> dict[str, list[int]]:
    """Pids of the system's processes that live now, by program."""
    found: dict[str, list[int]] = {}
    for pid, (name, _) in measure.tree(mail.master_pid).items():
        found.setdefault(name, []).append(pid)
    return found


@contextlib.contextmanager
def watchers(lines: list[list[str]], settle: float) -> Iterator[None]:
    """Programs that watch while the context lasts, and write what they saw when interrupted."""
    running = [subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for line in lines]
    try:
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(settle)
        yield
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
        for process in running:
            process.wait(PATIENCE)
