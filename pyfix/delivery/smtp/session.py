"""session - a conversation with one server, over one connection

The protocol is wire/smtp_client; here its bytes travel, each stage within its time, and what is
odd is logged.

Parameters: smtp_helo_timeout, smtp_mail_timeout, smtp_rcpt_timeout, smtp_data_init_timeout,
smtp_data_xfer_timeout, smtp_data_done_timeout, smtp_rset_timeout, smtp_quit_timeout,
smtp_xforward_timeout, smtp_per_request_deadline, smtp_min_data_rate, smtp_skip_quit_response,
smtp_reply_filter, line_length_limit.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from pyfix.config.params.smtp import SmtpParams
from pyfix.delivery.smtp import log
from pyfix.delivery.smtp.addresses import Server
from pyfix.delivery.smtp.connection import Connection, Lost, Silent
from pyfix.delivery.smtp.hidden import Hidden
from pyfix.delivery.smtp.notice import Transcript
from pyfix.delivery.smtp.reply_filter import Filter
from pyfix.maps.maps import Maps
from pyfix.unix import msg
from pyfix.wire.smtp_answer import Garbage, TooLong
from pyfix.wire.smtp_client import Event, Heard, Over, Ready, Refused, SmtpClient, Stage

__all__ = ["Lost", "Session", "Silent"]

TIMEOUTS = {
    Stage.GREETING: "smtp_helo_timeout",
    Stage.EHLO: "smtp_helo_timeout",
    Stage.HELO: "smtp_helo_timeout",
    Stage.LHLO: "smtp_helo_timeout",
    Stage.AUTH: "smtp_helo_timeout",
    Stage.XFORWARD_NAME: "smtp_xforward_timeout",
    Stage.XFORWARD_HELO: "smtp_xforward_timeout",
    Stage.MAIL: "smtp_mail_timeout",
    Stage.RCPT: "smtp_rcpt_timeout",
    Stage.DATA: "smtp_data_init_timeout",
    Stage.TEXT: "smtp_data_xfer_timeout",
    Stage.DOT: "smtp_data_done_timeout",
    Stage.RSET: "smtp_rset_timeout",
    Stage.PROBE: "smtp_rset_timeout",
    Stage.QUIT: "smtp_quit_timeout",
}

WITH_DOT = 1 << 16
"""Bytes of text that leave together with the dot, at most: what is more has smtp_data_xfer_timeout to leave first."""
AFTER_EHLO = frozenset({Stage.EHLO, Stage.LHLO})


class Key(NamedTuple):
    """For whom a connection can be used again. destination: as it was written; sender: for whom it was made, where
    each sender has a password of his own; exact: only for that destination and that name of the server.
    """

    destination: str
    sender: str = ""
    exact: bool = False


class Clock:
    """How long may be waited. rate: bytes a second below which a whole request is too slow; 0: each piece of it
    has the time that main.cf says.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._stage: Stage | None = None
        self._until = 0.0

    def left(self, stage: Stage, seconds: float) -> float:
        """Seconds for the next piece of this stage."""
        if not self._rate:
            return seconds
        now = time.monotonic()
        if stage is not self._stage:
            self._stage, self._until = stage, now + seconds
        return max(self._until - now, 0)

    def sent(self, size: int, seconds: float) -> None:
        """Some more of the text has left."""
        if self._rate:
            self._until = min(self._until + size / self._rate, time.monotonic() + seconds)

    def heard(self, answers: int) -> None:
        """So many answers have come; the next one has its own time."""
        if answers:
            self._stage = None


