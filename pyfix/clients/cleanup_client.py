"""cleanup_client - handing a message to the cleanup service from an event loop

    message = await CleanupClient().open(FLAG_MASK_EXTERNAL)
    message.queue_id                      the message has a file and a name
    message.write(records)                queue file records, collected into frames of 64 kB
    await message.drain()                 wait while cleanup is behind
    status, reason = await message.finish()

or, without a task, message.end(hear).

See also: cleanup.py for the protocol, serial_cleanup.py for programs without a loop.
"""

from __future__ import annotations

from collections.abc import Callable

from pyfix.clients.answer import Answer, ServiceGone
from pyfix.clients.cleanup import (
    ACCEPTED,
    CANCEL,
    CLEAN_END,
    CLEAN_END_AND_NEXT,
    END,
    END_AND_NEXT,
    FRAME,
    MIXED,
    MORE,
    OPENED,
    PROTOCOL,
    STAT_OK,
    STATUS,
    TEXT,
    UNUSED,
    Verdict,
    next_id,
    not_opened,
    open_request,
)
from pyfix.clients.spares import Spares
from pyfix.clients.stream import Channel, Exchange
from pyfix.mail.error import Retry
from pyfix.unix.moment import Moment
from pyfix.wire.attr import AttrError

ALL_IS_WELL = (STAT_OK, "")


class Message:
    """A message on its way into the queue."""

    __slots__ = ("_clean", "_have", "_hear", "_parts", "_spares", "_text", "exchange", "flags", "queue_id")

    def __init__(self, exchange: Exchange, queue_id: str, flags: int, spares: Spares[Message]) -> None:
        """spares: takes the one that may follow."""
        self.queue_id = queue_id
        self.flags = flags
        self.exchange = exchange
        self._spares = spares
        self._hear: Callable[[Verdict], None] | None = None
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
        await self.exchange.drain()

    async def finish(self) -> tuple[int, str]:
        """Wait for the verdict: (STAT bits, reason). Retry: cleanup is gone, and the message with it."""
        moment = Moment()
        verdict: Verdict = self.end(moment.come) or await moment
        if isinstance(verdict, Retry):
            raise verdict
        return verdict

    def end(self, hear: Callable[[Verdict], None]) -> Verdict | None:
        """That was all. The verdict, if it is there; else `hear` is called with it, and raises nothing."""
        exchange = self.exchange
        if exchange.usable and self._spares.has_room():
            self._send(CLEAN_END_AND_NEXT if self._clean else END_AND_NEXT)
        else:
            self._send(CLEAN_END if self._clean else END)
        self._hear = hear
        answer = exchange.hear(self._answered)
        return None if answer is None else self._verdict(answer)

    def _answered(self, answer: Answer | ServiceGone) -> None:
        assert self._hear is not None
        self._hear(self._verdict(answer))

    def _verdict(self, answer: Answer | ServiceGone) -> Verdict:
        exchange = self.exchange
        if isinstance(answer, ServiceGone):
            exchange.close()
            return answer
        attrs, _ = answer
        queue_id = next_id(attrs)
        if queue_id is not None:
            self._spares.keep(Message(exchange, queue_id, self.flags, self._spares))
            return ALL_IS_WELL
        exchange.close()
        try:
            status, reason = ALL_IS_WELL if attrs == ACCEPTED else STATUS.decode(attrs)
        except AttrError as error:
            return Retry("queue file write error", detail=str(error))
        return status, reason

    def cancel(self) -> None:
        """The sender has given up: nothing of the message stays. After its end it is too late for that."""
        if self._hear is None:
            if self._parts:
                self._send(TEXT if self._text else MORE)
            self._send(CANCEL)
            self.exchange.close()
        else:
            self._hear = _nobody

    def give_back(self) -> None:
        """There was no message."""
        self._send(UNUSED)
        self.exchange.close()

    def _send(self, attrs: bytes) -> None:
        self.exchange.send(attrs, b"".join(self._parts))
        self._parts.clear()
        self._have = 0
        self._text = self._clean = True


class CleanupClient:
    """The cleanup service. One per event loop. ahead: how many files may be ready for messages that may come.

    timeout: as for Channel.
    """

    def __init__(self, path: str = "public/cleanup", *, ahead: int = 0, timeout: float = 3600) -> None:
        self._channel = Channel(path, PROTOCOL, timeout=timeout)
        self._spares: Spares[Message] = Spares(ahead)

    def ready(self, flags: int) -> Message | None:
        """A new message, if there is a file for it already."""
        return self._spares.take(flags)

    async def open(self, flags: int) -> Message:
        """A new message. flags: FLAG bits. Retry: there is no cleanup, or it can't make a file."""
        spare = self._spares.take(flags)
        if spare is not None:
            return spare
        try:
            return await self._open(flags)
        except ServiceGone:  # it may have retired just now
            return await self._open(flags)

    async def _open(self, flags: int) -> Message:
        exchange = await self._channel.exchange()
        exchange.send(open_request(flags))
        attrs, _ = await _first_answer(exchange)
        try:
            (queue_id,) = OPENED.decode(attrs)
        except AttrError as error:
            exchange.close()
            raise not_opened(attrs, error) from error
        return Message(exchange, queue_id, flags, self._spares)

    def close(self) -> None:
        """Give up the connection; messages under way hear Retry."""
        self._channel.close()


def _nobody(_: Verdict) -> None:
    """The sender has given up."""


async def _first_answer(exchange: Exchange) -> Answer:
    """What comes first; who does not wait for it wants no message either."""
    try:
        return await exchange.receive()
    except BaseException:
        exchange.send(CANCEL)
        exchange.close()
        raise
