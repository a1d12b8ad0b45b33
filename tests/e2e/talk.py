"""talk - an SMTP client that sends exactly the bytes it is given"""

from __future__ import annotations

import socket
from typing import Self

from tests.e2e.corpus import stuffed


class Talk:
    """One connection; every method returns replies as (code, text) with lines joined by newlines."""

    def __init__(self, port: int, host: str = "127.0.0.1", timeout: float = 30) -> None:
        self.sock = socket.create_connection((host, port), timeout)
        self._file = self.sock.makefile("rb")
        self.greeting = self.reply()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up without a word."""
        self._file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        """These bytes and no others."""
        self.sock.sendall(data)

    def reply(self) -> tuple[int, str]:
        """The next reply; (0, "") when the server hangs up instead."""
        lines = []
        while True:
            line = self._file.readline()
            if not line:
                return 0, ""
            lines.append(line[4:].rstrip(b"\r\n").decode("utf-8", "replace"))
            if line[3:4] != b"-":
                return int(line[:3]), "\n".join(lines)

    def ask(self, command: str) -> tuple[int, str]:
        """One command, one reply."""
        self.send(command.encode() + b"\r\n")
        return self.reply()

    def deliver(
        self, data: bytes, recipients: list[str], *, sender: str = "sender@example.com", options: str = ""
    ) -> tuple[int, str]:
        """A whole transaction, envelope in one group; the reply to the final dot, or to DATA if refused."""
        commands = [f"MAIL FROM:<{sender}>{options}", *[f"RCPT TO:<{r}>" for r in recipients], "DATA"]
        self.send("".join(command + "\r\n" for command in commands).encode())
        replies = [self.reply() for _ in commands]
        if replies[-1][0] != 354:
            return replies[-1]
        self.send(stuffed(data))
        return self.reply()
