"""The postfix command beside Debian's, down and running: same status, same lines in the log."""

import os
import re
from pathlib import Path

from tests.e2e.instance import instance, instance_directory
from tests.real_postfix import release

__all__ = ["instance", "instance_directory"]

# Each fatal one takes both a second.
DOWN = ["status", "reload", "logrotate", "flush", "check", "quick-stop"]
UP = ["start", "status", "check", "flush", "reload"]
LONG_AGO = 1_000_000_000  # a main.cf that was just written makes real commands wait


def outcome(side, log: Path, command: str) -> tuple[int, list[str]]:
    """Its status and what its script logged while nothing else did."""
    before = size(log)
    return side.command("postfix", command).returncode, lines(log, before)


def size(log: Path) -> int:
    return len(log.read_text()) if log.exists() else 0


def lines(log: Path, before: int) -> list[str]:
    """What scripts have logged since; of lines that tell a pid, without it."""
    text = log.read_text()[before:] if log.exists() else ""
    found = re.findall(r"postfix/(?:postfix-script|postqueue|postlog)\[\d+\]: (.*)", text)
    return [re.sub(r"PID: +\d+", "PID: N", line) for line in found if "warning: " not in line]


def test_same_status_and_lines(instance, real_postfix):
    peer, mail = real_postfix(start=False), instance(start=False)
    sides = (peer, peer.top / "log/maillog"), (mail, mail.directory / "log/maillog")
    os.utime(peer.config / "main.cf", (LONG_AGO, LONG_AGO))
    told = [[outcome(*side, command) for command in DOWN] for side in sides]
    if release() >= (3, 11):  # postlog writes no line then while nothing runs
        told = [[status for status, _ in outcomes] for outcomes in told]
    assert told[1] == told[0]
    peer.start()
    mail.start()
    commands = UP[1:] if release() >= (3, 11) else UP  # nor at the start
    before = [size(log) for _, log in sides]
    statuses = [[side.command("postfix", command).returncode for command in commands] for side, _ in sides]
    assert statuses[1] == statuses[0]

    def said() -> list[list[str]]:
        return [lines(log, at) for (_, log), at in zip(sides, before, strict=True)]

    mail.wait_until(lambda: said()[0][-1:] == said()[1][-1:] == ["refreshing the Postfix mail system"])
    real, ours = said()
    assert ours == real
    # Debian's postlogd may end before it has written that all is stopping.
    assert [side.command("postfix", "stop").returncode for side, _ in sides] == [0, 0]
