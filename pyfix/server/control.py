"""control - what master, zygote and workers say to one another

master -> zygote   Start, with the worker's status socket and the listening sockets
zygote -> master   `pid N` of that worker, on its status socket: known whatever becomes of it
worker -> master   available, busy, served, leaving or idle
master -> worker   retire; stress and calm

All of it is datagrams (SOCK_SEQPACKET). A worker whose status socket closes has lost its
master and ends; a zygote too.
"""

import json
import os
import socket
from contextlib import suppress
from typing import NamedTuple

from pyfix.config.main_cf import MainCf, Setting

AVAILABLE = b"available"
"""Takes connections (again)."""
BUSY = b"busy"
"""Takes none until it says available."""
SERVED = b"served"
"""The first session is over: the worker works."""
LEAVING = b"leaving"
"""Takes none any more, and ends when its sessions do."""
IDLE = b"idle"
"""The same, for nobody wants anything."""

RETIRE = b"retire"
STRESS = b"stress"
CALM = b"calm"

CONTROL_FD = 3
"""Where a zygote finds its control socket."""
STATUS_FD = 3
"""Where a worker that was started by exec finds its status socket."""
MAIN_CF_FD = 4
"""Where both find main.cf as master read it; a worker's listening sockets follow."""

_ROOM = 65536


class Start(NamedTuple):
    """An order for one worker."""

    service: str
    type: str
    program: str
    args: tuple[str, ...] = ()
    overrides: tuple[tuple[str, str], ...] = ()
    limit: int = 0
    single: bool = False
    unpriv: bool = True
    chroot: bool = False
    verbose: int = 0
    linger: float | None = None
    """Seconds without work after which it may leave, where max_idle is nobody's wish; None: not before max_idle."""

    def encode(self) -> bytes:
        """As it travels."""
        return json.dumps(self).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Start":
        """From what encode gave."""
        start = cls(*json.loads(data))
        overrides = tuple((name, value) for name, value in start.overrides)
        return start._replace(args=tuple(start.args), overrides=overrides)


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a channel: master's, which does not block, and the other's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def send_start(control: socket.socket, order: Start, fds: list[int]) -> None:
    """Order a worker from the zygote; fds: its status socket, then its listening sockets."""
    socket.send_fds(control, [order.encode()], fds)


def receive_start(control: socket.socket) -> tuple[Start, list[int]] | None:
    """Wait for an order; None when master has gone."""
    data, fds, _, _ = socket.recv_fds(control, _ROOM, 64)
    return (Start.decode(data), list(fds)) if data else None


def snapshot(main: MainCf) -> int:
    """A descriptor to read main.cf from, as it is in this process: a later edit is not for now."""
    settings = {name: main.setting(name) for name in main.names()}
    fd = os.memfd_create("main.cf", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "w") as file:
        json.dump([main.config_dir, main.path, settings], file)
    return fd


def restore(fd: int) -> MainCf:
    """What snapshot took; closes the descriptor."""
    with os.fdopen(fd) as file:
        file.seek(0)
        config_dir, path, settings = json.load(file)
    return MainCf(config_dir, path, {name: Setting(*pair) for name, pair in settings.items()}, {})


def say(channel: socket.socket, word: bytes) -> None:
    """Say a word to a peer that may have gone, which it learns of elsewhere."""
    with suppress(OSError):
        channel.send(word)


def pid_word(pid: int) -> bytes:
    """What the zygote says of a worker that it has made."""
    return b"pid %d" % pid


def parse_pid(word: bytes) -> int | None:
    """The pid in that word, None for other words."""
    name, _, number = word.partition(b" ")
    return int(number) if name == b"pid" and number.isdigit() else None
