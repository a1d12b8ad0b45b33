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


CLIENT = {
    "log_client_name": "unknown",
    "log_client_address": "127.0.0.1",
    "log_client_port": "30001",
    "log_message_origin": "unknown[127.0.0.1]",
    "log_helo_name": "vm",
    "log_protocol_name": "SMTP",
    "client_name": "unknown",
    "reverse_client_name": "unknown",
    "client_address": "127.0.0.1",
    "client_port": "30001",
    "server_address": "127.0.0.1",
    "server_port": "25",
    "helo_name": "vm",
    "protocol_name": "SMTP",
    "client_address_type": "2",
}
TEXT = rec.encode_text([b"Subject: x", b"", b"log_client_port=1"])
RECIPIENT = rec.attribute("dsn_orig_rcpt", "rfc822;U@d.test") + rec.encode(rec.ORCP, b"U@d.test")
RECIPIENT += rec.encode(rec.RCPT, b"u@d.test")
NOTED = rec.attribute("message_id", "<1@d.test>")


def usual_file(
    *,
    time: str = "1795684802 265063",
    before: str = "log_ident=41D6F27201F",
    context: str = "local",
    sender: str = "s@a.test",
    client: dict[str, str] = CLIENT,
    recipient: bytes = RECIPIENT,
    noted: bytes = NOTED,
    count: int = 1,
    opts: int = 0,
) -> bytes:
    """What cleanup writes of a message that smtpd has for one recipient."""
    head = rec.encode(rec.TIME, time.encode()) + rec.attribute("create_time", "1795684803")
    head += rec.encode(rec.ATTR, before.encode()) + rec.attribute("rewrite_context", context)
    head += rec.encode(rec.FROM, sender.encode()) + rec.attributes(client.items()) + recipient + rec.encode(rec.MESG)
    size = rec.size_record(len(TEXT), rec.SIZE_SIZE + len(head), count, opts, sendopts=1)
    return size + head + TEXT + rec.encode(rec.XTRA) + noted + rec.encode(rec.END)


def put(queue: QueueDirectory, name: str, data: bytes, mode: int = 0o700) -> str:
    """A finished file with these bytes; its id."""
    new = queue.create(name)
    os.write(new.fd, data)
    new.mode = mode
    assert make_durable([new]) == [None]
    os.close(new.fd)
    return new.id
