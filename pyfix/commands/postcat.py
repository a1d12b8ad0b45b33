"""postcat - show what is in queue files

    postcat [-bdefhoqrv] [-c DIR] [-s OFFSET] [FILE ...]

-b -h -e  body, header, envelope (none of them: all)
-d        the number of each record's type
-f        the file's name before each line
-o        the offset of each record
-q        names are queue ids, looked for in all queues
-r        (with -v) records in file order: pointers are not followed
-s N      begin at this offset
-v        pointers and fillers too, and the type of text

Without a file standard input is read. Output is the real postcat's, byte for byte.

Parameters: queue_directory, hash_queue_names, hash_queue_depth (for -q only).
See also: postcat(1).
"""

import os
import sys
import time
from typing import TYPE_CHECKING, ClassVar

from pyfix.commands import mail_conf
from pyfix.queue.records import (
    CONTENT_NAMES,
    ENVELOPE,
    NAMES,
    CorruptQueueFile,
    Truncated,
    leading_numbers,
    split_attribute,
)
from pyfix.queue.walk import Walk
from pyfix.unix import msg

if TYPE_CHECKING:
    from pyfix.config.main_cf import MainCf
    from pyfix.queue.directory import QueueDirectory

USAGE = (
    "usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)]"
    " [-h (header text)] [-q (access queue)] [-v] [file(s)...]"
)
QUEUES = ("maildrop", "hold", "incoming", "active", "deferred", "corrupt")  # where -q looks, in this order
_LETTERS = "bc:defhoqrs:v"
_SIZE, _TIME, _WARN, _ATTR, _MESG, _NORM, _CONT, _XTRA, _END, _PTR, _DTXT = b"CTWAMNLXEpw"
_TEXT = frozenset(b"LNw")  # what is shown with any NUL in it
_PLAIN_ENVELOPE = ENVELOPE - {_PTR, _DTXT}


class Shown:
    """What the options ask for."""

    def __init__(self, letters: frozenset[str], offset: int) -> None:
        parts = letters & frozenset("beh")
        self.envelope = not parts or "e" in parts
        self.header = not parts or "h" in parts
        self.body = not parts or "b" in parts
        self.decimal = "d" in letters
        self.names = "f" in letters
        self.offsets = "o" in letters
        self.raw = "r" in letters
        self.verbose = "v" in letters
        self.offset = offset


