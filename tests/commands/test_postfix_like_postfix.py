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
    """Its status and what its script logged; of lines that tell a pid, without it."""
    before = log.read_text() if log.exists() else ""
    done = side.command("postfix", command)
    text = (log.read_text() if log.exists() else "")[len(before) :]
    lines = re.findall(r"postfix/(?:postfix-script|postqueue|postlog)\[\d+\]: (.*)", text)
    said = [re.sub(r"PID: +\d+", "PID: N", line) for line in lines if "warning: " not in line]
    return done.returncode, said


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
    told = [[outcome(*side, command) for command in UP] for side in sides]
    if release() >= (3, 11):
        told = [outcomes[1:] for outcomes in told]  # nor at the start
    assert told[1] == told[0]
    # Debian's postlogd may end before it has written that all is stopping.
    assert [side.command("postfix", "stop").returncode for side, _ in sides] == [0, 0]
