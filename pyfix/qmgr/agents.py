"""agents - the connections to the delivery agents of one transport

An agent's greeting says how many requests it takes at once. Another connection is opened when all
are full, one at a time: while the service is at its process limit, that one waits for its
greeting. An agent that is about to leave says so as it greets; where several in a row do, that counts as
none reached. Connections that nobody needed for a while are closed, so that agents can leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pyfix.clients.answer import ServiceGone
from pyfix.clients.deliver import CONCURRENCY, PROTOCOL
from pyfix.clients.stream import TRIES, Connection, connect

IDLE = 5.0  # seconds until a connection without requests is closed
PAUSE = 0.1
"""Seconds until the next try after an agent that left."""

Connect = Callable[[str, str, float], Awaitable[Connection]]


class Agent:
    """One connection. capacity: requests at once; busy: requests under way."""

    __slots__ = ("busy", "capacity", "connection", "rested")

    def __init__(self, connection: Connection, capacity: int) -> None:
        self.connection = connection
        self.capacity = capacity
        self.busy = 0
        self.rested = False  # had nothing to do when it was last looked at


class Agents:
    """ready: called when there is room again; failed: called with the reason when the only attempt to
    reach an agent failed. timeout: seconds to wait for an agent's greeting.
    """

    def __init__(
        self,
        path: str,
        ready: Callable[[], None],
        failed: Callable[[str], None],
        *,
        timeout: float = 60,
        connect: Connect = connect,
    ) -> None:
        self._path = path
        self._ready = ready
        self._failed = failed
        self._timeout = timeout
        self._connect = connect
        self._agents: list[Agent] = []
        self._opening: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def free(self) -> Agent | None:
        """The agent with the fewest requests, if it takes one more."""
        best: Agent | None = None
        for agent in self._agents:
            if not agent.connection.usable:
                self._forget_gone()
                return self.free()
            if agent.busy < agent.capacity and (best is None or agent.busy < best.busy):
                best = agent
        return best

    def open(self) -> None:
        """Get one more, unless that is under way."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    def close(self) -> None:
        """Hang up."""
        if self._opening is not None:
            self._opening.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for agent in self._agents:
            agent.connection.close()
        self._agents.clear()

    async def _open(self) -> None:
        reason = ""
        try:
            connection = await self._reach()
        except ServiceGone as gone:
            reason = (gone.detail or gone.text).removeprefix(f"connect to {self._path}: ")
        finally:
            self._opening = None
        if not reason:
            self._add(connection)
            self._ready()
            return
        self._forget_gone()
        if not self._agents:
            self._failed(reason)

    async def _reach(self) -> Connection:
        """One that takes requests. ServiceGone."""
        connection = await self._connect(self._path, PROTOCOL, self._timeout)
        tries = 1
        while not connection.usable:
            if tries == TRIES:
                raise ServiceGone("service unavailable", detail="agents leave as soon as they are reached")
            await asyncio.sleep(PAUSE)
            connection = await self._connect(self._path, PROTOCOL, self._timeout)
            tries += 1
        return connection

    def _add(self, connection: Connection) -> None:
        greeting = connection.greeting.result()
        text = greeting.get(CONCURRENCY, "1")
        self._agents.append(Agent(connection, max(int(text), 1) if text.isdecimal() else 1))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE, self._rest)

    def _forget_gone(self) -> None:
        self._agents = [agent for agent in self._agents if agent.connection.usable]

    def _rest(self) -> None:
        """Close what had nothing to do twice in a row."""
        self._forget_gone()
        for agent in self._agents:
            if agent.rested and not agent.busy:
                agent.connection.close()
            agent.rested = not agent.busy
        self._forget_gone()
        self._timer = (
            asyncio.get_running_loop().call_later(IDLE, self._rest) if self._agents else None
        )
