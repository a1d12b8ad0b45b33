"""sockets - listening sockets of every kind, and who is at the other end

Everything made here is non-blocking and closed by exec.
"""

import os
import socket
import stat
import struct
from typing import NamedTuple


class Peer(NamedTuple):
    """The process at the other end of a Unix connection, as the kernel knows it."""

    pid: int
    uid: int
    gid: int


def peer_credentials(sock: socket.socket) -> Peer:
    """Who connected to (or listens on) a connected Unix socket."""
    size = struct.calcsize("3i")
    return Peer(*struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)))


def listen_inet(family: int, address: str, port: int, backlog: int) -> socket.socket:
    """Listen on one IPv4 or IPv6 address (IPv6 sockets take no IPv4). OSError: taken, or not ours."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def listen_unix(path: str, backlog: int, mode: int = 0o666) -> socket.socket:
    """Listen on a Unix stream socket; a socket left behind at the path is replaced."""
    sock = _bind_unix(socket.SOCK_STREAM, path, mode)
    sock.listen(backlog)
    return sock


def bind_datagram(path: str, mode: int = 0o666) -> socket.socket:
    """A Unix datagram socket that receives at the path; one left behind is replaced."""
    return _bind_unix(socket.SOCK_DGRAM, path, mode)


def _bind_unix(kind: int, path: str, mode: int) -> socket.socket:
    _remove(path, stat.S_ISSOCK)
    sock = socket.socket(socket.AF_UNIX, kind)
    mask = os.umask(0o777 & ~mode)  # the socket has its mode from the first moment on
    try:
        sock.bind(path)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(mask)
    sock.setblocking(False)
    return sock


def open_fifo(path: str, mode: int = 0o622) -> int:
    """Make a fifo and open it for reading (and writing, so that it never ends)."""
    _remove(path, stat.S_ISFIFO)
    mask = os.umask(0o777 & ~mode)
    try:
        os.mkfifo(path, mode)
    finally:
        os.umask(mask)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)


def _remove(path: str, of_kind: object) -> None:
    """Remove what an earlier process left, if it is of that kind; anything else is in the way."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if callable(of_kind) and of_kind(mode):
        os.unlink(path)


def local_address_exists(family: int) -> bool:
    """Whether this host speaks that family at all."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
    except OSError:
        return False
    return True
