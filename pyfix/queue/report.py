"""report - what a queue holds, message by message, for those who look from outside

Reads the envelope records of each file and the logs of recipients that were tried before. A file that
goes away meanwhile is left out, one that can't be read is cut short with a warning; a report never fails
for one message.

See also: queue-file sheet sections 3 and 7.
"""

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache

from pyfix.mail.address import quote
from pyfix.queue.directory import is_ready
from pyfix.queue.logs import Opener, read_reasons
from pyfix.queue.records import CorruptQueueFile, leading_numbers
from pyfix.queue.walk import JUMPS, Walk
from pyfix.unix import msg

LOGGED_QUEUES = frozenset({"active", "deferred", "hold", "incoming"})
FORCE_EXPIRE = 0o010  # mode bit of a message that shall be returned at its next try
_ATTR, _SIZE, _TIME, _FROM, _ORCP, _RCPT, _MESG, _END, _PTR = b"ACTSORMEp"
_NO_TRACE = getattr(os, "O_NOATIME", 0)  # Linux has it, for the owner and root
_STEP = tuple(range(2, 130))
"""From a record to the next, by its length; none for lengths of more than a byte."""
_GONE = frozenset(b"D/")
_SHOWN = frozenset(b"CTSORMED/")


class Listed:
    """A message as a report shows it.

    time: arrival, seconds; size: of the content in bytes, of the file when that is unknown; sender:
    external form, empty for the null sender; recipients: (original, address, log, reason), in external
    form, log bounce, defer or empty.
    """

    __slots__ = ("forced_expire", "queue_id", "recipients", "sender", "size", "time")

    def __init__(self, queue_id: str, status: os.stat_result) -> None:
        self.queue_id = queue_id
        self.time = 0
        self.size = status.st_size
        self.forced_expire = bool(status.st_mode & FORCE_EXPIRE)
        self.sender: str | None = None
        self.recipients: list[tuple[str, str, str, str]] = []


def list_message(
    queue: Opener, name: str, queue_id: str, logs: Iterable[str] = ("defer", "bounce")
) -> Listed | None:
    """What is in one file; None: it is gone, not complete, or has no sender. logs: those that may be there."""
    try:
        fd = _open(queue, name, queue_id)
    except FileNotFoundError:
        return None
    except OSError as error:
        msg.warning(f"open {name} {queue_id}: {error.strerror}")
        return None
    try:
        status = os.fstat(fd)
        if not is_ready(status):
            return None
        listed = Listed(queue_id, status)
        logged = _logged(queue, queue_id, logs) if name in LOGGED_QUEUES else []
        _fill(listed, Walk(fd), logged)
        listed.time = listed.time or int(status.st_mtime)
        return None if listed.sender is None else listed
    finally:
        os.close(fd)


def _open(queue: Opener, name: str, queue_id: str) -> int:
    """A descriptor that leaves the time of access alone: a file that is due later would have a new one each time."""
    if name not in LOGGED_QUEUES:  # in maildrop files belong to others
        return queue.open(name, queue_id)
    try:
        return queue.open(name, queue_id, os.O_RDONLY | _NO_TRACE)
    except PermissionError:
        return queue.open(name, queue_id)


def _logged(queue: Opener, queue_id: str, logs: Iterable[str]) -> list[tuple[str, str, str, str]]:
    """The recipients in the logs of a message."""
    found: list[tuple[str, str, str, str]] = []
    for log in logs:
        try:
            entries = read_reasons(queue, log, queue_id)
        except OSError as error:
            msg.warning(f"open {log} {queue_id}: {error.strerror}")
            continue
        for address, original, reason in entries:
            found.append((_shown(original), _shown(address), log, msg.printable(reason)))
    return found


def _fill(listed: Listed, walk: Walk, logged: list[tuple[str, str, str, str]]) -> None:
    """Take from the file what a report shows."""
    try:
        for why in _records(listed, walk, logged):
            msg.warning(f"{listed.queue_id}: {why}")
    except CorruptQueueFile as error:
        msg.warning(f"{listed.queue_id}: {error}")


def _records(listed: Listed, walk: Walk, logged: list[tuple[str, str, str, str]]) -> Iterator[str]:
    """Go through all records that matter; yields what there is to warn of.

    One loop with little in it: most of the time of a report goes here. Plain records are taken from memory;
    what is cut off, long or a pointer is left to the walk.
    """
    attribute, step = _ATTR, _STEP
    seen = {address for _, address, _, _ in logged}
    original, content_size = "", 0
    buf, at, _ = walk.window()
    while True:
        try:
            while buf[at] == attribute:
                at += step[buf[at + 1]]
            kind, end = buf[at], at + step[buf[at + 1]]
        except IndexError:
            kind = _PTR
        if kind in JUMPS or end > len(buf):
            walk.skip_to(at)
            _, kind, data = walk.next(_SHOWN)
            buf, end, _ = walk.window()
        else:
            data = buf[at + 2 : end]
        at = end
        if kind == _RCPT:
            address = _external(data)
            if listed.sender is None:
                yield f"missing sender address: {address} -- skipping remainder of this file"
                return
            if address not in seen:
                listed.recipients.append((original, address, "", ""))
            original = ""
        elif kind == _ORCP:
            original = _external(data)
        elif kind == _FROM:
            sender = _external(data)
            if listed.sender is not None:
                yield f"duplicate sender address: {sender} -- skipping remainder of this file"
                return
            listed.sender = sender
            listed.recipients += logged
        elif kind == _TIME:
            listed.time = listed.time or (*leading_numbers(data, 1), 0)[0]
        elif kind == _SIZE:
            content_size = _content_size(data)
            listed.size = content_size or listed.size
            if not content_size:
                text = data[:100].decode("utf-8", "surrogateescape")
                yield f"malformed size record: {text} -- using file size instead"
        elif kind == _MESG and content_size:
            walk.skip_to(at)
            walk.jump(walk.offset + content_size)
            buf, at, _ = walk.window()
        elif kind in _GONE:
            original = ""
        elif kind == _END:
            return


def _content_size(data: bytes) -> int:
    """What a size record says, in bytes; 0: nothing that can be."""
    size, offset = (*leading_numbers(data, 2), 0, 0)[:2]
    return size if size > 0 and offset > 0 else 0


@lru_cache(maxsize=1024)
def _external(data: bytes) -> str:
    """The address in a record as people see it."""
    return _shown(data.decode("utf-8", "surrogateescape"))


@lru_cache(maxsize=1024)
def _shown(address: str) -> str:
    return msg.printable(quote(address))
