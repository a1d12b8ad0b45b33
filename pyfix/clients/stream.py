"""stream - the asking end of connections between daemons

A Channel is one service as a client sees it: a connection that is made when first
needed, shared by all requests, and replaced when the server says goaway or is gone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from errno import ETIMEDOUT
from typing import Protocol, cast

from pyfix.clients.answer import Answer, ServiceGone
from pyfix.unix import msg
from pyfix.unix.loop import running
from pyfix.unix.moment import Moment
from pyfix.unix.transport import StreamTransport, connect_unix
from pyfix.unix.turn import TurnWriter
from pyfix.wire.attr import AttrError, decode_pairs
from pyfix.wire.stream import CONNECTION, GOAWAY, FrameReader, StreamError, encode_frame

TRIES = 3
"""Connections made for one request, where servers are about to leave."""


class Receiver(Protocol):
    """What hears the answer to a request."""

    def deliver(self, answer: Answer | ServiceGone) -> None:
        """One frame of it, or that no more will come. Raises nothing."""


class Exchange:
    """One request and its answers, when either takes several frames."""

    __slots__ = ("_connection", "_hear", "_stream", "unheard")

    def __init__(self, connection: Connection, stream: int) -> None:
        self._connection = connection
        self._stream = stream
        self.unheard: list[Answer | ServiceGone] = []
        """What was answered and nobody has asked for yet; also that the server has gone."""
        self._hear: Callable[[Answer | ServiceGone], None] | None = None

    def send(self, attrs: bytes, body: bytes = b"") -> None:
        """One frame of the request; all of one loop turn leave together."""
        self._connection.out.write(encode_frame(self._stream, attrs, body))

    async def drain(self) -> None:
        """Wait while the server reads more slowly than is sent."""
        await self._connection.writable()

    def hear(self, hear: Callable[[Answer | ServiceGone], None]) -> Answer | ServiceGone | None:
        """The next frame of the answer, if it is there; else `hear` is called with it, and raises nothing."""
        if self.unheard:
            return self.unheard.pop(0)
        self._hear = hear
        return None

    async def receive(self) -> Answer:
        """The next frame of the answer. ServiceGone when none will come."""
        moment = Moment()
        answer = self.hear(moment.come) or await moment
        if isinstance(answer, ServiceGone):
            raise answer
        return cast(Answer, answer)

    @property
    def usable(self) -> bool:
        """More may be asked for here."""
        return self._connection.usable

    def close(self) -> None:
        """No more frames of this request, either way."""
        self._connection.forget(self._stream)

    def deliver(self, answer: Answer | ServiceGone) -> None:
        """(For the connection.) One frame, or the end."""
        hear = self._hear
        if hear is None:
            self.unheard.append(answer)
        else:
            self._hear = None
            hear(answer)


class Connection(asyncio.Protocol):
    """One connection to one server process."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.usable = True  # for new requests
        self.greeting: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._reader = FrameReader()
        self.out: TurnWriter
        """What takes frames."""
        self._transport: StreamTransport
        self._open: dict[int, Receiver] = {}
        self._last = 0
        self._resumed: asyncio.Future[None] | None = None
        self._gone: ServiceGone | None = None

    def exchange(self) -> Exchange:
        """A new request on this connection."""
        self._last += 1
        exchange = self._open[self._last] = Exchange(self, self._last)
        if self._gone is not None:
            exchange.deliver(self._gone)
        return exchange

    def call(self, receiver: Receiver, attrs: bytes, body: bytes = b"") -> int:
        """A request of one frame whose answer is heard without a task; its number, for forget()."""
        self._last += 1
        self._open[self._last] = receiver
        self.out.write(encode_frame(self._last, attrs, body))
        return self._last

    def forget(self, stream: int) -> None:
        """A request is over; what still comes for it is dropped."""
        self._open.pop(stream, None)
        if not self.usable:
            self._leave_if_done()

    @property
    def outstanding(self) -> int:
        """How many requests are not closed yet."""
        return len(self._open)

    async def writable(self) -> None:
        """Wait until the server has read most of what was sent."""
        self.out.flush()
        if self._resumed is not None:
            await asyncio.shield(self._resumed)

    def close(self) -> None:
        """Take no new requests and leave now."""
        self.usable = False
        self.out.close()

    def _leave_if_done(self) -> None:
        if not self.usable and not self._open:
            self.out.close()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(StreamTransport, transport)
        self.out = TurnWriter(self._transport, running())

    def data_received(self, data: bytes) -> None:
        self.out.hold()
        try:
            for stream, attrs, body in self._reader.receive(data):
                if stream == CONNECTION:
                    self._about_connection(attrs)
                elif (receiver := self._open.get(stream)) is not None:
                    receiver.deliver((attrs, body))
        except (StreamError, AttrError):
            self._transport.abort()
        finally:
            self.out.release()

    def _about_connection(self, attrs: bytes) -> None:
        if attrs == GOAWAY:
            self.usable = False
            self._leave_if_done()
        elif not self.greeting.done():
            self.greeting.set_result(decode_pairs(attrs))

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        detail = f"lost connection with {self.path}: {error or 'closed'}"
        self._gone = gone = ServiceGone("service unavailable", detail=detail)
        if not self.greeting.done():
            self.greeting.set_exception(gone)
            self.greeting.exception()  # nobody may be waiting any more
        self.resume_writing()
        for receiver in list(self._open.values()):
            receiver.deliver(gone)

    def pause_writing(self) -> None:
        self._resumed = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._resumed is not None:
            self._resumed.set_result(None)
            self._resumed = None


