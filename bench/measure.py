"""measure - CPU time and memory of a mail system: a process, all its descendants, those that ended

CPU comes from a control group of the system's own where one can be made (cgroup v2, whose
cpu.stat needs no controller), else from /proc, to a tick. There a process that ended counts
once it was waited for: pyfix's master is a subreaper, so its workers are its children.

See also: cgroups(7), proc(5).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
ENDING = 5.0
"""Seconds in which the processes of a stopped system have ended."""


class Group:
    """A control group; without the right to make one, join() does nothing and cpu_seconds() is None."""

    def __init__(self, name: str) -> None:
        self._path: Path | None = None
        home = _home()
        if home is None:
            return
        with contextlib.suppress(OSError):
            path = home / f"{name}-{os.getpid()}"
            path.mkdir()
            self._path = path

    def join(self) -> None:
        """Put the calling process into the group."""
        if self._path is not None:
            (self._path / "cgroup.procs").write_text(str(os.getpid()))

    def cpu_seconds(self) -> float | None:
        """User and system time of all that was ever in the group."""
        if self._path is None:
            return None
        words = (self._path / "cpu.stat").read_text().split()
        return int(words[words.index("usage_usec") + 1]) / 1e6

    def remove(self) -> None:
        """Remove the group, whose last processes are about to end."""
        end = time.monotonic() + ENDING
        while self._path is not None and time.monotonic() < end:
            try:
                self._path.rmdir()
            except OSError:
                time.sleep(0.02)
            else:
                self._path = None


def _home() -> Path | None:
    """Our own group's directory."""
    own = [line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2" and own:
            return Path(where + own[0])
    return None


def _stats() -> Iterator[tuple[int, str, int, int]]:
    """Pid, name, parent, and ticks of CPU with those of children that were waited for."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                text = Path(f"/proc/{entry}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            name, _, rest = text.partition("(")[2].rpartition(")")
            fields = rest.split()
            yield int(entry), name, int(fields[1]), sum(map(int, fields[11:15]))


def tree(root: int) -> dict[int, tuple[str, int]]:
    """Name and CPU ticks of `root` and each of its descendants that live now."""
    processes = {pid: (name, parent, ticks) for pid, name, parent, ticks in _stats()}
    members, grown = {root}, True
    while grown:
        more = {pid for pid, (_, parent, _) in processes.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return {pid: (processes[pid][0], processes[pid][2]) for pid in members if pid in processes}


def cpu_seconds(root: int) -> float:
    """CPU seconds that `root` and its descendants have used, ended children included."""
    return sum(ticks for _, ticks in tree(root).values()) / TICK


def pss_by_process(root: int) -> list[tuple[str, int]]:
    """Name and proportional memory in bytes of each process of the tree."""
    found = []
    for pid, (name, _) in tree(root).items():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
            found.append((name, int(words[words.index("Pss:") + 1]) * 1024))
    return found


def pss_mb(root: int) -> float:
    """Proportional memory of the tree in MB (2**20 bytes)."""
    return sum(size for _, size in pss_by_process(root)) / 2**20
