"""Ports for programs that are told where to listen: no other process of the tests is given the same ones.

They are below those that the system hands out by itself, so that no connection takes one meanwhile. A process has
a block of them to itself, and for as long as it lives an abstract socket whose name says so.
"""

import contextlib
import functools
import itertools
import os
import socket

FIRST, BLOCK = 10000, 500
BLOCKS = (32000 - FIRST) // BLOCK

_own = itertools.cycle(range(BLOCK))


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and that this process was not given lately."""
    first, _ = _block(os.getpid())
    for number in itertools.islice(_own, BLOCK):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", first + number))
            except OSError:
                continue
            return first + number
    raise AssertionError(f"all ports from {first} to {first + BLOCK - 1} are taken")


@functools.cache
def _block(pid: int) -> tuple[int, socket.socket]:
    """The first port of a block that no other process has, and what keeps it: the cache, while this process lives."""
    for number in range(pid, pid + BLOCKS):
        first = FIRST + number % BLOCKS * BLOCK
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):
            mark.bind(f"\0pyfix tests: ports from {first}")
            return first, mark
        mark.close()
    raise AssertionError("every block of ports is another process's")
