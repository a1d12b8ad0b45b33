"""peer - records through real cleanup and through ours"""

import os
import re
import socket

from pyfix.cleanup.feed import Feed
from pyfix.cleanup.message import Message
from pyfix.cleanup.setup import address_mapper, message_rules
from pyfix.cleanup.store import Store
from pyfix.cleanup.verdict import NotAcceptedError
from pyfix.config.main_cf import MainCf
from pyfix.maps.run_now import run_now
from pyfix.queue import records as rec
from pyfix.queue.directory import QueueDirectory
from pyfix.trivial_rewrite.rewrite import rewrite_address
from pyfix.trivial_rewrite.setup import set_up
from pyfix.unix import msg

R = rec.encode
A = rec.attribute
TIME = R(rec.TIME, b"1795214011 702396")
SENDER = R(rec.FROM, b"s@example.net")
RCPT = R(rec.RCPT, b"r@x.test")
LOCAL = A("rewrite_context", "local")
REMOTE = A("rewrite_context", "remote")
ENVELOPE = TIME + LOCAL + SENDER + RCPT
HEADERS = b"Received: x\nDate: x\nMessage-Id: <x@y>\n"
HOLD_AND_MAP = 4 | 32


def lines(text: bytes) -> bytes:
    return b"".join([R(rec.NORM, line) for line in text.split(b"\n")])


BODY = lines(HEADERS + b"To: a@b\n\nbody\n.\n")


def stream(envelope: bytes, content: bytes, extracted: bytes = b"") -> bytes:
    return envelope + R(rec.MESG) + content + R(rec.XTRA) + extracted + R(rec.END)


class LocalRewriter:
    """Answers as the rewrite service would, without one."""

    def __init__(self, main):
        self._rules = set_up(main).rules

    async def rewrite(self, rule, address):
        return rewrite_address(self._rules[rule], address)


class Ours:
    """cleanup without a process. Files stay where they are: in hold, with HOLD_AND_MAP."""

    def __init__(self, main: MainCf, root) -> None:
        for name in ("incoming", "hold"):
            (root / name).mkdir(exist_ok=True)
        self.root = root
        self.queue = QueueDirectory(str(root))
        self.rules = message_rules(main)
        self.mapper = address_mapper(main, LocalRewriter(main))
        self.log: list[str] = []

    def put_parts(self, parts):
        """Like put(), with (bytes, what a client says of them) as they come."""
        return self.put(b"", parts=parts)

    def put(self, data: bytes, flags: int = HOLD_AND_MAP, step: int = 0, parts=()):
        """((status, reason), file or None, queue id). step: bytes that come at once, 0: all."""
        store, feed = Store(self.queue), Feed()
        for part, request in parts:
            feed.put(part, request)
        before = msg.to(lambda _, text: self.log.append(text))
        try:
            message = Message(store, feed, self.rules, self.mapper, flags)
            if step:
                run_in_steps(message, feed, data, step)
            else:
                feed.put(data)
                feed.end()
                run_now(message.process())
        except NotAcceptedError as refusal:
            store.remove()
            return (refusal.status, refusal.reason), None, store.queue_id
        finally:
            msg.to(*before)
        store.close()
        path = self.root / store.file.queue / store.queue_id
        return (0, ""), path.read_bytes(), store.queue_id


def run_in_steps(message, feed, data, step):
    import asyncio

    async def main():
        task = asyncio.get_running_loop().create_task(message.process())
        for at in range(0, len(data), step):
            feed.put(data[at : at + step])
            await asyncio.sleep(0)
        feed.end()
        await task

    asyncio.run(main())


class Theirs:
    """A real cleanup."""

    def __init__(self, queue) -> None:
        self._queue = queue

    def put(self, data: bytes, flags: int = HOLD_AND_MAP):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self._queue / "public/cleanup"))
            with sock.makefile("rb") as file:
                queue_id = _read(file)["queue_id"]
                sock.sendall(b"flags\0%d\0\0" % flags + data)
                answer = _read(file)
        verdict = int(answer["status"]), answer["reason"]
        for name in ("hold", "incoming", "active"):
            path = self._queue / name / queue_id
            if path.exists():
                found = path.read_bytes()
                os.unlink(path)
                return verdict, found, queue_id
        return verdict, None, queue_id


def _read(file):
    found = {}
    while name := _word(file):
        found[name] = _word(file)
    return found


def _word(file):
    word = b""
    while (byte := file.read(1)) != b"\0":
        assert byte, "cleanup hung up"
        word += byte
    return word.decode("utf-8", "surrogateescape")


def comparable(data, queue_id):
    """Records, without what differs from one message, or release, to the next."""
    if data is None:
        return None
    kept = [(kind, value) for _, kind, value in rec.iterate(data) if not value.startswith(b"message_id=")]
    kind, size = kept[0]  # sizes differ with the lengths of queue ids
    kept[0] = (kind, b" ".join(size.split()[2:4] + size.split()[5:]))
    return [
        (kind, re.sub(rb"\d{14}\.Q|create_time=\d+", b"#", value.replace(queue_id.encode(), b"Q")))
        for kind, value in kept
    ]
