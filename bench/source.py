"""source - sends mail over many connections at once, cheaply: one process, plain sockets, one epoll loop

usage: python -m bench.source [--messages N] [--connections N] [--size BYTES] [--to ADDRESS]
    [--recipients N] [--domains N] [--tls full|resume] HOST:PORT

Like smtp-source: a new connection for each message, a command at a time, except that
several RCPT commands travel together. Ends with 1 at the first answer that is not good.
"""

from __future__ import annotations

import argparse
import re
import selectors
import socket
import ssl
import sys
from dataclasses import dataclass

LINE = re.compile(rb"^(\d\d\d)[ ].*\r\n", re.MULTILINE)
"""The last line of a reply."""
PATIENCE = 60.0


@dataclass(frozen=True)
class Step:
    """What is sent, how many replies follow, how they begin."""

    data: bytes
    replies: int = 1
    code: bytes = b"2"


def script(asked: argparse.Namespace) -> tuple[list[Step], list[Step]]:
    """The dialog until STARTTLS (empty without), and the rest of it."""
    hello = Step(b"EHLO client.example\r\n")
    local, _, domain = asked.to.partition("@")
    recipients = [
        f"{local}{n}@d{n % asked.domains}.test" if asked.recipients > 1 else f"{local}@{domain}"
        for n in range(asked.recipients)
    ]
    rcpt = b"".join(b"RCPT TO:<%s>\r\n" % recipient.encode() for recipient in recipients)
    message = [
        hello,
        Step(b"MAIL FROM:<sender@example.com>\r\n"),
        Step(rcpt, len(recipients)),
        Step(b"DATA\r\n", code=b"3"),
        Step(text(asked.size)),
        Step(b"QUIT\r\n"),
    ]
    greeting = Step(b"")
    return ([greeting, hello, Step(b"STARTTLS\r\n")], message) if asked.tls else ([], [greeting, *message])


def text(size: int) -> bytes:
    """A message whose body has so many bytes (one more where a line would have one byte), and its end."""
    line = b"X" * 78 + b"\r\n"
    whole, rest = divmod(size, len(line))
    body = line * whole + line[-max(rest, 2) :] * bool(rest)
    return b"From: <sender@example.com>\r\nTo: <user@example.org>\r\nSubject: load\r\n\r\n" + body + b".\r\n"


class Client:
    """One connection at a time, one message on each."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._session: ssl.SSLSession | None = None
        self._connect()

    def _connect(self) -> None:
        clear, rest = self._source.script
        self._steps = iter(clear or rest)
        self._in_tls = False
        self._shaking = self._blocked = False
        self._received = b""
        self._sock: socket.socket = socket.create_connection(self._source.address, PATIENCE)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setblocking(False)
        self._source.watch(self._sock, self, selectors.EVENT_READ)
        self._next()

    def _next(self) -> None:
        step = next(self._steps, None)
        if step is not None:
            self._missing, self._code = step.replies, step.code
            self._left = memoryview(step.data)
            self._write()
        elif self._source.script[0] and not self._in_tls:
            self._start_tls()
        else:
            self._end()

    def _start_tls(self) -> None:
        self._source.forget(self._sock)
        assert self._source.context is not None
        self._sock = self._source.context.wrap_socket(
            self._sock, do_handshake_on_connect=False, session=self._session, server_hostname="bench.example"
        )
        self._in_tls = self._shaking = True
        self._source.watch(self._sock, self, selectors.EVENT_READ)
        self._steps = iter(self._source.script[1])
        self._shake()

    def _shake(self) -> None:
        assert isinstance(self._sock, ssl.SSLSocket)
        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            return
        self._shaking = False
        self._next()

    def ready(self, events: int) -> None:
        """The connection can be read or written."""
        if self._shaking:
            self._shake()
        elif events & selectors.EVENT_WRITE:
            self._write()
        else:
            self._read()

    def _write(self) -> None:
        blocked = False
        try:
            while self._left:
                self._left = self._left[self._sock.send(self._left) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            blocked = True
        if blocked != self._blocked:
            self._blocked = blocked
            self._source.change(self._sock, self, selectors.EVENT_WRITE if blocked else selectors.EVENT_READ)

    def _read(self) -> None:
        try:
            data = self._sock.recv(65536)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        if not data:
            raise ConnectionError("the server closed the connection")
        self._received += data
        last = 0
        for found in LINE.finditer(self._received):
            if not found[1].startswith(self._code):
                raise ValueError(found[0].decode(errors="replace"))
            self._missing -= 1
            last = found.end()
        self._received = self._received[last:]
        if self._missing == 0:
            self._next()

    def _end(self) -> None:
        if self._source.resume and isinstance(self._sock, ssl.SSLSocket):
            self._session = self._sock.session
        self._source.forget(self._sock)
        self._sock.close()
        if self._source.another():
            self._connect()


class Source:
    """All clients, and how many messages are still to be begun."""

    def __init__(self, asked: argparse.Namespace) -> None:
        host, _, port = asked.server.rpartition(":")
        self.address = (host, int(port))
        self.script = script(asked)
        self.resume = asked.tls == "resume"
        self.context = _context() if asked.tls else None
        self._left = asked.messages
        self._selector = selectors.DefaultSelector()
        self._connections = asked.connections

    def another(self) -> bool:
        """Whether one more message is to be sent; the caller sends it."""
        self._left -= 1
        return self._left >= 0

    def watch(self, sock: socket.socket, client: Client, events: int) -> None:
        """Call client.ready() when something can be done."""
        self._selector.register(sock, events, client)

    def change(self, sock: socket.socket, client: Client, events: int) -> None:
        """Something else is waited for."""
        self._selector.modify(sock, events, client)

    def forget(self, sock: socket.socket) -> None:
        """The connection ends."""
        self._selector.unregister(sock)

    def run(self) -> None:
        """Send everything. OSError, ValueError: something went wrong."""
        for _ in range(self._connections):
            if self.another():
                Client(self)
        while self._selector.get_map():
            ready = self._selector.select(PATIENCE)
            if not ready:
                raise TimeoutError("no answer")
            for key, events in ready:
                key.data.ready(events)


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="send mail over many connections at once")
    parser.add_argument("--messages", type=int, default=1)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--size", type=int, default=4096, help="bytes of the body")
    parser.add_argument("--to", default="user@example.org")
    parser.add_argument("--recipients", type=int, default=1, help="of each message")
    parser.add_argument("--domains", type=int, default=1)
    parser.add_argument("--tls", choices=["full", "resume"])
    parser.add_argument("server", help="host:port")
    try:
        Source(parser.parse_args()).run()
    except (OSError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