class File:
    """One queue file on its way to standard output."""

    def __init__(self, fd: int, name: str, shown: Shown) -> None:
        self._name = name
        self._shown = shown
        self._fd = fd
        self._walk = Walk(fd, shown.offset, raw=shown.verbose)
        self._print = shown.envelope
        self._state = "envelope"
        self._done = self._head_due = self._cut = False
        self._size_seen = False
        self._content_size = self._content_offset = -1
        self._out: list[bytes] = []

    def show(self) -> None:
        """Print the file. A broken one ends the command."""
        if self._shown.offset == 0 and not self._plausible():
            return
        try:
            while self._record():
                if len(self._out) > 1000:
                    self._flush()
        except CorruptQueueFile as error:
            self._flush()
            msg.warning(f"{self._name}: {error}")
            msg.fatal("record read error")
        self._flush()

    def _plausible(self) -> bool:
        """Whether this can be a queue file; an empty one is passed over in silence."""
        first = os.pread(self._fd, 1, 0)
        if first and first[0] not in _PLAIN_ENVELOPE:
            msg.warning(f"{self._name}: input is not a valid queue file")
        self._head_due = True
        return bool(first) and first[0] in _PLAIN_ENVELOPE

    def _record(self) -> bool:
        """One record; False at the end."""
        offset = self._walk.offset
        try:
            _, kind, data = self._walk.next()
        except Truncated as error:
            if error.offset is not None and not os.pread(self._fd, 1, error.offset):
                return False
            raise
        if self._head_due:
            self._marker("", b"ENVELOPE RECORDS")
            self._head_due = False
        prefix = f"{offset:9d} " if self._shown.offsets else ""
        prefix += f"{kind:3d} " if self._shown.decimal else ""
        handler = self._HANDLERS.get(kind, File._other)
        handler(self, prefix, kind, data)
        return not self._done

    def _flush(self) -> None:
        sys.stdout.buffer.write(b"".join(self._out))
        sys.stdout.buffer.flush()
        self._out.clear()

    def _line(self, prefix: str, text: bytes, end: bytes = b"\n") -> None:
        if self._shown.names:
            self._out.append(os.fsencode(self._name) + b": ")
        self._out.append(prefix.encode() + text + end)
        self._cut = False

    def _named(self, prefix: str, kind: int, data: bytes) -> None:
        names = CONTENT_NAMES if self._state == "content" else NAMES
        name = names.get(bytes((kind,)), "unknown_record_type")
        if kind not in _TEXT:
            data = data.partition(b"\0")[0]
        self._line(prefix, name.encode() + b": " + data)

    def _other(self, prefix: str, kind: int, data: bytes) -> None:
        if self._print:
            self._named(prefix, kind, data)

    def _size(self, prefix: str, kind: int, data: bytes) -> None:
        self._other(prefix, kind, data)
        if self._size_seen:
            msg.warning("file contains multiple size records")
            return
        self._content_size, self._content_offset = (*leading_numbers(data), -1, -1)[:2]
        self._size_seen = self._content_size >= 0
        if self._content_size <= 0 or self._content_offset <= 0:
            msg.warning(f"invalid size record: {_shown(data)}")
        if not self._shown.envelope:
            self._jump(self._content_offset)
            self._begin_content()

    def _jump(self, offset: int) -> None:
        """Skip what is not to be shown."""
        if offset < 0:
            self._flush()
            msg.fatal("seek error: Invalid argument")
        self._walk.jump(offset)

    def _time(self, prefix: str, kind: int, data: bytes) -> None:
        self._other(prefix, kind, _ctime(data))

    def _attribute(self, prefix: str, kind: int, data: bytes) -> None:
        if not self._print:
            return
        try:
            name, value = split_attribute(data)
        except ValueError as error:
            msg.warning(f"{self._name}: malformed attribute: {error}: {_shown(data)}")
            self._line(prefix, b"", b"")
            return
        if name == b"create_time":
            self._line(prefix, b"create_time: " + _ctime(value))
        else:
            self._other(prefix, kind, name + b"=" + value)

    def _marker(self, prefix: str, text: bytes) -> None:
        if self._shown.envelope:
            self._line(prefix, b"*** %s %s ***" % (text, os.fsencode(self._name)))

    def _begin_content(self) -> None:
        self._state = "content"
        self._in_header = True
        self._print = self._shown.header

    def _begin_body(self) -> None:
        self._in_header = False
        self._print = self._shown.body
        if not self._print and not self._shown.envelope:
            self._done = True
        elif not self._print and self._content_offset >= 0:
            self._jump(self._content_offset + self._content_size)

    def _content(self, prefix: str, _kind: int, _data: bytes) -> None:
        if self._state == "content":
            msg.warning(f"{self._name}: out-of-order message content marker")
        self._marker(prefix, b"MESSAGE CONTENTS")
        self._begin_content()
        if not self._shown.header and not self._shown.body and self._content_offset >= 0:
            self._jump(self._content_offset + self._content_size)

    def _extracted(self, prefix: str, _kind: int, _data: bytes) -> None:
        if self._state != "content":
            msg.warning(f"{self._name}: out-of-order extracted segment marker")
        if self._cut and self._shown.envelope:
            self._out.append(b"\n")
        self._marker(prefix, b"HEADER EXTRACTED")
        self._state = "extracted"
        self._print = self._shown.envelope
        self._done = not self._print

    def _end(self, prefix: str, _kind: int, _data: bytes) -> None:
        if self._state == "content":
            msg.warning(f"{self._name}: out-of-order message end marker")
        self._marker(prefix, b"MESSAGE FILE END")
        self._done = True

    def _text(self, prefix: str, kind: int, data: bytes) -> None:
        if kind == _CONT and self._state != "content":
            self._other(prefix, kind, data)
            return
        if self._state == "content" and self._in_header and not _is_header(data):
            self._begin_body()
        if not self._print:
            return
        if self._shown.verbose:
            self._named(prefix, kind, data)
        else:
            ended = kind == _NORM or self._shown.offsets
            self._line(prefix, data, b"\n" if ended else b"")
            self._cut = not ended

    def _pointer(self, prefix: str, kind: int, data: bytes) -> None:
        if self._shown.verbose:
            self._other(prefix, kind, data)
        if not (self._shown.raw and self._shown.verbose) and kind == _PTR:
            try:
                self._walk.follow(data)
            except CorruptQueueFile as error:
                self._flush()
                msg.warning(f"{self._name}: {error}")
                msg.fatal("bad pointer record, or input is not seekable")

    _HANDLERS: ClassVar = {
        _SIZE: _size,
        _TIME: _time,
        _WARN: _time,
        _ATTR: _attribute,
        _MESG: _content,
        _XTRA: _extracted,
        _END: _end,
        _NORM: _text,
        _CONT: _text,
        _PTR: _pointer,
        _DTXT: _pointer,
    }


