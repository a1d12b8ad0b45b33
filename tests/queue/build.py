"""build - queue files made by hand"""

import os
from pathlib import Path

from pyfix.queue import records as rec
from pyfix.queue.batch import make_durable
from pyfix.queue.directory import QueueDirectory

QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "trace")
LINES = [b"Subject: test", b"", b"hello", b".dot", b""]
CONTENT = b"Subject: test\nhello\n"
TIME = rec.encode(rec.TIME, b"1795214011 702396")


def spool(path: Path, hashed: str = "deferred defer", depth: int = 1, *, long_ids: bool = False) -> QueueDirectory:
    """An empty queue below a directory."""
    for name in QUEUES:
        (path / name).mkdir(mode=0o700, parents=True)
    return QueueDirectory(str(path), frozenset(hashed.split()), depth, long_ids)


def file_bytes(
    *envelope: bytes,
    text: bytes | None = None,
    extracted: bytes = b"",
    count: int = 1,
    opts: int = 0,
    size: bool = True,
) -> bytes:
    """A whole queue file with these records before the content."""
    text = rec.encode_text(LINES) if text is None else text
    head = b"".join(envelope) + b"M\0"
    offset = len(head) + (rec.SIZE_SIZE if size else 0)
    first = rec.size_record(len(text), offset, count, opts) if size else b""
    return first + head + text + b"X\0" + extracted + b"E\0"


def message(sender: bytes = b"s@example.com", *recipients: bytes, size: bool = True) -> bytes:
    """A plain message."""
    rcpt = [rec.encode(rec.RCPT, address) for address in recipients or (b"r@example.com",)]
    return file_bytes(TIME, rec.encode(rec.FROM, sender), *rcpt, count=len(rcpt), size=size)


def put(queue: QueueDirectory, name: str, data: bytes, mode: int = 0o700) -> str:
    """A finished file with these bytes; its id."""
    new = queue.create(name)
    os.write(new.fd, data)
    new.mode = mode
    assert make_durable([new]) == [None]
    os.close(new.fd)
    return new.id
