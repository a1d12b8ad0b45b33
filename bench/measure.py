"""measure - CPU time and memory of a process and all its descendants"""

from __future__ import annotations

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> tuple[int, int]:
    """Parent, and ticks of CPU: user and system, with those of children that were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), sum(map(int, fields[11:15]))


def _all() -> dict[int, tuple[int, int]]:
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found[int(name)] = _stat(int(name))
            except OSError:
                continue
    return found


def tree(root: int) -> dict[int, int]:
    """CPU ticks of `root` and each of its descendants that live now."""
    processes = _all()
    members = {root}
    grown = True
    while grown:
        more = {pid for pid, (parent, _) in processes.items() if parent in members} - members
        members |= more
        grown = bool(more)
    return {pid: processes[pid][1] for pid in members if pid in processes}


def cpu_seconds(root: int) -> float:
    """CPU seconds that `root` and its descendants have used, ended children included."""
    return sum(tree(root).values()) / TICK


def pss_bytes(root: int) -> int:
    """Proportional memory of `root` and its descendants."""
    total = 0
    for pid in tree(root):
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total
