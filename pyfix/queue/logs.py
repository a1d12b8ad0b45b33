"""logs - what became of a message's recipients: the bounce, defer and trace logs

A text file under the message's queue id in bounce/, defer/ or trace/. Each entry is an empty line,
`name=value` lines and an empty line; addresses in external form. Entries are added under an exclusive
lock and fsynced; an entry that can't be written whole is taken back.

| a crash                    | on disk             | then                                                        |
|----------------------------|---------------------|-------------------------------------------------------------|
| within an entry            | some of it          | readers leave it out, the next writer cuts it off           |
| before the recipient's mark| an entry, and R     | the recipient is tried again; entries that are alike are one|

Parameters: backwards_bounce_logfile_compatibility. See also: queue-file sheet section 7.
"""

import os
import re
from collections.abc import Callable, Iterator
from typing import Protocol

from pyfix.mail.address import quote, unquote
from pyfix.queue.envelope import Recipient
from pyfix.unix import msg
from pyfix.unix.fsync import Sync, sync_all
from pyfix.unix.locks import flock_exclusive, flock_shared

CHUNK = 65536  # bytes of a log that are read at first
UNAVAILABLE = "(description unavailable)"
_OLD_STYLE = re.compile(r"<(.*)>: (.*)", re.DOTALL)
_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_DEFAULTS = {"defer": ("4.0.0", "delayed")}
_FAILED = ("5.0.0", "failed")


