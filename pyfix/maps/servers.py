"""servers - the servers of one table: which is asked, which rests

    servers = Servers("mysql", hosts, connect, retry_interval=60, idle_interval=60)
    rows = servers.ask(lambda connection: connection.query(...), table="mysql:/etc/postfix/users.cf")

Open connections are preferred, those over Unix sockets before others, else in random order
(or always in the order given). A server that stands alone may be tried more than once before it counts as failed.
A server that fails rests for retry_interval; one whose kept connection has died is connected
again first. When none answers, TableError: the caller's answer is "later", never "not there".

Callers may be several threads; each has a connection to itself while it asks.
"""

import random
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from pyfix.maps.kept import Turns
from pyfix.maps.table import NotNowError, TableError
from pyfix.maps.threads import WORKERS
from pyfix.unix import msg


class Connection(Protocol):
    """What a driver gives."""

    def close(self) -> object:
        """Hang up."""
        ...


C = TypeVar("C", bound=Connection)
T = TypeVar("T")
Clock = Callable[[], float]

NUMBERED = 2
"""Arguments of an exception with a number and words."""
_PASSWORD = re.compile(r"(://[^:/@]*):[^@]*@")
"""In a URL."""


class WrongQuestionError(Exception):
    """The server answers, but not to this question: it is not the server's fault. str(): why."""


class Server(Generic[C]):
    """One server. name: as the administrator wrote it; shown: the same for the log, without a password."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown = _PASSWORD.sub(r"\1:***@", name)
        self.local = name.startswith(("unix:", "/"))
        self.rests_until = 0.0
        self.idle: list[tuple[C, float]] = []  # connections nobody uses, and since when


class Servers(Generic[C]):
    """All servers of a table. retry_interval, idle_interval, pause: seconds; tries: of a server that stands alone."""

    def __init__(
        self,
        kind: str,
        names: Iterable[str],
        connect: Callable[[str], C],
        *,
        retry_interval: float = 60,
        idle_interval: float = 60,
        shuffle: bool = True,
        tries: int = 1,
        pause: float = 0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._kind = kind
        self._servers: list[Server[C]] = [Server(name) for name in names]
        self._connect = connect
        self._retry_interval = retry_interval
        self._idle_interval = idle_interval
        self._shuffle = shuffle
        self._tries = tries if len(self._servers) == 1 else 1
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._turns = Turns(WORKERS)

    def ask(self, question: Callable[[C], T], *, table: str) -> T:
        """The first answer. TableError: no server gave one."""
        reason = ""
        for server in self._order():
            try:
                return self._ask_again(server, question)
            except WrongQuestionError as error:
                msg.warning(f"{table}: {self._kind} server {server.shown}: {error}")
                raise TableError(table, str(error)) from None
            except Exception as error:  # drivers raise what they like for bytes that make no sense
                reason = _reason(error)
                msg.warning(f"{table}: {self._kind} server {server.shown}: {reason}")
                self._rest(server)
        raise TableError(table, reason)

    async def ask_kept(self, question: Callable[[C], Awaitable[T]]) -> T:
        """The answer over a connection that is open already. NotNowError: none is, or it brought none."""
        return await self._turns.take(lambda: self._over_kept(question))

    async def _over_kept(self, question: Callable[[C], Awaitable[T]]) -> T:
        for server in self._servers:
            kept = self._take(server)
            if kept is None:
                continue
            try:
                answer = await question(kept)
            except Exception as error:
                _close(kept)
                raise NotNowError from error
            except BaseException:
                _close(kept)
                raise
            self._give(server, kept)
            return answer
        raise NotNowError

    def __del__(self) -> None:
        for server in self._servers:
            self._forget(server)

    def _order(self) -> list[Server[C]]:
        now = self._clock()
        with self._lock:
            ready = [server for server in self._servers if server.rests_until <= now]
        if not self._shuffle:
            return ready
        random.shuffle(ready)
        return sorted(ready, key=lambda server: (not server.idle, not server.local))

    def _ask_again(self, server: Server[C], question: Callable[[C], T]) -> T:
        """Ask until it answers, or can't be connected at all, or has failed often enough."""
        for _ in range(self._tries - 1):
            try:
                return self._ask(server, question)
            except (WrongQuestionError, ConnectionRefusedError, FileNotFoundError):
                raise
            except Exception:
                time.sleep(self._pause)
        return self._ask(server, question)

    def _ask(self, server: Server[C], question: Callable[[C], T]) -> T:
        kept = self._take(server)
        if kept is not None:
            try:
                return self._answered(server, kept, question)
            except WrongQuestionError:
                raise
            except Exception:
                self._forget(server)  # the others are as old
        return self._answered(server, self._connect(server.name), question)

    def _answered(self, server: Server[C], connection: C, question: Callable[[C], T]) -> T:
        try:
            answer = question(connection)
        except WrongQuestionError:
            self._give(server, connection)
            raise
        except BaseException:
            _close(connection)
            raise
        self._give(server, connection)
        return answer

    def _take(self, server: Server[C]) -> C | None:
        """A kept connection that is not too old."""
        oldest = self._clock() - self._idle_interval
        with self._lock:
            while server.idle:
                connection, since = server.idle.pop()
                if since >= oldest:
                    return connection
                _close(connection)
        return None

    def _give(self, server: Server[C], connection: C) -> None:
        with self._lock:
            server.idle.append((connection, self._clock()))

    def _rest(self, server: Server[C]) -> None:
        self._forget(server)
        server.rests_until = self._clock() + self._retry_interval

    def _forget(self, server: Server[C]) -> None:
        with self._lock:
            connections, server.idle = server.idle, []
        for connection, _ in connections:
            _close(connection)


def _close(connection: Connection) -> None:
    with suppress(Exception):  # it is being given up
        connection.close()


def _reason(error: Exception) -> str:
    """What an exception says, on one line."""
    text = str(error) or type(error).__name__
    if len(error.args) == NUMBERED and isinstance(error.args[0], int) and isinstance(error.args[1], str):
        text = error.args[1]
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    return " ".join(text.split()).removesuffix(":")
