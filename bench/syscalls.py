"""syscalls - system calls per message, by daemon, as strace counts them

usage: python -m bench.syscalls w1 [--case "10 connections"] [--system postfix] [--top N]

Processes that start meanwhile count for the one that forked them (Postfix: master).
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import look
from bench.instance import Instance

LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", re.MULTILINE)
"""A line of strace -c: % time, seconds, usecs/call, calls, errors, name."""


def counts(summary: str) -> dict[str, int]:
    """Calls by name in strace's summary, most first."""
    found = {name: int(calls) for calls, name in LINE.findall(summary) if name != "total"}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def show(daemon: str, found: dict[str, int], units: int, top: int) -> None:
    """One daemon's calls per message."""
    words = [f"{name} {calls / units:.2f}" for name, calls in list(found.items())[:top] if calls / units >= 0.005]
    print(f"{daemon:16} {sum(found.values()) / units:7.1f}   {', '.join(words)}")


def main() -> int:
    """Count, and print a line for each daemon."""
    asked = look.options("system calls per message").parse_args()

    @contextlib.contextmanager
    def observer(mail: Instance, units: int) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as folder:
            out = {name: Path(folder) / name.replace("/", "_") for name in look.by_daemon(mail)}
            lines = [
                ["strace", "-f", "-c", "-o", str(out[name]), *[word for pid in pids for word in ("-p", str(pid))]]
                for name, pids in look.by_daemon(mail).items()
            ]
            with look.watchers(lines, settle=0.5):
                yield
            found = {name: counts(path.read_text()) for name, path in out.items()}
        for name, calls in sorted(found.items(), key=lambda item: -sum(item[1].values())):
            show(name, calls, units, asked.top)
        print(f"{'together':16} {sum(sum(calls.values()) for calls in found.values()) / units:7.1f}")

    look.run(asked, observer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
