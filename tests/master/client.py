"""client - speaks to a toy service, a line there and a line back"""

import socket


class Client:
    """A connection that speaks in lines."""

    def __init__(self, address) -> None:
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        self.sock = socket.socket(family)
        self.sock.settimeout(20)
        self.sock.connect(address)

    def ask(self, line: str) -> str:
        self.sock.sendall(line.encode() + b"\n")
        return self.sock.recv(65536).decode().rstrip("\n")

    def pid(self) -> int:
        return int(self.ask("who").split()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
