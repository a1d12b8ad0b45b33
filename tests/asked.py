"""asked - a server of lookup tables that knows what to answer and writes down what it is asked

    with asked({r"transport_maps\\|.*": "smtp:[127.0.0.1]"}) as server:
        spec = server.memcache(directory, "transport_maps")     or server.tcp(), server.socketmap("transport_maps")
        server.keys     # ["transport_maps|u@d.test", ...]

It speaks memcached's protocol, tcp_table(5)'s and socketmap_table(5)'s on one port.
"""

import re
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote


class Asked(socketserver.ThreadingTCPServer):
    """Answers `NAME|KEY` from a dict of patterns, and remembers what it was asked; tcp tables have no name."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, answers: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.answers = dict(answers)
        self.keys: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def memcache(self, top: Path, name: str) -> str:
        """A table of fixed strings; its file is below top."""
        path = top / f"{name}.cf"
        path.write_text(f"memcache = inet:127.0.0.1:{self.port}\nkey_format = {name}|%s\n")
        path.chmod(0o644)
        return f"memcache:{path}"

    def tcp(self) -> str:
        """A table without a name."""
        return f"tcp:127.0.0.1:{self.port}"

    def socketmap(self, name: str) -> str:
        """A table that knows its name."""
        return f"socketmap:inet:127.0.0.1:{self.port}:{name}"

    def answer(self, asked: str) -> str | None:
        self.keys.append(asked)
        for pattern, value in self.answers.items():
            match = re.fullmatch(pattern, asked)
            if match:
                return match.expand(value)
        return None


class _Client(socketserver.StreamRequestHandler):
    server: Asked

    def handle(self) -> None:
        while True:
            first = self.rfile.read(1)
            if first.isdigit():
                self._netstring(first)
            elif first:
                self._line(first + self.rfile.readline())
            else:
                return

    def _line(self, line: bytes) -> None:
        verb, _, asked = line.decode(errors="surrogateescape").strip("\r\n").partition(" ")
        if verb != "get":
            self.wfile.write(b"ERROR\r\n")
        elif not line.endswith(b"\r\n"):
            value = self.server.answer(unquote(asked))
            self.wfile.write(b"500 no\n" if value is None else f"200 {quote(value)}\n".encode())
        else:
            value = self.server.answer(asked)
            found = "" if value is None else f"VALUE {asked} 0 {len(value)}\r\n{value}\r\n"
            self.wfile.write(f"{found}END\r\n".encode(errors="surrogateescape"))

    def _netstring(self, first: bytes) -> None:
        size = first
        while not size.endswith(b":"):
            size += self.rfile.read(1)
        name, _, key = self.rfile.read(int(size[:-1]) + 1)[:-1].decode(errors="surrogateescape").partition(" ")
        value = self.server.answer(f"{name}|{key}")
        answer = "NOTFOUND " if value is None else f"OK {value}"
        self.wfile.write(f"{len(answer.encode())}:{answer},".encode())


@contextmanager
def asked(answers: Mapping[str, str] | None = None) -> Iterator[Asked]:
    with Asked(answers or {}) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server
        server.shutdown()
