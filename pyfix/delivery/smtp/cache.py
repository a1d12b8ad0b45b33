"""cache - connections that are kept for the next message

A connection is kept for smtp_connection_cache_time_limit seconds, by what it was made for and by its address. Whoever
takes it out has it for himself.

Parameters: smtp_connection_cache_time_limit.
"""

from __future__ import annotations

import asyncio

from pyfix.delivery.smtp.addresses import Server
from pyfix.delivery.smtp.session import Key, Session


class Cache:
    """seconds: how long a connection is kept."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[Session, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._kept)

    def put(self, session: Session) -> None:
        """Keep a connection."""
        loop = asyncio.get_running_loop()
        self._kept[session] = loop.call_later(self._seconds, self._expire, session)

    def take(self, key: Key) -> Session | None:
        """A living connection that a request for this has led to: where others failed, perhaps to a fallback relay."""
        return self._take([session for session in self._kept if session.nexthop == key])

    def take_server(self, server: Server, key: Key) -> Session | None:
        """A living connection to this address that may be used for this."""
        return self._take([one for one in self._kept if _serves(one, server, key)])

    def end(self, session: Session) -> None:
        """Say goodbye, beside what else goes on."""
        task = asyncio.get_running_loop().create_task(session.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End all."""
        for session in list(self._kept):
            self._kept.pop(session).cancel()
            self.end(session)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _take(self, sessions: list[Session]) -> Session | None:
        for session in sessions:
            self._kept.pop(session).cancel()
            if session.alive:
                return session
            session.drop()
        return None

    def _expire(self, session: Session) -> None:
        if self._kept.pop(session, None) is not None:
            self.end(session)


def _serves(session: Session, server: Server, key: Key) -> bool:
    found, made_for = session.server, session.key
    if (found.address, found.port) != (server.address, server.port) or made_for.sender != key.sender:
        return False
    return not key.exact or (found.host == server.host and made_for == key)