class Session:
    """server: who is at the other end; reuse_count: messages before this one; best: it is a best MX.

    key: for what the connection was made; nexthop: where the request for which it was made wanted to go first;
    until: when it is too old to be kept; bad: not to be kept;
    authenticated: the server knows who we are; hidden: what is not for the log; transcript: what was said,
    where that may be wanted; discarding: keywords not seen in the answer to EHLO that the log shall have;
    pix: workarounds for a firewall, dot_delay: seconds to wait before the end of a text, both where the firewall has
    masked the greeting; replies: tables that change lines of replies.
    """

    def __init__(
        self,
        server: Server,
        connection: Connection,
        client: SmtpClient,
        cfg: SmtpParams,
        key: Key,
        line_limit: int,
        *,
        discarding: Sequence[str] = (),
        pix: str = "",
        dot_delay: float = 0,
        replies: Maps | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        self.server = server
        self.client = client
        self.key = self.nexthop = key
        self.reuse_count = 0
        self.bad = False
        self.best = False
        self.authenticated = False
        self.hidden = Hidden()
        self.queue_id = ""
        self.size_limit = 0
        self.until = time.monotonic() + cfg.smtp_connection_reuse_time_limit
        self._connection = connection
        self._cfg = cfg
        self._line_limit = line_limit
        self._discarding = discarding
        self._pix = pix
        self._dot_delay = dot_delay
        self._clock = Clock(cfg.smtp_min_data_rate if cfg.smtp_per_request_deadline else 0)
        self._replies = Filter(replies, server, line_limit) if replies else None
        self.transcript = transcript
        self._events: deque[Event] = deque()

    @property
    def alive(self) -> bool:
        """As far as is known."""
        return self._connection.alive

    async def next(self) -> Event:
        """The next event. Lost, Silent: none will come."""
        if self.client.unread:
            self._hear(self.client.receive(b""))
        while not self._events:
            self._send()
            data = await self._connection.read(self._clock.left(self.client.stage, self._seconds()))
            self._hear(self.client.receive(await self._filtered(data)))
        return self._events.popleft()

    def _send(self, text: bytes = b"") -> None:
        """What the client wants to say; text: what goes in front of it."""
        commands = self.client.output()
        if self.transcript is not None:
            self.transcript.sent(self.hidden.data(commands))
        self._connection.send(text + commands if text else commands)

    async def _filtered(self, data: bytes) -> bytes:
        if self._replies is not None:
            data = await self._replies.apply(data)
        if self.transcript is not None:
            self.transcript.received(self.hidden.data(data))
        return data

    async def send_text(self, pieces: Iterator[bytes]) -> None:
        """Send the text and its end. Lost, Silent."""
        seconds = self._seconds()
        last = b""
        for piece in pieces:
            await self._send_piece(last, seconds)
            last = piece
        delay = self._dot_delay if self.client.masked else 0
        if delay or len(last) > WITH_DOT:
            await self._send_piece(last, seconds)
            last = b""
        if delay:
            await asyncio.sleep(delay)
        await self._connection.drain(self._clock.left(Stage.TEXT, seconds))
        self._hear(self.client.end_of_text())
        self._send(last)

    async def _send_piece(self, piece: bytes, seconds: float) -> None:
        if piece:
            self._connection.send(piece)
            await self._connection.drain(self._clock.left(Stage.TEXT, seconds))
            self._clock.sent(len(piece), seconds)

    async def still_there(self) -> bool:
        """Ask a kept connection; one that does not answer well is dropped."""
        if self.alive:
            self.client.probe()
            with suppress(Lost, Silent):
                if isinstance(await self.next(), Ready):
                    return True
        self.drop()
        return False

    async def end(self) -> None:
        """Say goodbye, and hear what the server says to it where that is wanted."""
        try:
            if self.client.stage is Stage.IDLE:
                self.client.quit()
            self._send()
            if self.client.stage is Stage.QUIT and not self._cfg.smtp_skip_quit_response:
                await self._hear_goodbye()
        finally:
            self._connection.close()

    @property
    def doing(self) -> str:
        """What is being done, for `lost connection with H while ...`."""
        stage = self.client.stage
        return Stage.LHLO.doing if stage is Stage.AUTH and self.client.lmtp else stage.doing

    def drop(self) -> None:
        """Hang up."""
        self._connection.abort()  # a server that takes nothing more is not to keep it open

    async def _hear_goodbye(self) -> None:
        with suppress(Lost, Silent):
            while self.client.stage is Stage.QUIT:
                self.client.receive(await self._connection.read(self._seconds()))

    def _seconds(self) -> float:
        name = TIMEOUTS.get(self.client.stage, "smtp_quit_timeout")
        seconds: float = getattr(self._cfg, name)
        return seconds

    def _hear(self, heard: list[Heard]) -> None:
        if self.client.masked and self._pix:
            msg.info(log.pix(self.queue_id, self._pix, self.server))
            self._pix = ""
        self._clock.heard(len(heard))
        for event in heard:
            if isinstance(event, Event):
                self._events.append(event)
                if isinstance(event, Ready) and event.stage in AFTER_EHLO:
                    self._learn()
            elif isinstance(event, TooLong):
                self.note_trouble()
                say = log.too_many if event.lines else log.too_long
                msg.warning(say(self.server, self._line_limit, "" if self.hidden else event.text))
            else:
                self._tell_garbage(event)

    def _learn(self) -> None:
        if self._discarding:
            msg.info(log.discarding(self._discarding))
        self.size_limit = int(self.client.features.get("SIZE") or 0)
        for text in self.client.bad_sizes:
            msg.warning(log.bad_size(text, self.server))

    def note_trouble(self) -> None:
        """The server did not keep to the protocol."""
        if self.transcript is not None:
            self.transcript.broken = True

    def _tell_garbage(self, event: Garbage) -> None:
        self.note_trouble()
        if self.client.pipelining:
            lmtp = self.client.lmtp
            parameter = "lmtp_discard_lhlo_keyword_address_maps" if lmtp else "smtp_discard_ehlo_keyword_address_maps"
            text = self.hidden.text(event.text)
            msg.warning(log.garbage(self.queue_id, self.server, text, lmtp=lmtp))
            msg.warning(log.garbage_hint(self.server.address, parameter))


def is_end(event: Event) -> bool:
    """Nothing more will come of this transaction."""
    return isinstance(event, Over | Refused)
