"""broken - a server that follows a script, to see what clients make of it

    with Broken({"RCPT": ["450 4.2.0 later"]}) as server:
        server.port, server.sessions       # the commands of each connection

A script says what a verb is answered with, one after the other (the last one stays): text, or
HANG_UP, STALL, or DRIP (a byte now and then), or a function of the session's commands that returns the text.
"" is the greeting, "." the end of the text; what follows a 3xx answer to AUTH is answered by AUTH's script. Everything
else is accepted.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import BinaryIO, Self

HANG_UP = "hang up"
DRIP = "drip"
STALL = "stall"

Answer = str | Callable[[list[str]], str]
Answers = dict[str, str | list[Answer]]

DEFAULTS = {
    "": "220 broken.test ESMTP",
    "EHLO": "250-broken.test\r\n250-PIPELINING\r\n250-SIZE 10000\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME",
    "LHLO": "250-broken.test\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME",
    "HELO": "250 broken.test",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 End data with <CR><LF>.<CR><LF>",
    ".": "250 2.0.0 Ok: queued as 12345",
    "RSET": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


class Broken:
    """answers: by verb, instead of the usual ones."""

    def __init__(
        self, answers: Answers | None = None, *, lmtp: bool = False, path: str = ""
    ) -> None:
        self.sessions: list[list[str]] = []
        self.texts: list[bytes] = []
        self._answers: dict[str, list[Answer]] = {verb: [text] for verb, text in DEFAULTS.items()}
        for verb, text in (answers or {}).items():
            self._answers[verb] = [text] if isinstance(text, str) else list(text)
        self._lmtp = lmtp
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self._listener.bind(path or ("127.0.0.1", 0))
        self._listener.listen(20)
        self.port = 0 if path else self._listener.getsockname()[1]
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if not self._path:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        commands: list[str] = []
        self.sessions.append(commands)
        with contextlib.suppress(OSError, ValueError), sock, sock.makefile("rb") as stream:
            self._talk(sock, stream, commands)

    def _talk(self, sock: socket.socket, stream: BinaryIO, commands: list[str]) -> None:
        good = 0
        if not self._answer(sock, "", commands):
            return
        dialog = False
        while line := stream.readline():
            command = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            commands.append(command)
            verb = "AUTH" if dialog else command[:4].upper()
            answer = self._answer(sock, verb, commands)
            if answer is None:
                return
            dialog = verb == "AUTH" and answer.startswith("3")
            good += verb == "RCPT" and answer.startswith("2")
            if verb == "DATA" and answer.startswith("3"):
                text = []
                while (line := stream.readline()) not in {b".\r\n", b""}:
                    text.append(line)
                if line:
                    self.texts.append(b"".join(text))
                    commands.append(".")
                for _ in range(good if self._lmtp else 1):
                    if self._answer(sock, ".", commands) is None:
                        return
            if verb == "QUIT":
                sock.shutdown(socket.SHUT_RDWR)
                return

    def _answer(self, sock: socket.socket, verb: str, commands: list[str]) -> str | None:
        left = self._answers.get(verb, ["500 5.5.2 what?"])
        found = left.pop(0) if len(left) > 1 else left[0]
        text = found if isinstance(found, str) else found(commands)
        if text == HANG_UP:
            sock.shutdown(socket.SHUT_RDWR)
            return None
        if text == DRIP:
            while not self._stop.wait(0.3):
                sock.sendall(b"2")
            return None
        if text == STALL:
            self._stop.wait(60)
            return None
        sock.sendall(text.encode("utf-8", "surrogateescape") + b"\r\n")
        if text.startswith("421"):
            sock.shutdown(socket.SHUT_RDWR)
            return None
        return text
