"""toy_cleanup - a cleanup service for tests: keeps what it gets"""

from pyfix.clients.cleanup import CLEAN_END, END, OPEN, OPENED, PROTOCOL, STATUS
from pyfix.queue import records as rec
from pyfix.server.stream import Link, StreamServer


class Posted:
    """One message. envelope: (type, text) of its records; text: its content."""

    def __init__(self, queue_id: str, flags: int, data: bytes) -> None:
        self.queue_id = queue_id
        self.flags = flags
        self.envelope: list[tuple[bytes, str]] = []
        lines: list[bytes] = []
        for _, kind, value in rec.iterate(data):
            if kind in (rec.NORM, rec.CONT):
                lines.append(value + (b"\n" if kind == rec.NORM else b""))
            else:
                self.envelope.append((kind, value.decode()))
        self.text = b"".join(lines).decode("utf-8", "surrogateescape")

    def value(self, kind: bytes) -> str:
        """The first record of a type."""
        return next(value for found, value in self.envelope if found == kind)


class ToyCleanup:
    """Takes messages; status: what it answers; held: only when released."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.status = 0
        self.held = False
        self.waiting: list[tuple[Link, int]] = []
        self.server = StreamServer(PROTOCOL, self)
        self._open: dict[tuple[Link, int], tuple[str, int, list[bytes]]] = {}

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:
        if (link, stream) not in self._open:
            (flags,) = OPEN.decode(attrs)
            queue_id = f"ABCDE{len(self.posted)}"
            self._open[link, stream] = queue_id, flags, []
            link.send(stream, OPENED.encode(queue_id))
            return
        queue_id, flags, parts = self._open[link, stream]
        parts.append(body)
        if attrs in {END, CLEAN_END}:
            del self._open[link, stream]
            if not self.status:
                self.posted.append(Posted(queue_id, flags, b"".join(parts)))
            self.waiting.append((link, stream))
            if not self.held:
                self.release()

    def release(self) -> None:
        """Answer."""
        while self.waiting:
            link, stream = self.waiting.pop()
            link.send(stream, STATUS.encode(self.status, ""))

    def closed(self, link: Link) -> None:
        pass