def _ctime(data: bytes) -> bytes:
    """The time in a record as ctime(3) shows it; what is no number is 1970."""
    try:
        return time.ctime((*leading_numbers(data), 0)[0]).encode()
    except (OverflowError, OSError):
        return b"?"


def _shown(data: bytes) -> str:
    """A record's data in a message."""
    return data.partition(b"\0")[0][:100].decode("utf-8", "surrogateescape")


def _is_header(line: bytes) -> bool:
    """Whether a line continues or begins a header."""
    if line[:1] in (b" ", b"\t"):
        return True
    name, colon, _ = line.partition(b":")
    name = name.rstrip(b" \t")
    return bool(colon) and bool(name) and all(32 < char < 127 for char in name)


def main(argv: list[str] | None = None) -> int:
    """Show the files."""
    found, names = mail_conf.begin(argv, "postcat", _LETTERS, USAGE)
    values = dict(found)
    main_cf = mail_conf.load(values.get("c"))
    shown = Shown(frozenset(values), _offset(values.get("s", "0")))
    if "q" in values:
        _show_ids(names, main_cf, shown)
    elif names:
        for name in names:
            _show_path(name, name, shown)
    else:
        _show_stdin(shown)
    return 0


def _offset(text: str) -> int:
    if not text.isdecimal():
        msg.fatal(f"bad offset: {text}")
    return int(text)


def _show_path(path: str, name: str, shown: Shown) -> None:
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        msg.fatal(f"open {name}: {error.strerror}")
    try:
        File(fd, name, shown).show()
    except IsADirectoryError as error:
        msg.warning(f"close {name}: {error.strerror}")
    finally:
        os.close(fd)


def _show_ids(ids: list[str], main_cf: "MainCf", shown: Shown) -> None:
    from pyfix.config.params.mail import MailParams
    from pyfix.queue.directory import QueueDirectory
    from pyfix.queue.names import is_valid

    root = MailParams(main_cf).queue_directory
    try:
        os.chdir(root)
    except OSError as error:
        msg.fatal(f"chdir {root}: {error.strerror}")
    queue = QueueDirectory.from_config(main_cf)
    for queue_id in ids:
        if not is_valid(queue_id):
            msg.fatal(f"bad mail queue ID: {queue_id}")
        path = _find(queue, queue_id)
        _show_path(path, path, shown)


def _find(queue: "QueueDirectory", queue_id: str) -> str:
    """The path of a message in any queue. None there: the command ends."""
    try:
        return next(path for name in QUEUES if _exists(path := queue.path(name, queue_id)))
    except StopIteration:
        msg.fatal(f"open queue file {queue_id}: No such file or directory")
    except OSError as error:
        msg.fatal(f"open queue file {queue_id}: {error.strerror}")


def _exists(path: str) -> bool:
    """OSError: that can't be told."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _show_stdin(shown: Shown) -> None:
    """Standard input, which may be a pipe, so it is kept in memory."""
    fd = os.memfd_create("stdin")
    try:
        os.write(fd, sys.stdin.buffer.read())
        File(fd, "stdin", shown).show()
    finally:
        os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
