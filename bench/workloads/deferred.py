"""deferred - w7 and its curve: a queue full of deferred mail is listed, started with, flushed, deleted

The queue is filled with copies of one message that the system itself deferred, each with
the name that its inode gives it, as both systems expect.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.instance import PATIENCE, Instance, Missing, wait_for, wait_for_count
from bench.load import Load, send
from bench.workload import Case, Figures, Target, Workload, at_most

DEFER = {"default_transport": "discard:bench", "defer_transports": "discard"}
LATER = 7200.0
"""Seconds until the copies are due: not while this runs."""


def steps(mail: Instance, messages: int) -> Figures:
    """All steps with a queue of so many messages."""
    fill(mail, messages)
    figures = {
        "postqueue -p s": _timed(lambda: listed(mail, "-p", b"sender@example.com", messages)),
        "postqueue -j s": _timed(lambda: listed(mail, "-j", b'"queue_name"', messages)),
        "stop+start s": _timed(lambda: (mail.stop(), mail.start())),
    }
    with mail.section(messages) as section:
        mail.command("postqueue", "-f")
        mail.wait_sent(messages)
        mail.wait_empty()
    figures["flush all s"] = section.seconds
    figures["flush CPU ms/msg"] = 1000 * section.cpu / messages
    fill(mail, messages)
    figures["postsuper -d ALL s"] = _timed(lambda: mail.command("postsuper", "-d", "ALL"))
    if left := mail.queued("deferred", "defer", "active", "incoming"):
        raise Missing(f"{mail.kind.name}: postsuper -d ALL leaves {left} files")
    return figures


def fill(mail: Instance, messages: int) -> None:
    """Have exactly so many messages in the deferred queue."""
    send(mail.port, Load(1))
    wait_for_count(lambda: mail.queued("deferred"), 1, PATIENCE, f"{mail.kind.name}: deferred messages")
    wait_for_count(lambda: mail.queued("defer"), 1, PATIENCE, f"{mail.kind.name}: defer logs")
    wait_for(lambda: mail.queued("active") == 0, PATIENCE, f"{mail.kind.name}: the message stays active")
    message = next(path for path in (mail.queue / "deferred").rglob("*") if path.is_file())
    log = next(path for path in (mail.queue / "defer").rglob("*") if path.is_file())
    for number in range(1, messages):
        name = _copy(message, mail.queue / "deferred", number)
        _place(_draft(log, mail.queue / "defer"), mail.queue / "defer", name, log)


def _copy(message: Path, queue: Path, number: int) -> str:
    """One more like it; its name: microseconds and inode."""
    draft = _draft(message, queue)
    name = f"{number * 7919 % 1_000_000:05X}{draft.stat().st_ino:X}"
    _place(draft, queue, name, message)
    return name


def _draft(like: Path, queue: Path) -> Path:
    draft = queue / "draft"
    draft.write_bytes(like.read_bytes())
    return draft


def _place(draft: Path, queue: Path, name: str, like: Path) -> None:
    """Give a file its name, and the mode, owner and time that it must have."""
    stat = like.stat()
    folder = queue / name[0]
    if not folder.is_dir():
        folder.mkdir(0o700)
        shutil.copystat(like.parent, folder)
        os.chown(folder, stat.st_uid, stat.st_gid)
    os.chown(draft, stat.st_uid, stat.st_gid)
    draft.chmod(stat.st_mode & 0o777)
    due = time.time() + LATER
    os.utime(draft, (due, due))
    draft.rename(folder / name)


def listed(mail: Instance, option: str, mark: bytes, messages: int) -> None:
    """A listing must have every message."""
    found = mail.command("postqueue", option).count(mark)
    if found != messages:
        raise Missing(f"{mail.kind.name}: postqueue {option} lists {found} messages instead of {messages}")


def _timed(step: Callable[[], object]) -> float:
    begin = time.monotonic()
    step()
    return time.monotonic() - begin


TARGETS = (
    *(at_most(figure, 1.5) for figure in ("postqueue -p s", "postqueue -j s", "stop+start s", "postsuper -d ALL s")),
    at_most("flush all s", 1.0),
    at_most("flush CPU ms/msg", 1.0),
)


def _case(messages: int, targets: tuple[Target, ...] = (), *, pairs: int, alone: bool = False) -> Case:
    run = partial(steps, messages=messages)
    return Case(f"{messages:,} messages", run, targets, DEFER, pairs=pairs, alone=alone)


W7 = Workload("w7", "deferred mail", (_case(10_000, TARGETS, pairs=2),))
W7_CURVE = Workload("w7-curve", "cost by queue length", (
    _case(1_000, pairs=1, alone=True),
    _case(100_000, pairs=1, alone=True),
))
