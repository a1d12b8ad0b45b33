"""report - what a queue holds, message by message, for those who look from outside

Reads the envelope records of each file and the logs of recipients that were tried before. A file that
goes away meanwhile is left out, one that can't be read is cut short with a warning; a report never fails
for one message.

See also: queue-file sheet sections 3 and 7.
"""

import os
from collections.abc import Iterable
from functools import lru_cache

from pyfix.mail.address import quote
from pyfix.queue.directory import is_ready
from pyfix.queue.logs import Opener, read_log
from pyfix.queue.records import CorruptQueueFile, leading_numbers
from pyfix.queue.walk import Walk
from pyfix.unix import msg

LOGGED_QUEUES = frozenset({"active", "deferred", "hold", "incoming"})
FORCE_EXPIRE = 0o010  # mode bit of a message that shall be returned at its next try
_SIZE, _TIME, _FROM, _ORCP, _RCPT, _MESG, _END = b"CTSORME"
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
        fd = queue.open(name, queue_id)
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


def _logged(queue: Opener, queue_id: str, logs: Iterable[str]) -> list[tuple[str, str, str, str]]:
    """The recipients in the logs of a message."""
    found: list[tuple[str, str, str, str]] = []
    for log in logs:
        try:
            entries = read_log(queue, log, queue_id, lock=False)
        except OSError as error:
            msg.warning(f"open {log} {queue_id}: {error.strerror}")
            continue
        for entry in entries:
            recipient = entry.recipient
            texts = quote(recipient.original), quote(recipient.address), log, entry.reason
            original, address, log, reason = map(msg.printable, texts)
            found.append((original, address, log, reason))
    return found


def _fill(listed: Listed, walk: Walk, logged: list[tuple[str, str, str, str]]) -> None:
    """Take from the file what a report shows."""
    reader = _Reader(listed, walk, logged)
    try:
        while reader.record():
            pass
    except CorruptQueueFile as error:
        msg.warning(f"{listed.queue_id}: {error}")


class _Reader:
    """One file on its way into a report."""

    def __init__(self, listed: Listed, walk: Walk, logged: list[tuple[str, str, str, str]]) -> None:
        self._listed = listed
        self._walk = walk
        self._logged = logged
        self._seen = {address for _, address, _, _ in logged}
        self._original = ""
        self._content_size = 0

    def record(self) -> bool:
        """Use the next record; False when the rest does not matter."""
        _, kind, data = self._walk.next(_SHOWN)
        if kind == _RCPT:
            return self._recipient(data)
        if kind == _FROM:
            return self._sender(data)
        if kind == _ORCP:
            self._original = _external(data)
        elif kind in _GONE:
            self._original = ""
        elif kind == _TIME:
            self._listed.time = self._listed.time or (*leading_numbers(data), 0)[0]
        elif kind == _SIZE:
            self._size(data)
        elif kind == _MESG and self._content_size:
            self._walk.jump(self._walk.offset + self._content_size)
        return kind != _END

    def _size(self, data: bytes) -> None:
        size, offset = (*leading_numbers(data), 0, 0)[:2]
        if size > 0 and offset > 0:
            self._listed.size = self._content_size = size
        else:
            text = data[:100].decode("utf-8", "surrogateescape")
            warn = f"malformed size record: {text} -- using file size instead"
            msg.warning(f"{self._listed.queue_id}: {warn}")

    def _sender(self, data: bytes) -> bool:
        sender = _external(data)
        if self._listed.sender is not None:
            return self._skip(f"duplicate sender address: {sender}")
        self._listed.sender = sender
        self._listed.recipients += self._logged
        return True

    def _recipient(self, data: bytes) -> bool:
        address = _external(data)
        if self._listed.sender is None:
            return self._skip(f"missing sender address: {address}")
        if address not in self._seen:
            self._listed.recipients.append((self._original, address, "", ""))
        self._original = ""
        return True

    def _skip(self, why: str) -> bool:
        msg.warning(f"{self._listed.queue_id}: {why} -- skipping remainder of this file")
        return False


@lru_cache(maxsize=1024)
def _external(data: bytes) -> str:
    """An address as people see it."""
    return msg.printable(quote(data.decode("utf-8", "surrogateescape")))
