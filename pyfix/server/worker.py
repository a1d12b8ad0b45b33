"""worker - a process that serves many sessions from one event loop

It accepts on the listening sockets that master holds, up to its share of the service's
sessions; above it connections wait in the backlog, or for another worker. It leaves
after max_idle seconds in which nobody wanted anything (less where main.cf does not say how many, and the service is
seldom wanted, see master/service.py), after max_use times its share of sessions, when
master says so, and at once when master has gone. One session's bug ends that session;
the others come to their end, and a new worker takes over.

Parameters: max_idle, max_use
"""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from pyfix.server import bug, control
from pyfix.unix import msg
from pyfix.unix.loop import Loop, running

_RESTS = 1.0
"""Seconds without new connections when there is no descriptor or memory for one: it would be asked for all the time."""
_NOTHING_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_WHAT_IT_IS = socket.SO_DOMAIN, socket.SO_TYPE, socket.SO_PROTOCOL


class Program(Protocol):
    """What the frame asks of an event-loop program."""

    async def start(self) -> None:
        """Begin; the loop runs and privileges are gone."""

    async def serve(self, sock: socket.socket) -> None:
        """One session, to its end."""

    async def retire(self) -> None:
        """No more sessions will come."""


Over = Callable[[BaseException | None], None]
"""Called when a session is over; with its error when it ended by a bug."""


class Kept(Program, Protocol):
    """A program to which clients keep connections, whether they want something or not."""

    def quiet_since(self) -> float:
        """When somebody last wanted something, in the loop's time."""


class Holding(Program, Protocol):
    """A program that may have something to stay for, though nobody is connected or wants anything."""

    def holds(self) -> bool:
        """Whether it has."""


class Taking(Program, Protocol):
    """A program whose sessions need no task each."""

    def take(self, sock: socket.socket, client: Any, over: Over) -> None:
        """Begin a session, in place of serve(). client: the peer as accept() tells it."""


class Listener(socket.socket):
    """A listening socket of a worker."""

    def __init__(self, fd: int) -> None:
        super().__init__(fileno=fd)
        # numbers: of those that it knows, a socket makes members of an enumeration first
        family, kind, proto = (self.getsockopt(socket.SOL_SOCKET, what) for what in _WHAT_IT_IS)
        self._like = family, kind, proto
        if family in (socket.AF_INET, socket.AF_INET6):
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections have it from their listener

    def take(self) -> tuple[socket.socket, Any]:
        """accept(), which for each connection would ask what kind of socket this is, and look for names of that."""
        fd, client = self._accept()  # type: ignore[attr-defined]  # what accept() is made of
        return socket.socket(*self._like, fileno=fd), client


