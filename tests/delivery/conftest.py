"""A queue with messages, agents in it, and what they log."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyfix.clients.bounce import ReportRequest
from pyfix.clients.deliver import Request, Stats
from pyfix.queue import records as rec
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.file import Recipient, read_envelope
from pyfix.unix import msg
from tests import delivery_request

CONTENT = [b"Subject: test", b"", b"hello"]


class Store:
    """A queue directory that is the current directory. `lines` collects the log."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.queue = QueueDirectory(".")
        self.lines: list[str] = []

    def put(
        self,
        *recipients: str,
        sender: str = "s@a.test",
        content: list[bytes] = CONTENT,
        original: str = "",
        queue: str = "active",
        arrival: int = 1000000000,
        end: bytes = b"",
        mode: int = 0o700,
    ) -> str:
        """A message with these recipients; its id. end: an unterminated last line."""
        head = rec.encode(rec.TIME, b"%d 250000" % arrival)
        head += rec.encode(rec.ATTR, b"create_time=%d" % arrival) + rec.encode(rec.FROM, sender.encode())
        for recipient in recipients:
            if original:
                head += rec.encode(rec.ORCP, original.encode())
            head += rec.encode(rec.RCPT, recipient.encode())
        head += rec.encode(rec.MESG)
        body = rec.encode_text(content) + (rec.encode(rec.CONT, end) if end else b"")
        size = rec.size_record(len(body), rec.SIZE_SIZE + len(head), len(recipients))
        file = self.queue.create(queue)
        os.write(file.fd, size + head + body + rec.encode(rec.XTRA) + rec.encode(rec.END))
        os.fchmod(file.fd, mode)
        os.close(file.fd)
        return file.id

    def todo(self, queue_id: str, queue: str = "active") -> list[str]:
        """The addresses that are still to do."""
        return [recipient.address for recipient in self._envelope(queue_id, queue).recipients]

    def request(self, queue_id: str, nexthop: str = "d.test", **more: object) -> Request:
        """A request for all recipients of a message."""
        envelope = self._envelope(queue_id, "active")
        stats = Stats(1000000000.25, 1000000000.25)
        return delivery_request.request(
            queue_id,
            nexthop,
            envelope.sender,
            envelope.recipients,
            offset=envelope.content_offset,
            size=envelope.content_len,
            stats=stats,
            **more,
        )

    def _envelope(self, queue_id: str, queue: str):
        fd = self.queue.open(queue, queue_id)
        try:
            return read_envelope(fd)
        finally:
            os.close(fd)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in ("incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "trace", "private"):
        (tmp_path / name).mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path)
    before = msg.to(lambda _, text: store.lines.append(text))
    yield store
    msg.to(*before)


class Logs:
    """Stands in for the bounce services: what was appended, and whether it is taken."""

    def __init__(self, *, take: bool = True) -> None:
        self.take = take
        self.entries: list[tuple[str, str, str]] = []

    async def append(self, service: str, queue_id: str, recipient: Recipient, dsn: object) -> bool:
        self.entries.append((service, recipient.address, f"{dsn.status} {dsn.action} {dsn.reason}"))
        return self.take

    async def one(self, report: ReportRequest, recipient: Recipient, dsn: object) -> bool:
        return await self.append(f"one to {report.sender}", report.queue_id, recipient, dsn)


@pytest.fixture
def logs() -> Logs:
    return Logs()
