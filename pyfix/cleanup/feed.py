"""feed - the records of one message as they come in

Frames are taken as they are; a record that is cut in two is put together when the rest is
there. Whoever reads waits only when all that has come is used up.
"""

from __future__ import annotations

import asyncio

from pyfix.queue import records as rec
from pyfix.queue.records import CorruptQueueFile, Truncated

TEXT = frozenset(b"NLw")


class InputError(Exception):
    """These bytes are no records, or end in the middle of one."""


class Feed:
    """Bytes in, records out. size: bytes that have come so far."""

    __slots__ = ("_at", "_buf", "_ended", "_parts", "_waiter", "size")

    def __init__(self) -> None:
        self._buf = b""
        self._at = 0
        self._parts: list[bytes] = []
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self.size = 0

    # The writing side

    def put(self, data: bytes) -> None:
        """More bytes."""
        self._parts.append(data)
        self.size += len(data)
        self._wake()

    def end(self) -> None:
        """No more bytes will come."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The reading side

    async def record(self) -> tuple[int, bytes, bytes]:
        """The next record: (type, data, the record as it is). InputError."""
        while True:
            try:
                kind, start, end = rec.decode(self._buf, self._at)
            except Truncated:
                await self._more()
                continue
            except CorruptQueueFile as error:
                raise InputError(str(error)) from None
            at, self._at = self._at, end
            return kind, self._buf[start:end], self._buf[at:end]

    async def text(self) -> bytes | None:
        """All text records that are there, as they are; None: the next record is no text. InputError."""
        while True:
            end = self._skip_text()
            if end > self._at:
                found, self._at = self._buf[self._at : end], end
                return found
            if self._complete():
                return None
            await self._more()

    def _skip_text(self) -> int:
        """Where the text records that are there end."""
        buf, at, size = self._buf, self._at, len(self._buf)
        while at + 1 < size and buf[at] in TEXT:
            length = buf[at + 1]
            if length < 128:
                end = at + 2 + length
                if end > size:
                    return at
                at = end
                continue
            try:
                at = rec.decode(buf, at)[2]
            except Truncated:
                return at
            except CorruptQueueFile as error:
                raise InputError(str(error)) from None
        return at

    def _complete(self) -> bool:
        """Whether the next record is all there."""
        try:
            rec.decode(self._buf, self._at)
        except CorruptQueueFile:
            return False
        return True

    async def _more(self) -> None:
        while not self._parts:
            if self._ended:
                raise InputError("unexpected end of input")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        self._buf = self._buf[self._at :] + b"".join(self._parts)
        self._parts.clear()
        self._at = 0
