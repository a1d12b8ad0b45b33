"""profile - where pyfix's daemons spend their time in one case, as py-spy samples it

usage: python -m bench.profile w1 [--case "10 connections"] [--daemon smtpd] [--top N] [--native] [--keep DIR]

For each daemon: functions by time of their own, and by time with what they call. --keep
leaves py-spy's stacks ("raw"), which flame graph programs read. For the kernel's share
`perf record -g -p PID` while this runs (--daemon prints the pids).
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench import look
from bench.instance import Instance


def shares(raw: str) -> tuple[Counter[str], Counter[str], int]:
    """Samples by function (own; with callees) and in all, of py-spy's raw stacks."""
    own, whole, total = Counter[str](), Counter[str](), 0
    for line in raw.splitlines():
        stack, _, number = line.rpartition(" ")
        frames = stack.rpartition("_run_loop (")[2].split(";")[1:] or ["(the loop itself)"]
        own[frames[-1]] += int(number)
        total += int(number)
        for frame in set(frames):
            whole[frame] += int(number)
    return own, whole, total


def show(daemon: str, raw: str, top: int) -> None:
    """One daemon's functions."""
    own, whole, total = shares(raw)
    print(f"\n{daemon}: {total} samples")
    for (mine, a), (with_callees, b) in zip(own.most_common(top), whole.most_common(top), strict=False):
        print(f"  {100 * a / total:5.1f} % {mine:62.62} {100 * b / total:5.1f} % {with_callees:.62}")


def main() -> int:
    """Sample, and print a table for each daemon."""
    parser = look.options("where pyfix's daemons spend their time")
    parser.add_argument("--daemon", help="only this one")
    parser.add_argument("--native", action="store_true", help="functions of C libraries too")
    parser.add_argument("--keep", type=Path, help="leave py-spy's files here")
    asked = parser.parse_args()
    spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin")
    if spy is None:
        parser.error("py-spy is not installed: pip install py-spy")
    more = ["--native"] if asked.native else []

    @contextlib.contextmanager
    def observer(mail: Instance, _: int) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as folder:
            where = asked.keep or Path(folder)
            where.mkdir(exist_ok=True)
            pids = {f"{name}-{pid}": pid for name, all_ in look.by_daemon(mail).items() for pid in all_}
            wanted = {key: pid for key, pid in pids.items() if asked.daemon in (None, key.rpartition("-")[0])}
            line = [spy, "record", "--nonblocking", "--function", "--format", "raw", "--rate", "200", *more]
            lines = [[*line, "-p", str(pid), "-o", str(where / key)] for key, pid in wanted.items()]
            with look.watchers(lines, settle=0.5):
                yield
            for key in wanted:
                if (where / key).exists() and (raw := (where / key).read_text()):
                    show(key, raw, asked.top)

    look.run(asked, observer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