class Worker:
    """One process's sessions.

    listeners: descriptors of listening sockets, of a fifo, or (datagrams) of a bound socket.
    limit: sessions at once, 0 for any number; max_sessions, max_idle: when to leave (None: never).
    """

    def __init__(
        self,
        program: Any,
        listeners: Sequence[int],
        status: socket.socket,
        *,
        limit: int = 0,
        max_sessions: int | None = None,
        max_idle: float | None = None,
        datagrams: bool = False,
    ) -> None:
        self._program = program
        self._take: Callable[[socket.socket, Any, Over], None] | None = getattr(program, "take", None)
        self._quiet_since: Callable[[], float] = getattr(program, "quiet_since", self._now)
        self._holds: Callable[[], bool] = getattr(program, "holds", _nothing)
        self._status = status
        self._fifos = [fd for fd in listeners if _is_fifo(fd)]
        self._sockets = [Listener(fd) for fd in listeners if fd not in self._fifos]
        self._limit = limit
        self._max_sessions = max_sessions
        self._max_idle = max_idle
        self._datagrams = datagrams
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions = 0
        self._begun = 0
        self._told_served = False
        self._accepting = False
        self._leaving = False
        self._retired: asyncio.Task[None] | None = None
        self._idle_since = 0.0
        self._loop: Loop
        self._over: asyncio.Event
        self._words: dict[bytes, Callable[[], None]] = {
            b"": self._master_gone,
            control.RETIRE: self._retire,
            control.STRESS: partial(self._tell_stress, on=True),
            control.CALM: partial(self._tell_stress, on=False),
        }

    async def run(self) -> None:
        """Serve until it is time to leave."""
        self._loop = running()
        self._loop.set_exception_handler(self._stray_bug)
        self._over = asyncio.Event()
        self._status.setblocking(False)
        await self._program.start()
        self._loop.add_reader(self._status, self._hear)
        self._accept_more()
        self._idle_since = self._loop.time()
        if self._max_idle is not None:
            self._loop.call_later(self._max_idle, self._look_at_clock, self._max_idle)
        await self._over.wait()
        self._stop_accepting()
        self._loop.remove_reader(self._status)
        for sock in self._sockets:
            sock.close()

    # Taking connections

    def _accept_more(self) -> None:
        if self._accepting or self._leaving or (self._limit and self._sessions >= self._limit):
            return
        self._accepting = True
        if self._datagrams:
            self._begin(self._program.serve_datagrams(self._sockets[0]), None)
        else:
            for sock in self._sockets:
                self._loop.poller.add(sock.fileno(), partial(self._accept, sock))
            for fd in self._fifos:
                self._loop.poller.add(fd, partial(self._read_fifo, fd))
        control.say(self._status, control.AVAILABLE)

    def _stop_accepting(self, word: bytes | None = None) -> None:
        if self._accepting and not self._datagrams:
            for fd in (*[sock.fileno() for sock in self._sockets], *self._fifos):
                self._loop.poller.remove(fd)
        self._accepting = False
        if word is not None:
            control.say(self._status, word)

    def _accept(self, listener: Listener) -> None:
        """Take one connection: where more wait the loop says so again, which costs less than to ask and hear no."""
        try:
            sock, client = listener.take()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            msg.warning(f"accept connection: {error.strerror}")
            if error.errno in _NOTHING_LEFT:
                self._stop_accepting()
                self._loop.call_later(_RESTS, self._accept_more)
            return
        sock.setblocking(False)
        if self._take is None:
            self._begin(self._program.serve(sock), sock)
        else:
            self._count()
            try:
                self._take(sock, client, partial(self._over_without_task, sock))
            except Exception as error:  # it has not begun
                self._over_without_task(sock, error)

    def _read_fifo(self, fd: int) -> None:
        """What was written into a fifo is one session of a trigger service."""
        try:
            data = os.read(fd, 4096)
        except BlockingIOError:
            return
        ours, theirs = socket.socketpair()
        ours.sendall(data)
        ours.close()
        theirs.setblocking(False)
        self._begin(self._program.serve(theirs), theirs)

    # Sessions

    def _begin(self, session: Any, sock: socket.socket | None) -> None:
        task = self._loop.create_task(self._session(session, sock))
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        self._count()

    def _count(self) -> None:
        """One session more."""
        self._sessions += 1
        self._begun += 1
        if self._max_sessions is not None and self._begun >= self._max_sessions:
            self._retire()
        elif self._limit and self._sessions >= self._limit:
            self._stop_accepting(control.BUSY)

    async def _session(self, session: Any, sock: socket.socket | None) -> None:
        try:
            await session
        except ConnectionError:  # the peer went while the program was not looking
            if sock is not None:
                sock.close()
        except Exception as error:
            self._bug(error, sock)

    def _bug(self, error: BaseException, sock: socket.socket | None) -> None:
        """A session ended by a bug: the others come to their end."""
        msg.error(bug.line(error, "session"))
        if sock is not None:
            _hang_up(sock)
        self._retire()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._ended()

    def _over_without_task(self, sock: socket.socket, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, ConnectionError):
            self._bug(error, sock)
        self._ended()

    def _ended(self) -> None:
        """One session less."""
        self._sessions -= 1
        if not self._sessions:
            self._idle_since = self._loop.time()
        if not self._told_served:
            self._told_served = True
            control.say(self._status, control.SERVED)
        if self._leaving:
            self._leave_if_done()
        else:
            self._accept_more()

    # Leaving

    def _look_at_clock(self, max_idle: float) -> None:
        """Leave, or look again when it may be time to."""
        if self._holds():
            self._idle_since = self._now()
        since = max(self._idle_since, self._quiet_since()) if self._sessions else self._idle_since
        left = since + max_idle - self._now()
        if left <= 0:
            self._retire(control.IDLE)
        elif not self._leaving:
            self._loop.call_later(left, self._look_at_clock, max_idle)

    def _now(self) -> float:
        """Also when somebody last wanted something where sessions end when nobody does: there is one."""
        return self._loop.time()

    def _hear(self) -> None:
        try:
            word = self._status.recv(64)
        except BlockingIOError:
            return
        except OSError:
            word = b""
        self._words.get(word, _ignore)()

    def _retire(self, word: bytes = control.LEAVING) -> None:
        if self._leaving:
            return
        self._leaving = True
        self._stop_accepting(word)
        self._retired = self._loop.create_task(self._program_retires())
        self._retired.add_done_callback(lambda _: self._leave_if_done())

    async def _program_retires(self) -> None:
        try:
            await self._program.retire()
        except Exception as error:
            msg.error(bug.line(error, "retirement"))

    def _leave_if_done(self) -> None:
        if not self._sessions and self._retired is not None and self._retired.done():
            self._over.set()

    def _master_gone(self) -> None:
        if self._datagrams:  # whose program still has what came last
            self._retire()
            return
        self._leaving = True  # no session that ends now makes room for another
        self._over.set()

    def _tell_stress(self, *, on: bool) -> None:
        tell: Callable[[bool], None] | None = getattr(self._program, "stress", None)
        if tell is not None:
            tell(on)

    def _stray_bug(self, _: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        error = about.get("exception")
        text = bug.line(error, "a task") if error is not None else str(about.get("message"))
        msg.error(text)
        self._retire()


def _nothing() -> bool:
    """Most programs have nothing to stay for."""
    return False


def _ignore() -> None:
    """A word of a later master's."""


def _hang_up(sock: socket.socket) -> None:
    """End a connection whose program forgot it, whoever holds the socket now."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def _is_fifo(fd: int) -> bool:
    return stat.S_ISFIFO(os.fstat(fd).st_mode)
