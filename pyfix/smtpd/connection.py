"""connection - a client's connection: bytes to the conversation and back

What comes in one read is dealt with in one go, and its replies leave in one write. While a
decision waits, input is kept; when too much of it is, reading pauses. A client that says
nothing for smtpd_timeout is told so and left.

Parameters: smtpd_timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from time import monotonic
from typing import cast

from pyfix.mail.error import MailError
from pyfix.server.eager import ENDED, Driven, begun
from pyfix.smtpd import log
from pyfix.smtpd.session import Conversation
from pyfix.smtpd.talk import Rest, nothing
from pyfix.unix import msg
from pyfix.unix.transport import SocketTransport

ENOUGH = 1 << 18  # bytes that wait for a decision
TICK = 1.0  # seconds between two looks at who says nothing


class Watch:
    """Looks at all connections of a loop each second: that costs less than a timer for each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: set[Connection] = set()
        self._looking = False

    def add(self, connection: Connection) -> None:
        """Look at this one too."""
        self._watched.add(connection)
        if not self._looking:
            self._looking = True
            self._loop.call_later(TICK, self._look)

    def remove(self, connection: Connection) -> None:
        """It is over."""
        self._watched.discard(connection)

    def _look(self) -> None:
        self._looking = bool(self._watched)
        if self._looking:
            self._loop.call_later(TICK, self._look)
        now = monotonic()
        for connection in list(self._watched):
            connection.look_at_clock(now)


class Connection(asyncio.Protocol):
    """One accepted connection. over: called once, when all is said and done; with the error when that was a bug."""

    __slots__ = (
        "_conversation",
        "_gone",
        "_heard",
        "_input",
        "_over",
        "_paused",
        "_react",
        "_stirred",
        "_task",
        "_timeout",
        "_transport",
        "_waiting",
        "_watch",
        "_wire",
        "_writable",
    )

    def __init__(
        self, conversation: Conversation, timeout: float, watch: Watch, over: Callable[[BaseException | None], None]
    ) -> None:
        self._over: Callable[[BaseException | None], None] | None = over
        self._conversation = conversation
        self._react = conversation.react
        self._wire = conversation.wire
        self._timeout = timeout
        self._watch = watch
        self._transport: SocketTransport
        self._task: object | None = None  # what is waited for
        self._input: list[bytes] = []
        self._waiting = 0
        self._paused = False
        self._gone = False
        self._writable: asyncio.Future[None] | None = None
        self._heard = 0.0  # when, as far as the clock was looked at since
        self._stirred = True  # the client has said something since, or we have

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(SocketTransport, transport)
        self._conversation.stop_input = self._stop_input
        self._watch.add(self)
        try:
            rest = self._conversation.begin()
            if rest is None:
                self._take_up()
            else:
                self._start(self._begin(rest))
        except Exception as error:  # a bug in us: it ends this session, and the worker hears of it
            self._break(error)

    def data_received(self, data: bytes) -> None:
        self._stirred = True
        if self._task is not None:
            self._keep(data)
            return
        wire = self._wire
        try:
            waiting = self._react(wire.receive(data))
            if waiting is not None:
                self._task = waiting(self._waited)
                return
            out = wire.out
            if out:
                wire.out = b""
                self._transport.write(out)
            if self._writable is not None or self._conversation.over:
                self._what_now()
        except Exception as error:
            self._break(error)

    def _keep(self, data: bytes) -> None:
        self._input.append(data)
        self._waiting += len(data)
        if self._waiting > ENOUGH and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._lost()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        del error  # any end is the same
        self._lost()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _stop_input(self) -> None:
        """What the kernel has for us is read, and then the end."""
        with contextlib.suppress(OSError):
            self._transport.get_extra_info("socket").shutdown(socket.SHUT_RD)

    # The conversation

    def _start(self, rest: Rest) -> None:
        """Something else than a reaction is to be waited for."""
        waits_for = begun(rest)
        if waits_for is ENDED:
            self._take_up()
        else:
            self._task = Driven(rest, waits_for, self._waited)

    def _waited(self, error: BaseException | None) -> None:
        """What had to be waited for has come to its end."""
        self._task = None
        self._stirred = True
        if error is not None and not isinstance(error, MailError):
            self._break(None if isinstance(error, asyncio.CancelledError) else error)
            return
        try:
            waiting = self._conversation.go_on(error)
            if waiting is None:
                self._take_up()
            else:
                self._task = waiting(self._waited)
        except Exception as bug:
            self._break(bug)

    def _break(self, error: BaseException | None) -> None:
        self._conversation.lost()
        self._transport.abort()  # before the worker closes the socket, whose number the loop still watches
        self._end(error)

    def _what_now(self) -> None:
        """See what is to be waited for, or whether it is over."""
        if self._writable is not None:  # a client that does not read is not listened to
            self._start(self._room())
        elif self._conversation.over:
            self._close()

    def _take_up(self) -> None:
        """Send the replies, and go on with what has come meanwhile, if there is still somebody to answer."""
        out = self._wire.out
        if out:
            self._wire.out = b""
            self._transport.write(out)
        self._what_now()
        if self._task is not None or self._over is None:
            return
        if self._input:
            data = b"".join(self._input)
            self._input.clear()
            self._waiting = 0
            if self._paused:
                self._paused = False
                if not self._transport.is_closing():
                    self._transport.resume_reading()
            self.data_received(data)
        if self._gone and self._task is None and self._over is not None:
            self._say_lost()

    async def _begin(self, rest: Rest) -> None:
        """Meanwhile a client that does not wait may have talked."""
        await rest
        if self._input and self._conversation.site.cfg.smtpd_forbid_unauth_pipelining:
            self._conversation.too_early(b"".join(self._input))

    async def _room(self) -> None:
        if self._writable is not None:
            await self._writable

    # The end

    def look_at_clock(self, now: float) -> None:
        """Leave a client that has said nothing for too long, unless it waits for us. now: monotonic seconds."""
        if self._stirred:
            self._stirred = False
            self._heard = now
            return
        deciding = self._task is not None and self._writable is None
        if deciding or now < self._heard + self._timeout:
            return
        conversation = self._conversation
        where, client = conversation.wire.where, conversation.peer.client
        msg.info(log.timeout(conversation.queue_id, where, client, conversation.received))
        conversation.history.aborted = "timeout"
        conversation.say_goodbye(421, "4.4.2", "Error: timeout exceeded")
        self._transport.write(self._wire.out)
        self._close()
        self._transport.abort()  # if it does not read either, it would be waited for without end

    def _lost(self) -> None:
        self._gone = True
        if self._task is None and self._over is not None:
            self._take_up()

    def _say_lost(self) -> None:
        conversation = self._conversation
        if self._over is not None:
            where, client = conversation.wire.where, conversation.peer.client
            if where != "END-OF-MESSAGE":
                msg.info(log.lost_connection(conversation.queue_id, where, client, conversation.received))
            conversation.history.aborted = "lost connection"
        self._close()

    def _close(self) -> None:
        if self._over is None:
            return
        conversation = self._conversation
        conversation.lost()
        conversation.tell_postmaster()
        bare = conversation.note_bare_lf and conversation.wire.bare
        msg.info(log.disconnect(conversation.peer.client, conversation.counts, conversation.refused, bare_lf=bare))
        self._transport.close()
        self._end(None)

    def _end(self, error: BaseException | None) -> None:
        self._watch.remove(self)
        self._conversation.stop_input = nothing  # else each would keep the other in memory
        over, self._over = self._over, None
        if over is not None:
            over(error)
