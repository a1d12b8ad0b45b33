"""sendmail - w4: the command that scripts run, one after another, with real queueing"""

from __future__ import annotations

import os
import time
from functools import partial

from bench.instance import Instance
from bench.workload import Case, Figures, Workload, at_most

MESSAGE = b"From: root\nTo: user@example.org\nSubject: from cron\n\n" + b"All is well.\n" * 20
LINE = ["-f", "sender@example.com", "-i", "user@example.org"]


def commands(mail: Instance, runs: int) -> Figures:
    """So many runs, each a message in maildrop that pickup then takes."""
    message = mail.top / "message"
    message.write_bytes(MESSAGE)
    for _ in range(10):
        mail.command("sendmail", *LINE, stdin=MESSAGE)
    mail.wait_sent(10)
    seconds, cpu = [], 0.0
    with mail.section(runs):
        for _ in range(runs):
            begin = time.perf_counter()
            cpu += _run(mail, str(message))
            seconds.append(time.perf_counter() - begin)
        mail.wait_sent(10 + runs)
    return {"mean ms": 1000 * sum(seconds) / runs, "CPU ms/command": 1000 * cpu / runs}


def _run(mail: Instance, message: str) -> float:
    """One command; the CPU seconds of it and its children."""
    program = mail.kind.command("sendmail")
    stdin = [(os.POSIX_SPAWN_OPEN, 0, message, os.O_RDONLY, 0)]
    pid = os.posix_spawn(program, [program, *LINE], mail.environment(), file_actions=stdin)
    _, status, used = os.wait4(pid, 0)
    assert status == 0, f"{program} ended with {status}"
    return used.ru_utime + used.ru_stime


W4 = Workload("w4", "the sendmail command, 300 runs", (
    Case(
        "300 runs",
        partial(commands, runs=300),
        (at_most("mean ms", 1.5),),
        main_cf={"default_transport": "discard:bench"},
    ),
))
