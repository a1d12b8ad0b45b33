"""serial - a process that serves one session at a time, blocking

For programs that become other users: seteuid is a property of a process.
While idle it waits for a connection or a word of master's; in a session the program
watches Context.wake between requests.

Parameters: max_idle, max_use
"""

import select
import socket
from collections.abc import Sequence
from typing import Any

from pyfix.server import bug, control, log
from pyfix.unix import msg


class UnwantedError(Exception):
    """Nobody wanted anything for max_idle seconds."""


class SerialWorker:
    """One process's only session.

    max_sessions, max_idle (seconds): when to leave; None: never.
    """

    def __init__(
        self,
        program: Any,
        listeners: Sequence[int],
        status: socket.socket,
        *,
        max_sessions: int | None = None,
        max_idle: float | None = None,
    ) -> None:
        self._program = program
        program.max_idle = max_idle
        self._status = status
        self._listeners = [socket.socket(fileno=fd) for fd in listeners]
        self._max_sessions = max_sessions
        self._max_idle = max_idle

    def run(self) -> None:
        """Serve until it is time to leave."""
        word = control.LEAVING
        try:
            self._serve_all()
        except UnwantedError:
            word = control.IDLE
        control.say(self._status, word)
        for listener in self._listeners:
            listener.close()

    def _serve_all(self) -> None:
        served = 0
        control.say(self._status, control.AVAILABLE)
        while self._max_sessions is None or served < self._max_sessions:
            sock = self._next()
            if sock is None:
                break
            control.say(self._status, control.BUSY)
            if not self._serve(sock):
                break
            served += 1
            if served == 1:
                control.say(self._status, control.SERVED)
            control.say(self._status, control.AVAILABLE)

    def _serve(self, sock: socket.socket) -> bool:
        """One session; False when it ended by a bug, and is to be the last."""
        try:
            with sock:
                self._program.serve(sock)
        except ConnectionError:  # the peer went while the program was not looking
            return True
        except UnwantedError:
            raise
        except Exception as error:
            msg.error(bug.line(error, "session"))
            return False
        return True

    def _next(self) -> socket.socket | None:
        """The next connection; None when master says that it is time to leave."""
        poll = select.poll()
        for channel in (self._status, *self._listeners):
            poll.register(channel, select.POLLIN)
        while True:
            ready = {fd for fd, _ in log.wait(poll, self._max_idle)}
            if not ready:
                raise UnwantedError
            if self._status.fileno() in ready:
                return None
            for listener in self._listeners:
                if listener.fileno() in ready and (sock := _accept(listener)) is not None:
                    return sock


def _accept(listener: socket.socket) -> socket.socket | None:
    """A connection, unless another process was quicker."""
    try:
        sock, _ = listener.accept()
    except (BlockingIOError, InterruptedError, ConnectionAbortedError):
        return None
    sock.setblocking(True)
    return sock
