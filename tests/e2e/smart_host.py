"""smart_host - a host that relays for us: away at first, then too busy, then well

    with SmartHost() as host:      # connections are refused
        host.mood = BUSY           # 4xx, or a lost connection, at one stage after the other
        host.mood = WELL           # takes mail, but not for gone...@, nor with "X-Refuse: yes" in it
        host.taken                 # (recipient, text) of what it has said 250 to
"""

import contextlib
import itertools
import socket
import threading
from typing import Self

AWAY, BUSY, WELL = "away", "busy", "well"

EHLO = "250-smart.test\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME"
ANSWERS = {"EHLO": EHLO, "HELO": "250 smart.test", "RSET": "250 2.0.0 Ok", "MAIL": "250 2.1.0 Ok"}
TROUBLES = (
    ("", "421 4.3.2 too many connections"),
    ("MAIL", "452 4.3.1 no space"),
    ("RCPT", "450 4.2.0 greylisted"),
    ("RCPT", "450 4.2.0 greylisted"),
    (".", "451 4.3.0 try again"),
    (".", "451 4.3.0 try again"),
    (".", ""),
)
"""What goes wrong with a message while it is busy; "" is the greeting, or a lost connection."""

NO_TROUBLE = ("nowhere", "")


class LostConnectionError(Exception):
    """This session is over."""


class SmartHost:
    """taken: what it accepted; failed: how often it said 4xx or hung up."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.failed = 0
        self._mood = AWAY
        self._troubles = itertools.cycle(TROUBLES)
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))  # without listen(): connections to it are refused
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._mood != AWAY:
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    @property
    def mood(self) -> str:
        return self._mood

    @mood.setter
    def mood(self, mood: str) -> None:
        before, self._mood = self._mood, mood
        if before == AWAY:
            self._listener.listen(100)
            self._start(self._accept)

    def _start(self, target, *arguments) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, LostConnectionError), sock, sock.makefile("rb") as stream:
            Session(self, sock, stream).talk()

    def trouble(self) -> tuple[str, str]:
        """What happens to this session or its next message; nothing when well."""
        return next(self._troubles) if self._mood == BUSY else NO_TROUBLE


class Session:
    """One connection of a client."""

    def __init__(self, host: SmartHost, sock: socket.socket, stream) -> None:
        self.host, self.sock, self.stream = host, sock, stream
        self.trouble = host.trouble()
        self.recipients: list[str] = []
        self.open = False
        """After a good MAIL."""

    def answer(self, stage: str, text: str) -> bool:
        """Say it, or what is wrong at this stage; whether it went well."""
        where, wrong = self.trouble
        if where == stage:
            self.host.failed += 1
            text = wrong
        if not text:
            self.sock.shutdown(socket.SHUT_RDWR)
            raise LostConnectionError
        self.sock.sendall(text.encode() + b"\r\n")
        if text.startswith("421"):
            self.sock.shutdown(socket.SHUT_RDWR)
            raise LostConnectionError
        return text.startswith(("2", "3"))

    def talk(self) -> None:
        self.answer("", "220 smart.test ESMTP")
        while line := self.stream.readline().decode():
            verb = line[:4].upper()
            if verb == "RCPT":
                self.rcpt(line.partition("<")[2].partition(">")[0])
            elif verb == "DATA":
                self.data()
            elif verb == "QUIT":
                self.answer("QUIT", "221 2.0.0 Bye")
                return
            else:
                self.other(verb)

    def other(self, verb: str) -> None:
        if verb == "MAIL":
            self.trouble = self.host.trouble()
        if verb in {"MAIL", "RSET"}:
            self.recipients.clear()
        said = self.answer(verb, ANSWERS.get(verb, "500 5.5.2 what?"))
        self.open = verb == "MAIL" and said

    def rcpt(self, address: str) -> None:
        if not self.open:
            self.answer("refusal", "503 5.5.1 MAIL first")
        elif self.trouble[0] != "RCPT" and address.startswith("gone"):
            self.answer("refusal", f"550 5.1.1 <{address}>: nobody of that name")
        elif self.answer("RCPT", "250 2.1.5 Ok"):
            self.recipients.append(address)

    def data(self) -> None:
        if not self.recipients:
            self.answer("DATA", "554 5.5.1 no valid recipients")
            return
        self.answer("DATA", "354 go on")
        lines = []
        while (line := self.stream.readline()) != b".\r\n":
            if not line:
                raise LostConnectionError
            lines.append(line)
        self.end(b"".join(lines))

    def end(self, text: bytes) -> None:
        head = text.partition(b"\r\n\r\n")[0]
        if self.trouble[0] != "." and b"\r\nX-Refuse: yes" in head:
            self.answer("refusal", "554 5.7.1 we do not want this")
        elif self.answer(".", "250 2.0.0 Ok: taken"):
            self.host.taken += [(address, text) for address in self.recipients]
        self.recipients.clear()
