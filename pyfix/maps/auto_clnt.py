"""auto_clnt - a connection to a server that a table asks, with a time limit for each answer

    stream = connect("inet:127.0.0.1:11211", timeout=2)
    stream.send(b"get a\\r\\n")
    stream.line(1024)

Everything raises OSError: no connection, no answer in time, an end or a line that should not be.
"""

import errno
import os
import socket
import ssl
import time
from contextlib import suppress

from pyfix.maps.table import OpenError
from pyfix.unix import jail

READ_SIZE = 65536


class Stream:
    """A blocking connection. timeout: seconds from one `send` until all of the answer is there."""

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self._sock = sock
        self._timeout = timeout
        self._buffer = b""
        self._until = 0.0

    def send(self, data: bytes) -> None:
        """A question; its answer must come within the time limit."""
        self._until = time.monotonic() + self._timeout
        self._buffer = b""
        self._sock.settimeout(self._timeout)
        self._sock.sendall(data)

    def some(self) -> bytes:
        """What is there or comes next."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        self._sock.settimeout(left)
        data = self._sock.recv(READ_SIZE)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "lost connection")
        return data

    def line(self, limit: int) -> bytes:
        """Up to the next line feed, which is taken off."""
        data = self._buffer
        self._buffer = b""
        while (end := data.find(b"\n")) < 0:
            if len(data) > limit:
                raise OSError(errno.EMSGSIZE, "line too long")
            data += self.some()
        if end > limit:
            raise OSError(errno.EMSGSIZE, "line too long")
        self._buffer = data[end + 1 :]
        return data[:end]

    def exactly(self, count: int) -> bytes:
        """So many bytes."""
        data, self._buffer = self._buffer, b""
        while len(data) < count:
            data += self.some()
        self._buffer = data[count:]
        return data[:count]

    def close(self) -> None:
        """Hang up."""
        self._sock.close()


def tls_context(
    table: str, *, ca_file: str, ca_dir: str, cert: str, key: str, ciphers: str, verify: bool
) -> ssl.SSLContext:
    """How a table's connections use TLS; an empty text is not set. OpenError: what can't be read or done.

    A server's certificate must come from one of the authorities, if any are given; with verify its name counts, too.
    """
    what = ca_file or ca_dir
    try:
        context = ssl.create_default_context(cafile=ca_file or None, capath=ca_dir or None)
        context.check_hostname = verify
        context.verify_mode = ssl.CERT_REQUIRED if verify or ca_file or ca_dir else ssl.CERT_NONE
        if cert:
            what = f"{cert}, {key}"
            context.load_cert_chain(cert, key or None)
        if ciphers:
            what = ciphers
            context.set_ciphers(ciphers)
    except (OSError, ssl.SSLError) as error:
        raise OpenError(f"{table}: TLS: {what}: {error.strerror or error}") from None
    return context


def connect(where: str, *, timeout: float, port: int = 0) -> Stream:
    """A connection to `unix:path`, `inet:host:port`, or the same without `inet:`.

    port: where none is named.
    """
    if where.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            sock.settimeout(timeout)
            sock.connect(where.removeprefix("unix:"))
        except OSError:
            sock.close()
            raise
        return Stream(sock, timeout)
    return Stream(connected(*split_host(where.removeprefix("inet:"), port), timeout), timeout)


def connected(host: str, port: int, timeout: float) -> socket.socket:
    """A connection to a host, which may be one that was remembered. OSError."""
    sock = socket.create_connection((jail.reachable(host), port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def remember(where: str, port: int = 0) -> None:
    """The host of such a place will be connected, perhaps in a jail."""
    if not where.startswith(("unix:", "/")):
        with suppress(OSError):
            jail.remember(split_host(where.removeprefix("inet:"), port)[0])


def split_host(text: str, port: int) -> tuple[str, int]:
    """Host and port of `host`, `host:port`, `[host]:port`. OSError: no number, no service."""
    host, colon, number = text.rpartition(":")
    if not colon or number.endswith("]"):
        host, number = text, ""
    host = host.removeprefix("[").removesuffix("]")
    if not number:
        return host, port
    return host, int(number) if number.isdecimal() else socket.getservbyname(number, "tcp")
