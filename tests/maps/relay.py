"""relay - stands between a client and a real server, and can be as bad as servers are

    with relay(port_of_the_server) as between:
        ...                     between.port is as good as the server's own
        between.mode = Mode.SILENT
"""

import enum
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.ports import free_port

GARBAGE = b"\xff\x00\x02HTTP/1.1 400 Bad Request\r\n\r\n" * 20


class Mode(enum.Enum):
    """What becomes of answers. Connections that are there when it changes are not what they were."""

    THROUGH = "through"
    DOWN = "down"
    SILENT = "silent"
    GARBAGE = "garbage"
    CUT = "cut"


TROUBLE = (Mode.DOWN, Mode.SILENT, Mode.GARBAGE, Mode.CUT)


class Relay:
    """One of them. accepted: connections so far."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.accepted = 0
        self._target = target
        self._mode = Mode.DOWN
        self._peers: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.mode = Mode.THROUGH

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        if mode == Mode.DOWN:
            self.close()
        elif self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._start(self._serve, self._listener)

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for peer in list(self._peers):
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _start(self, function: Callable[[socket.socket], None], sock: socket.socket) -> None:
        self._threads.append(threading.Thread(target=function, args=[sock], daemon=True))
        self._threads[-1].start()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.accepted += 1
                self._peers.add(client)
                self._start(self._talk, client)

    def _talk(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server, suppress(OSError):
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client:
                        server.sendall(data)
                    elif not self._answer(client, data):
                        return
        self._peers.discard(client)

    def _answer(self, client: socket.socket, data: bytes) -> bool:
        """Whether the connection goes on."""
        if self._mode == Mode.THROUGH:
            client.sendall(data)
        elif self._mode == Mode.GARBAGE:
            client.sendall(GARBAGE)
        elif self._mode == Mode.CUT:
            client.sendall(data[: len(data) // 2])
        return self._mode in (Mode.THROUGH, Mode.SILENT)


@contextmanager
def relay(target: int) -> Iterator[Relay]:
    """target: the server's port on 127.0.0.1."""
    between = Relay(target)
    try:
        yield between
    finally:
        between.close()
