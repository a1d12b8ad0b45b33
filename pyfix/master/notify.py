"""notify - tells systemd how we are (sd_notify(3)): READY, RELOADING, STOPPING

Nothing happens when nobody asked for it in NOTIFY_SOCKET.
"""

import os
import socket
import time
from contextlib import suppress


def ready() -> None:
    """Started, or reloaded."""
    _say(f"READY=1\nMAINPID={os.getpid()}")


def reloading() -> None:
    """About to reload; ready() follows."""
    _say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping() -> None:
    """About to end."""
    _say("STOPPING=1")


def _say(text: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), "\0" + address[1:] if address[0] == "@" else address)
