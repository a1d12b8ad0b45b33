"""cleanup - handing a message to the cleanup service

    message = await CleanupClient().open(FLAG_MASK_EXTERNAL)
    message.queue_id                      the message has a file and a name
    message.write(records)                queue file records, collected into frames of 64 kB
    await message.drain()                 wait while cleanup is behind
    status, reason = await message.finish()

A message is one stream: `flags` answered by `queue_id`, frames of records from T to E
(`request=text` with those that hold nothing but lines of content), `request=end` or `clean_end` with
the last of them, answered by `status reason`. `request=cancel` instead of the end, or a lost
connection, leaves nothing behind.

A stream may begin with `ahead` instead of `flags`: for a message that is not there yet, or never will be
(`request=unused`). It gets its `queue_id` too, or a `status` (NEVER_AHEAD: such files can't be made here).

status 0 means that the message is on disk. Otherwise it is a set of STAT bits; `reply`
makes what a client hears of it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from pyfix.clients.spares import AHEAD, Spares
from pyfix.clients.stream import Channel, Exchange, ServiceGone
from pyfix.mail.error import Retry
from pyfix.wire.attr import INT, STR, AttrError, Form

PROTOCOL = "cleanup_protocol"

OPEN = Form(("flags", INT))
OPENED = Form(("queue_id", STR))
REQUEST = Form(("request", STR))
STATUS = Form(("status", INT), ("reason", STR))
ACCEPTED = STATUS.encode(0, "")
"""The usual one."""
MORE = b""
TEXT = REQUEST.encode("text")
"""These are whole text records of finished lines, without CR or LF in them: nobody need look at each."""
END = REQUEST.encode("end")
CLEAN_END = REQUEST.encode("clean_end")
"""The end, and all content in this frame is whole records of finished lines, without CR or LF in them."""
CANCEL = REQUEST.encode("cancel")

FRAME = 65536  # bytes of records that go together
MIXED = 8192  # no more when not all of them are TEXT

# What cleanup is to do with a message.
FLAG_BOUNCE = 1  # bounce what is bad, don't only say so
FLAG_FILTER = 2  # header and body checks
FLAG_HOLD = 4
FLAG_DISCARD = 8
FLAG_BCC_OK = 16
FLAG_MAP_OK = 32  # address mapping
FLAG_MILTER = 64
FLAG_SMTP_REPLY = 128  # the reason may be a whole SMTP reply
FLAG_SMTPUTF8 = 256
FLAG_AUTOUTF8 = 512
FLAG_REQTLS = 1024
FLAG_MASK_EXTERNAL = FLAG_FILTER | FLAG_BCC_OK | FLAG_MAP_OK | FLAG_MILTER
FLAG_MASK_INTERNAL = FLAG_MAP_OK
FLAG_MASK_EXTRA = FLAG_HOLD | FLAG_DISCARD  # what a FLGS record may add

# What went wrong with it.
STAT_OK = 0
STAT_BAD = 1  # not what the protocol wants
STAT_WRITE = 2
STAT_SIZE = 4
STAT_CONT = 8
STAT_HOPS = 16
STAT_RCPT = 64
STAT_PROXY = 128
STAT_DEFER = 256
STAT_NOPERM = 512
STAT_BARE_LF = 65536

NEVER_AHEAD = STATUS.encode(STAT_BAD, "")
"""The answer to AHEAD where no files can be made for messages that are not there."""


@lru_cache(maxsize=16)
def open_request(flags: int) -> bytes:
    """OPEN with these flags: for most messages the same."""
    return OPEN.encode(flags)


@lru_cache(maxsize=16)
def requested(attrs: bytes) -> tuple[int, bool]:
    """The flags in the first frame of a stream, and whether it comes before its message. AttrError."""
    ahead = attrs.startswith(b"ahead\0")
    (flags,) = (AHEAD if ahead else OPEN).decode(attrs)
    return int(flags), ahead


@dataclass(frozen=True, slots=True)
class Detail:
    """One status bit in words: SMTP code, enhanced status, text."""

    bit: int
    code: int
    dsn: str
    text: str


DETAILS = (  # in order of precedence
    Detail(STAT_DEFER, 451, "4.7.1", "service unavailable"),
    Detail(STAT_PROXY, 451, "4.3.0", "queue file write error"),
    Detail(STAT_BAD, 451, "4.3.0", "internal protocol error"),
    Detail(STAT_RCPT, 550, "5.1.0", "no recipients specified"),
    Detail(STAT_HOPS, 554, "5.4.0", "too many hops"),
    Detail(STAT_SIZE, 552, "5.3.4", "message file too big"),
    Detail(STAT_CONT, 550, "5.7.1", "message content rejected"),
    Detail(STAT_WRITE, 451, "4.3.0", "queue file write error"),
    Detail(STAT_NOPERM, 550, "5.7.1", "service denied"),
    Detail(STAT_BARE_LF, 521, "5.5.2", "bare <LF> received"),
)
UNKNOWN = Detail(0, 451, "4.3.0", "internal error")
OWN_TEXT = STAT_DEFER | STAT_CONT  # the reason says it better, with its own enhanced status


def detail(status: int) -> Detail:
    """What a status means; of several bits the first in DETAILS counts."""
    return next((row for row in DETAILS if status & row.bit), UNKNOWN)


def reply(status: int, reason: str) -> str:
    """The SMTP reply to the end of a message with a status that is not STAT_OK."""
    if _is_reject(reason):
        return reason
    row = detail(status)
    if reason and row.bit & OWN_TEXT:
        return f"{row.code} {reason}"
    return f"{row.code} {row.dsn} Error: {row.text}"


def _is_reject(reason: str) -> bool:
    return reason[:1] in {"4", "5"} and reason[:3].isdigit() and reason[3:4] in {" ", "-"}


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
        if self._parts and text is not self._text and self._have + len(records) > MIXED:
            self._send(TEXT if self._text else MORE)
        self._parts.append(records)
        self._have += len(records)
        self._text = self._text and text
        self._clean = self._clean and (text or clean)
        if self._have >= FRAME:
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
        self._exchange.send(attrs, *self._parts)
        self._parts.clear()
        self._have = 0
        self._text = self._clean = True


class CleanupClient:
    """The cleanup service. One per event loop. ahead: how many files may be ready for messages that may come."""

    def __init__(self, path: str = "public/cleanup", *, ahead: int = 0) -> None:
        self._channel = Channel(path, PROTOCOL)
        self._spares = Spares(ahead)

    async def open(self, flags: int) -> Message:
        """A new message. flags: FLAG bits. Retry: there is no cleanup, or it can't make a file."""
        spare = self._spares.take(flags)
        if spare is not None:
            with suppress(Retry):  # then it is as if there had been none
                return await self._opened(spare, flags)
        try:
            return await self._open(flags)
        except ServiceGone:  # it may have retired just now
            return await self._open(flags)

    async def _open(self, flags: int) -> Message:
        exchange = await self._channel.exchange()
        exchange.send(open_request(flags))
        return await self._opened(exchange, flags)

    async def _opened(self, exchange: Exchange, flags: int) -> Message:
        try:
            attrs, _ = await exchange.receive()
            if attrs == NEVER_AHEAD:
                self._spares.limit = 0
            (queue_id,) = OPENED.decode(attrs)
        except AttrError as error:
            exchange.close()
            raise Retry("queue file write error", detail=str(error)) from error
        except BaseException:
            exchange.send(CANCEL)
            exchange.close()
            raise
        return Message(exchange, queue_id, flags, self._spares)

    def close(self) -> None:
        """Give up the connection; messages under way hear Retry."""
        self._channel.close()
