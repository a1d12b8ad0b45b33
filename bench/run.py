"""run - pyfix beside real Postfix in the same run: SMTP in, Maildir out

usage: python -m bench.run [--messages N] [--size BYTES] [--connections N ...] [--pairs N]

Alternates A B A B with the same main.cf and master.cf, prints messages per second and
CPU milliseconds per message of the mail system's own processes, and the median of the
pairwise ratios. Fails when a message is missing. Load comes from smtp-source where it
is installed, else from Python's smtplib in threads.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.instance import PYFIX, Instance, Kind, real_postfix, wait_for
from bench.measure import cpu_seconds, pss_bytes

RECIPIENT = "user@bench.test"


@dataclass(frozen=True)
class Figures:
    """What one round of one mail system showed."""

    per_second: float
    cpu_ms: float
    pss_mb: float


def load(port: int, messages: int, size: int, connections: int) -> None:
    """Send the messages and return when all are acknowledged."""
    source = shutil.which("smtp-source", path="/usr/sbin:/usr/bin")
    if source is None:
        _load_smtplib(port, messages, size, connections)
        return
    words = [source, "-s", str(connections), "-m", str(messages), "-l", str(size)]
    words += ["-f", "sender@example.com", "-t", RECIPIENT, f"127.0.0.1:{port}"]
    subprocess.run(words, check=True, capture_output=True)


def _load_smtplib(port: int, messages: int, size: int, connections: int) -> None:
    body = b"Subject: load\r\n\r\n" + (b"x" * 78 + b"\r\n") * (size // 80)

    def sender(count: int) -> None:
        for _ in range(count):
            with smtplib.SMTP("127.0.0.1", port) as client:
                client.sendmail("sender@example.com", [RECIPIENT], body)

    shares = [messages // connections + (n < messages % connections) for n in range(connections)]
    threads = [threading.Thread(target=sender, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def one_round(kind: Kind, messages: int, size: int, connections: int) -> Figures:
    """Start a fresh instance, warm it up, send, wait for the last file, stop."""
    top = Path(tempfile.mkdtemp(prefix=f"bench-{kind.name}-", dir="/tmp"))
    top.chmod(0o755)
    try:
        with Instance(kind, top) as instance:
            warm = max(20, connections)
            load(instance.port, warm, size, connections)
            wait_for(lambda: instance.delivered() == warm, 60, "warm-up mail did not arrive")
            cpu, begin = cpu_seconds(instance.master_pid), time.monotonic()
            load(instance.port, messages, size, connections)
            complaint = f"{kind.name}: messages are missing"
            wait_for(lambda: instance.delivered() == warm + messages, 120, complaint)
            seconds = time.monotonic() - begin
            cpu = cpu_seconds(instance.master_pid) - cpu
            return Figures(messages / seconds, 1000 * cpu / messages, pss_bytes(instance.master_pid) / 2**20)
    finally:
        shutil.rmtree(top, ignore_errors=True)


def compare(kinds: list[Kind], pairs: int, messages: int, size: int, connections: int) -> None:
    """All rounds of one number of connections, and their medians."""
    rounds: dict[str, list[Figures]] = {kind.name: [] for kind in kinds}
    for _ in range(pairs):
        for kind in kinds:
            rounds[kind.name].append(one_round(kind, messages, size, connections))
    for name, figures in rounds.items():
        rate = statistics.median(f.per_second for f in figures)
        cpu = statistics.median(f.cpu_ms for f in figures)
        pss = statistics.median(f.pss_mb for f in figures)
        print(f"| {connections} | {name} | {rate:.0f} | {cpu:.2f} | {pss:.0f} |", flush=True)
    if len(kinds) == 2:
        ours, theirs = (rounds[kind.name] for kind in kinds)
        rate = statistics.median(a.per_second / b.per_second for a, b in zip(ours, theirs, strict=True))
        cpu = statistics.median(a.cpu_ms / b.cpu_ms for a, b in zip(ours, theirs, strict=True))
        print(f"| {connections} | ratio | {rate:.2f}x | {cpu:.2f}x | |", flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="SMTP in, Maildir out: pyfix beside real Postfix")
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--size", type=int, default=4096, help="bytes of a message")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 10, 40])
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    kinds = [kind for kind in (PYFIX, real_postfix()) if kind is not None]
    if len(kinds) == 1:
        print("real Postfix is not installed or this is not root: pyfix alone")
    print(f"Python {platform.python_version()} at {sys.executable}, {options.size}-byte messages")
    print("| connections | system | msg/s | CPU ms/msg | PSS MB |\n|---|---|---|---|---|", flush=True)
    for connections in options.connections:
        compare(kinds, options.pairs, options.messages, options.size, connections)
    return 0


if __name__ == "__main__":
    sys.exit(main())