class Opener(Protocol):
    """The queue, as far as a reader needs it."""

    def open(self, queue: str, queue_id: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of the file. OSError."""


class Writer(Opener, Protocol):
    """The queue, for who adds to logs."""

    def sync_name(self, queue: str, queue_id: str) -> None:
        """Make the name of a new file durable. OSError."""


class Remover(Protocol):
    """The queue, for who takes logs away."""

    def remove(self, queue: str, queue_id: str) -> None:
        """Take the file away. OSError."""


class LogEntry:
    """One recipient and what became of it.

    status: "X.Y.Z"; action: failed, delayed, delivered, relayed, expanded, deliverable or undeliverable;
    reason: what people read; diag_type, diag_text ("smtp", the reply) and mta_type, mta_name ("dns", the
    host): empty when unknown.
    """

    __slots__ = ("action", "diag_text", "diag_type", "mta_name", "mta_type", "reason", "recipient", "status")

    def __init__(
        self,
        recipient: Recipient,
        status: str,
        action: str,
        reason: str,
        diag_type: str = "",
        diag_text: str = "",
        mta_type: str = "",
        mta_name: str = "",
    ) -> None:
        self.recipient = recipient
        self.status = status
        self.action = action
        self.reason = reason
        self.diag_type = diag_type
        self.diag_text = diag_text
        self.mta_type = mta_type
        self.mta_name = mta_name


def _nothing() -> None:
    """No other log is locked."""


def append_log(queue: Writer, log: str, queue_id: str, entry: LogEntry, *, compatible: bool = True) -> None:
    """Add an entry, durable on return. log: bounce, defer or trace. OSError: it is not there.

    compatible: with the line that old readers want (backwards_bounce_logfile_compatibility).
    """
    addition = Addition(queue, log, queue_id, compatible=compatible)
    try:
        addition.add(entry)
        sync_all([addition])
    finally:
        addition.end()


class Addition(Sync):
    """What is being added to one log, which is locked until the end. OSError.

    sync_all() of several of them, then end() of each, makes all durable: until then nothing of it is.
    before_wait: called when another process has the lock; who has locked other logs is to end them then, since that
    process may wait for one of these.
    """

    __slots__ = ("_compatible", "_log", "_queue", "_queue_id", "_size", "_written")

    def __init__(
        self,
        queue: Writer,
        log: str,
        queue_id: str,
        *,
        compatible: bool = True,
        before_wait: Callable[[], None] = _nothing,
    ) -> None:
        super().__init__(queue.open(log, queue_id, os.O_RDWR | os.O_CREAT))
        self._queue, self._log, self._queue_id = queue, log, queue_id
        self._compatible = compatible
        try:
            if not flock_exclusive(self.fd):
                before_wait()
                flock_exclusive(self.fd, wait=True)
            self._size = self._written = _cut(self.fd)
        except BaseException:
            os.close(self.fd)
            raise

    def add(self, entry: LogEntry) -> None:
        """Write an entry at its end, whole or not at all. OSError."""
        data = _encode(entry, self._compatible).encode("utf-8", "surrogateescape")
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self.fd, data[written:], self._written + written)
        except OSError:
            os.ftruncate(self.fd, self._written)
            raise
        self._written += written

    def end(self) -> None:
        """Unlock it. OSError: why it is not durable; then nothing was added."""
        try:
            if self.error is not None:
                raise self.error
            self._queue.sync_name(self._log, self._queue_id)
        except OSError:
            os.ftruncate(self.fd, self._size)
            raise
        finally:
            os.close(self.fd)


def read_log(queue: Opener, log: str, queue_id: str, *, lock: bool = True) -> list[LogEntry]:
    """All entries, each once; none when there is no such log. Addresses in internal form. OSError.

    lock: wait for who is writing; else what is not whole yet is left out.
    """
    text = _read(queue, log, queue_id, lock=lock)
    return _entries(text[: _whole(text)], log, queue_id)


def read_reasons(queue: Opener, log: str, queue_id: str) -> list[tuple[str, str, str]]:
    """(address, original, reason) of each entry, as read_log() without a lock, addresses in external form. OSError.

    For reports of the whole queue: entries that append_log() wrote are taken whole, by their pattern.
    """
    text = _read(queue, log, queue_id, lock=False)
    at, found = 0, {}
    while entry := _ENTRY.match(text, at):
        found[entry[0]] = entry
        at = entry.end()
    if at < len(text):
        entries = _entries(text[: _whole(text)], log, queue_id)
        return [(quote(e.recipient.address), quote(e.recipient.original), e.reason) for e in entries]
    return [("" if e[1] == "<>" else e[1], e[2] or "", e[3].rstrip()) for e in found.values()]


def remove_log(queue: Remover, log: str, queue_id: str) -> bool:
    """Take the whole log away; False when there was none. OSError."""
    try:
        queue.remove(log, queue_id)
    except FileNotFoundError:
        return False
    return True


def _read(queue: Opener, log: str, queue_id: str, *, lock: bool) -> str:
    """A log, whose last entry may not be whole; empty when there is none. OSError."""
    try:
        fd = queue.open(log, queue_id)
    except FileNotFoundError:
        return ""
    try:
        if lock:
            flock_shared(fd, wait=True)
        data = os.pread(fd, CHUNK, 0)
        if len(data) == CHUNK:
            data = os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)
    return data.decode("utf-8", "surrogateescape")


def _cut(fd: int) -> int:
    """The size of a log, without an entry at its end that is not whole."""
    size = os.fstat(fd).st_size
    if size and os.pread(fd, 2, max(size - 2, 0)) != b"\n\n":
        size = _whole(os.pread(fd, size, 0).decode("latin-1"))
        os.ftruncate(fd, size)
    return size


def _whole(text: str) -> int:
    """How much of a log is whole entries."""
    end = text.rfind("\n\n")
    return end + 2 if end >= 0 else 0


def _encode(entry: LogEntry, compatible: bool) -> str:
    recipient = entry.recipient
    lines = [""]
    if compatible:
        lines.append(f"<{quote(recipient.address)}>: {entry.reason}")
    lines.append(f"recipient={quote(recipient.address) or '<>'}")
    if recipient.original and recipient.original.lower() != recipient.address.lower():
        lines.append(f"original_recipient={quote(recipient.original)}")
    if recipient.offset > 0:
        lines.append(f"offset={recipient.offset}")
    if recipient.dsn_orig_rcpt:
        lines.append(f"dsn_orig_rcpt={recipient.dsn_orig_rcpt}")
    if recipient.notify:
        lines.append(f"notify_flags={recipient.notify}")
    lines += [f"status={entry.status}", f"action={entry.action}"]
    if entry.diag_type and entry.diag_text:
        lines += [f"diag_type={entry.diag_type}", f"diag_text={entry.diag_text}"]
    if entry.mta_type and entry.mta_name:
        lines += [f"mta_type={entry.mta_type}", f"mta_mname={entry.mta_name}"]
    lines += [f"reason={entry.reason}", ""]
    return "".join([_NOT_PRINTABLE.sub("?", line) + "\n" for line in lines])


_NAMES = frozenset(
    {
        *("recipient", "original_recipient", "offset", "dsn_orig_rcpt", "notify_flags"),
        *("status", "action", "diag_type", "diag_text", "mta_type", "mta_mname", "reason"),
    }
)


_ENTRY = re.compile(
    r"\n(?:<.*>: .*\n)?"
    r"recipient=(.*\S)\n(?:original_recipient=(.*\S)\n)?"
    r"(?:(?:offset|dsn_orig_rcpt|notify_flags|status|action|diag_type|diag_text|mta_type|mta_mname)=.*\n)*"
    r"reason=(.*)\n\n"
)
"""A whole entry as append_log() writes it: recipient, original recipient, reason."""


def _entries(text: str, log: str, queue_id: str) -> list[LogEntry]:
    """Each entry once."""
    defaults = _DEFAULTS.get(log, _FAILED)
    entries = {tuple(fields.items()): fields for fields in _field_sets(text, f"{log}/{queue_id}")}
    return [_entry(fields, defaults) for fields in entries.values()]


def _field_sets(text: str, name: str) -> Iterator[dict[str, str]]:
    """The names and values of each entry that has a recipient."""
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        if line:
            _add_line(fields, line, name)
            continue
        if "recipient" in fields:
            yield fields
        fields = {}
    if "recipient" in fields:
        yield fields


def _add_line(fields: dict[str, str], line: str, name: str) -> None:
    if line[0] == "<" and (old := _OLD_STYLE.fullmatch(line)):
        fields["recipient"], fields["reason"] = old[1], old[2].rstrip()
        return
    key, equals, value = line.partition("=")
    if equals and key in _NAMES:
        fields[key] = value.rstrip()
    else:
        msg.warning(f"{name}: unknown attribute name: {key}, ignored" if equals else malformed(name, line))


def malformed(name: str, line: str) -> str:
    """Log line: a log holds what is no `name=value`."""
    return f"{name}: malformed record: {line[:30]}..."


def _entry(fields: dict[str, str], defaults: tuple[str, str]) -> LogEntry:
    get = fields.get
    address = get("recipient", "")
    recipient = Recipient(
        _digits(get("offset", "")),
        "" if address == "<>" else unquote(address),
        unquote(get("original_recipient", "")),
        get("dsn_orig_rcpt", ""),
        _digits(get("notify_flags", "")),
    )
    return LogEntry(
        recipient,
        get("status", defaults[0]),
        get("action", defaults[1]),
        get("reason") or UNAVAILABLE,
        get("diag_type", ""),
        get("diag_text", ""),
        get("mta_type", ""),
        get("mta_mname", ""),
    )


def _digits(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() else 0
