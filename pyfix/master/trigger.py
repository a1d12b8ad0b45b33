"""trigger - wakes a service up, as a client would: connect, say W, hang up

Sources: the wake-up column of master(5).
"""

import socket
from contextlib import suppress

from pyfix.master.listen import Endpoint
from pyfix.unix import fifo

WAKE_UP = b"W\0"


def wake(endpoint: Endpoint) -> None:
    """Send a wake-up; a service that can't take one now gets the next."""
    with suppress(OSError):
        _KINDS[endpoint.kind](endpoint)


def _connect(endpoint: Endpoint) -> None:
    with socket.socket(endpoint.family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        where = (endpoint.address, endpoint.port) if endpoint.kind == "inet" else endpoint.address
        with suppress(BlockingIOError):
            sock.connect(where)
        sock.send(WAKE_UP)


def _write(endpoint: Endpoint) -> None:
    fifo.write(endpoint.address, WAKE_UP)


def _nothing(_: Endpoint) -> None:
    """Datagram services are not woken."""


_KINDS = {"inet": _connect, "unix": _connect, "fifo": _write, "unix-dgram": _nothing}
