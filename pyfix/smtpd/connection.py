"""connection - a client's connection: bytes to the conversation and back

What comes in one read is dealt with in one go, and its replies leave in one write. While a
decision waits, input is kept; when too much of it is, reading pauses. A client that says
nothing for smtpd_timeout is told so and left.

Parameters: smtpd_timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from pyfix.server.eager import ENDED, Driven
from pyfix.smtpd import log
from pyfix.smtpd.session import Conversation
from pyfix.unix import msg

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

    def __init__(
        self, conversation: Conversation, timeout: float, watch: Watch, over: Callable[[BaseException | None], None]
    ) -> None:
        self._over: Callable[[BaseException | None], None] | None = over
        self._conversation = conversation
        self._timeout = timeout
        self._watch = watch
        self._transport: asyncio.Transport
        self._task: Driven | None = None
        self._input: list[bytes] = []
        self._waiting = 0
        self._paused = False
        self._gone = False
        self._writable: asyncio.Future[None] | None = None
        self._heard = 0.0  # when, as far as the clock was looked at since
        self._stirred = True  # the client has said something since, or we have

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is none by class
        self._watch.add(self)
        self._run(self._begin())

    def data_received(self, data: bytes) -> None:
        self._stirred = True
        if self._task is None and not self._input:
            self._run(self._conversation.receive(data))
            return
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

    # The conversation

    def _run(self, coro: Coroutine[Any, Any, None]) -> None:
        """Go on now, and later in a task if there is something to wait for."""
        try:
            waits_for = next(coro.__await__(), ENDED)  # see eager.drive
        except Exception as error:  # a bug in us: it ends this session, and the worker hears of it
            self._break(error)
            return
        if waits_for is ENDED:
            self._decided()
        else:
            self._task = Driven(coro, waits_for, self._waited)

    def _waited(self, error: BaseException | None) -> None:
        self._task = None
        if error is not None:
            self._break(None if isinstance(error, asyncio.CancelledError) else error)
        else:
            self._stirred = True
            self._decided()

    def _break(self, error: BaseException | None) -> None:
        self._conversation.lost()
        self._end(error)
        self._transport.abort()

    def _decided(self) -> None:
        """Nothing is being decided: send the replies, go on with what has come meanwhile."""
        out = self._conversation.wire.output()
        if out:
            self._transport.write(out)
        if self._writable is not None:  # a client that does not read is not listened to
            self._run(self._room())
        elif self._conversation.over:
            self._close()
        elif self._input and not self._gone:
            data = b"".join(self._input)
            self._input.clear()
            self._waiting = 0
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            self._run(self._conversation.receive(data))
        elif self._gone:
            self._say_lost()

    async def _room(self) -> None:
        if self._writable is not None:
            await self._writable

    async def _begin(self) -> None:
        await self._conversation.begin()
        early = b"".join(self._input)
        if early and self._conversation.site.cfg.smtpd_forbid_unauth_pipelining:
            self._conversation.wire.output()
            self._conversation.too_early(early)

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
        self._transport.write(conversation.wire.output())
        self._close()

    def _lost(self) -> None:
        self._gone = True
        if self._task is None and self._over is not None:
            self._decided()

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
        conversation.wire.close()
        conversation.tell_postmaster()
        bare = conversation.note_bare_lf and conversation.wire.bare
        msg.info(log.disconnect(conversation.peer.client, conversation.counts, conversation.refused, bare_lf=bare))
        self._transport.close()
        self._end(None)

    def _end(self, error: BaseException | None) -> None:
        self._watch.remove(self)
        over, self._over = self._over, None
        if over is not None:
            over(error)
