"""report - what a queue holds, message by message, for those who look from outside

Reads the envelope records of each file and the logs of recipients that were tried before. A file that
goes away meanwhile is left out, one that can't be read is cut short with a warning; a report never fails
for one message.

See also: queue-file sheet sections 3 and 7.
"""

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from pyfix.mail.address import quote
from pyfix.queue.directory import is_ready
from pyfix.queue.logs import Opener, read_reasons
from pyfix.queue.records import CorruptQueueFile, leading_numbers
from pyfix.queue.walk import CHUNK, Walk
from pyfix.unix import msg

LOGGED_QUEUES = frozenset({"active", "deferred", "hold", "incoming"})
FORCE_EXPIRE = 0o010  # mode bit of a message that shall be returned at its next try
_ATTR, _SIZE, _TIME, _FROM, _ORCP, _RCPT, _MESG, _END, _PTR = b"ACTSORMEp"
_NO_TRACE = getattr(os, "O_NOATIME", 0)  # Linux has it, for the owner and root
_STEP = tuple(range(2, 130))
"""From a record to the next, by its length; none for lengths of more than a byte."""
_GONE = frozenset(b"D/")
_SHOWN = frozenset(b"CTSORMED/")
_NOT_PLAIN = frozenset(b"pwRSC")  # pointers, filler, and where a sender or a number is missing
_PLAIN_SIZE = re.compile(rb" *([1-9][0-9]{0,17}) +[1-9][0-9]{0,17} ")


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
        if not _plain(listed, fd, logged):
            _fill(listed, fd, logged)
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
            found.append((_shown(original), _shown(address), log, _shown(reason)))
    return found


def _fill(listed: Listed, fd: int, logged: list[tuple[str, str, str, str]]) -> None:
    """Take from a file what a report shows, and warn of what is wrong with it."""
    try:
        for why in _records(listed, Walk(fd), logged):
            msg.warning(f"{listed.queue_id}: {why}")
    except CorruptQueueFile as error:
        msg.warning(f"{listed.queue_id}: {error}")


def _plain(listed: Listed, fd: int, logged: list[tuple[str, str, str, str]]) -> bool:
    """Take from a file what a report shows; False: it is not plain, and nothing was taken.

    Plain is what nearly all files are: no pointers, no long records before and after the content, nothing wrong.
    One loop with little in it: most of the time of a report goes here.
    """
    attribute, step = _ATTR, _STEP
    sender, original, time, size = None, "", 0, 0
    recipients = logged.copy()
    seen = {address for _, address, _, _ in logged}
    buf, at, base = os.pread(fd, CHUNK, 0), 0, 0
    try:
        while True:
            while buf[at] == attribute:
                at += step[buf[at + 1]]
            kind, start = buf[at], at + 2
            at += step[buf[at + 1]]
            if kind == _RCPT and sender is not None:
                address = _external(buf[start:at])
                if address not in seen:
                    recipients.append((original or address, address, "", ""))
                original = ""
            elif kind == _ORCP:
                original = _external(buf[start:at])
            elif kind == _FROM and sender is None:
                sender = _external(buf[start:at])
            elif kind == _TIME:
                time = time or int(buf[start:at].split(None, 1)[0])
            elif kind == _SIZE and (found := _PLAIN_SIZE.match(buf, start, at)):
                size = int(found[1])
            elif kind == _MESG:
                at += size
                if at >= len(buf):
                    base += at
                    buf, at = os.pread(fd, CHUNK, base), 0
            elif kind in _GONE:
                original = ""
            elif kind == _END:
                break
            elif kind in _NOT_PLAIN:
                return False
    except (IndexError, ValueError):  # the end of what was read, a long record, no number
        return False
    listed.sender, listed.recipients, listed.time = sender, recipients, time
    listed.size = size or listed.size
    return True


def _records(listed: Listed, walk: Walk, logged: list[tuple[str, str, str, str]]) -> Iterator[str]:
    """The same of any file, as far as it can be read; yields what there is to warn of."""
    seen = {address for _, address, _, _ in logged}
    original, content_size = "", 0
    while True:
        _, kind, data = walk.next(_SHOWN)
        if kind == _RCPT:
            address = _external(data)
            if listed.sender is None:
                yield f"missing sender address: {address} -- skipping remainder of this file"
                return
            if address not in seen:
                listed.recipients.append((original or address, address, "", ""))
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
            walk.jump(walk.offset + content_size)
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
    return _shown(quote(data.decode("utf-8", "surrogateescape")))


def _shown(text: str) -> str:
    """All characters as Postfix lists them, but `?` for what steers a terminal and for bytes that are no UTF-8."""
    return text if text.isprintable() else msg.UNPRINTABLE.sub("?", text)
