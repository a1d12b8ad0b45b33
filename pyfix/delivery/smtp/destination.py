"""destination - what a next hop says

    example.com         example.com:587        look up the MX records (SMTP)
    [mx.example.com]    [192.0.2.1]:2525       this host only; IPv6 as [ipv6:2001:db8::1]
    unix:path           inet:host:port         LMTP; the path is below queue_directory

Several, separated by commas or white space, are tried in order. Sources: smtp(8), lmtp(8).
"""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

from pyfix.config import tcp_ports
from pyfix.config.hosts import SEPARATORS
from pyfix.mail.error import Retry

PARTS = re.compile(r"(\[(?P<literal>[^]\[]+)\]|(?P<name>[^]\[:]+))(?::(?P<port>[^]\[:]+))?")
MOST_PORT = 65535


class Destination(NamedTuple):
    """text: as it was written; host: a domain (mx) or a host or an address; path: of a Unix socket, or empty;
    service: the port as it was written.
    """

    text: str
    host: str
    port: int = 0
    mx: bool = False
    path: str = ""
    service: str = ""

    @property
    def name(self) -> str:
        """As it was written, but without unix: or inet: in front: for tables."""
        return self.text if self.mx else self.path or self.text.removeprefix("inet:")


class BadDestination(Retry):
    """The administrator's mistake; the mail waits."""

    status = "4.3.5"


class Ports:
    """Port numbers by name. known: known_tcp_ports (`name=name=number, ...`), asked before the system."""

    def __init__(self, known: str) -> None:
        self._known, _ = tcp_ports.parse(known)

    def number(self, text: str) -> int:
        """The port that is meant. BadDestination: there is none."""
        text = str(self._known.get(text, text))
        if text.isascii() and text.isdigit() and 0 < int(text) <= MOST_PORT:
            return int(text)
        try:
            return socket.getservbyname(text, "tcp")
        except OSError:
            raise BadDestination(f"unknown service: {text}/tcp") from None


def split(nexthop: str) -> list[str]:
    """The destinations in a list."""
    return [word for word in SEPARATORS.split(nexthop) if word]


def parse(text: str, ports: Ports, default_port: str, *, lmtp: bool) -> Destination:
    """One destination. BadDestination: it is none."""
    rest = text
    if lmtp:
        scheme, colon, rest = text.partition(":")
        if colon and scheme == "unix":
            return Destination(text, "", path=rest)
        if not colon or scheme != "inet":
            rest = text
    found = PARTS.fullmatch(rest)
    if found is None:
        raise BadDestination(f"bad destination: {text}")
    literal = found["literal"]
    service = found["port"] or default_port
    port = ports.number(service)
    if literal is None:
        return Destination(text, found["name"], port, mx=not lmtp, service=service)
    return Destination(text, literal[5:] if literal[:5].lower() == "ipv6:" else literal, port)
