"""hangup - whether who is at the other end of a Unix socket has left, though not all that it said was read"""

import select
import socket
from collections.abc import Callable


def hangup_of(sock: socket.socket) -> Callable[[], bool]:
    """A question that costs one system call: whether the peer of a connected Unix socket has closed it, or has died."""
    poll = select.poll()
    poll.register(sock, 0)  # hanging up is reported unasked
    return lambda: bool(poll.poll(0))