async def connect(path: str, protocol: str, seconds: float) -> Connection:
    """A connection whose server has said its greeting, within so many seconds. ServiceGone when there is none."""
    msg.debug(f"connect to subsystem {path}")
    try:
        connection = Connection(path)
        await connect_unix(path, connection)
    except OSError as error:
        raise ServiceGone("service unavailable", detail=f"connect to {path}: {error.strerror}") from error
    try:
        async with asyncio.timeout(seconds):
            found = (await connection.greeting).get("protocol")
    except TimeoutError as error:
        connection.close()
        raise ServiceGone("service unavailable", detail=f"connect to {path}: {os.strerror(ETIMEDOUT)}") from error
    except BaseException:
        connection.close()
        raise
    if found != protocol:
        connection.close()
        raise ServiceGone("service unavailable", detail=f"{path} speaks {found}, not {protocol}")
    return connection


class Channel:
    """One service: path of its socket, the protocol that its greeting must name.

    timeout: seconds until a server that does not greet counts as gone (ipc_timeout).
    """

    def __init__(self, path: str, protocol: str, *, timeout: float = 3600) -> None:
        self.path = path
        self.protocol = protocol
        self._timeout = timeout
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None

    async def exchange(self) -> Exchange:
        """A request of several frames. ServiceGone when the service can't be reached."""
        connection = self._connection
        tries = 0
        while (connection is None or not connection.usable) and tries < TRIES:
            connection = await self._connect()
            tries += 1  # one that is about to leave says so with its greeting
        assert connection is not None
        return connection.exchange()

    async def request(self, attrs: bytes, body: bytes = b"") -> Answer:
        """One frame there, one frame back. ServiceGone when it does not come."""
        exchange = await self.exchange()
        try:
            exchange.send(attrs, body)
            return await exchange.receive()
        finally:
            exchange.close()

    def close(self) -> None:
        """Give up the connection; requests under way hear ServiceGone."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _connect(self) -> Connection:
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(
                connect(self.path, self.protocol, self._timeout)
            )
            self._connecting.add_done_callback(self._connected)
        return await asyncio.shield(self._connecting)

    def _connected(self, task: asyncio.Task[Connection]) -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._connection = task.result()
