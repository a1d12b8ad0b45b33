"""cleanup_client - handing a message to the cleanup service from an event loop

    message = await CleanupClient().open(FLAG_MASK_EXTERNAL)
    message.queue_id                      the message has a file and a name
    message.write(records)                queue file records, collected into frames of 64 kB
    await message.drain()                 wait while cleanup is behind
    status, reason = await message.finish()

See also: cleanup.py for the protocol, serial_cleanup.py for programs without a loop.
"""

from __future__ import annotations

from pyfix.clients.answer import Answer, ServiceGone
from pyfix.clients.cleanup import (
    ACCEPTED,
    CANCEL,
    CLEAN_END,
    END,
    FRAME,
    MIXED,
    MORE,
    NEVER_AHEAD,
    OPENED,
    PROTOCOL,
    STAT_OK,
    STATUS,
    TEXT,
    open_request,
)
from pyfix.clients.spares import Spares
from pyfix.clients.stream import Channel, Exchange
from pyfix.mail.error import Retry
from pyfix.wire.attr import AttrError


class Message:
    """A message on its way into the queue."""

    __slots__ = ("_clean", "_exchange", "_flags", "_have", "_parts", "_spares", "_text", "queue_id")

    def __init__(self, exchange: Exchange, queue_id: str, flags: int = 0, spares: Spares | None = None) -> None:
        """spares: is asked for another one with these flags when this one ends."""
        self.queue_id = queue_id
        self._exchange = exchange
        self._flags = flags
        self._spares = spares
        self._parts: list[bytes | bytearray] = []
        self._have = 0
        self._text = self._clean = True  # all of the parts

    def write(self, records: bytes | bytearray, *, text: bool = False, clean: bool = False) -> None:
        """Add records, whole or not: only their sequence counts.

        text: they are what TEXT says; clean: whole ones, and all content among them is what CLEAN_END says.
        """
        size = self._have + len(records)
        if text is not self._text and self._parts and size > MIXED:
            self._send(TEXT if self._text else MORE)
            size = len(records)
        self._parts.append(records)
        self._have = size
        if not text:
            self._text = False
            if not clean:
                self._clean = False
        if size >= FRAME:
            self._send(TEXT if self._text else MORE)

    async def drain(self) -> None:
        """Wait while cleanup reads more slowly than is written."""
        await self._exchange.drain()

    async def finish(self) -> tuple[int, str]:
        """Wait for the verdict: (STAT bits, reason). Retry: cleanup is gone, and the message with it."""
        self._send(CLEAN_END if self._clean else END)
        if self._spares is not None:
            self._spares.ask(self._exchange, self._flags)
        try:
            attrs, _ = await self._exchange.receive()
            status, reason = (STAT_OK, "") if attrs == ACCEPTED else STATUS.decode(attrs)
        except AttrError as error:
            raise Retry("queue file write error", detail=str(error)) from error
        finally:
            self._exchange.close()
        return status, reason

    def cancel(self) -> None:
        """The sender has given up: nothing of the message stays."""
        self._parts.clear()
        self._send(CANCEL)
        self._exchange.close()

    def _send(self, attrs: bytes) -> None:
        self._exchange.send(attrs, b"".join(self._parts))
        self._parts.clear()
        self._have = 0
        self._text = self._clean = True


class CleanupClient:
    """The cleanup service. One per event loop. ahead: how many files may be ready for messages that may come."""

    def __init__(self, path: str = "public/cleanup", *, ahead: int = 0) -> None:
        self._channel = Channel(path, PROTOCOL)
        self._spares = Spares(ahead)

    def ready(self, flags: int) -> Message | None:
        """A new message, if there is a file for it already."""
        spare = self._spares.ready(flags)
        if spare is None:
            return None
        exchange, answer = spare
        try:
            return self._message(exchange, answer, flags)
        except Retry:
            return None

    async def open(self, flags: int) -> Message:
        """A new message. flags: FLAG bits. Retry: there is no cleanup, or it can't make a file."""
        spare = self._spares.take(flags)
        if spare is not None:
            try:
                return self._message(spare, await _first_answer(spare), flags)
            except Retry:
                pass  # it is as if there had been none
        try:
            return await self._open(flags)
        except ServiceGone:  # it may have retired just now
            return await self._open(flags)

    async def _open(self, flags: int) -> Message:
        exchange = await self._channel.exchange()
        exchange.send(open_request(flags))
        return self._message(exchange, await _first_answer(exchange), flags)

    def _message(self, exchange: Exchange, answer: Answer, flags: int) -> Message:
        attrs, _ = answer
        if attrs == NEVER_AHEAD:
            self._spares.limit = 0
        try:
            (queue_id,) = OPENED.decode(attrs)
        except AttrError as error:
            exchange.close()
            raise Retry("queue file write error", detail=str(error)) from error
        return Message(exchange, queue_id, flags, self._spares)

    def close(self) -> None:
        """Give up the connection; messages under way hear Retry."""
        self._channel.close()


async def _first_answer(exchange: Exchange) -> Answer:
    """What comes first; who does not wait for it wants no message either."""
    try:
        return await exchange.receive()
    except BaseException:
        exchange.send(CANCEL)
        exchange.close()
        raise
