"""peer - who the client is

The name is what the address's PTR record says when that name has the address; else it is
`unknown`, while reverse_name keeps what the PTR said. Look-ups block, so they run in
threads, and answers are kept for a while: a client that comes often costs one. In a jail the
system's resolver finds neither its configuration nor /etc/hosts; there pyfix.smtpd.peer_dns asks.

Parameters: smtpd_peername_lookup, smtpd_client_port_logging.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pyfix.smtpd import log
from pyfix.unix import msg

UNKNOWN = "unknown"
OK, TEMPORARY, PERMANENT = 2, 4, 5
KEEP = 30.0  # seconds
LIMIT = 10000  # clients
TROUBLE_MAY_PASS = frozenset({socket.EAI_AGAIN, socket.EAI_MEMORY, socket.EAI_SYSTEM})


@dataclass(frozen=True, slots=True)
class Names:
    """What an address is called. name_code, reverse_code: OK, TEMPORARY (ask again), PERMANENT."""

    name: str = UNKNOWN
    reverse_name: str = UNKNOWN
    name_code: int = PERMANENT
    reverse_code: int = PERMANENT


NAMELESS = Names()


Addresses = tuple[str, str, str, str, int]
"""Both ends of a connection, as Peer has them: address, port, server_address, server_port, family."""


class Peer:
    """The client of a session. addresses without brackets, IPv4-mapped ones as IPv4; ports as text."""

    __slots__ = ("address", "client", "family", "name", "names", "origin", "port", "server_address", "server_port")

    def __init__(
        self,
        names: Names,
        address: str,
        port: str,
        server_address: str,
        server_port: str,
        family: int,
        log_port: bool = False,
    ) -> None:
        self.names = names
        self.address = address
        self.port = port
        self.server_address = server_address
        self.server_port = server_port
        self.family = family
        self.name = names.name
        """The verified name."""
        self.origin = f"{names.name}[{address}]"
        """name[address], never with the port."""
        self.client = f"{self.origin}:{port}" if log_port else self.origin
        """name[address] for the log and for replies."""

    @property
    def literal(self) -> str:
        """The address as Received: headers have it."""
        return f"IPv6:{self.address}" if ":" in self.address else self.address


LookUp = Callable[[str], Awaitable[Names]]


class NameCache:
    """The names of addresses. look_up: address -> Names; None: nobody is asked for names."""

    def __init__(self, look_up: LookUp | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._look_up = look_up
        self._clock = clock
        self._known: dict[str, tuple[float, Names]] = {}

    def known(self, address: str) -> Names | None:
        """What the address is called, when that is known without asking."""
        if self._look_up is None:
            return NAMELESS
        known = self._known.get(address)
        return known[1] if known is not None and known[0] > self._clock() else None

    async def names(self, address: str) -> Names:
        """What the address is called."""
        known = self.known(address)
        if known is not None or self._look_up is None:
            return known or NAMELESS
        names = await self._look_up(address)
        self._known.pop(address, None)
        if len(self._known) >= LIMIT:
            del self._known[next(iter(self._known))]
        self._known[address] = (self._clock() + KEEP, names)
        return names


async def look_up(address: str) -> Names:
    """Ask the system's resolver."""
    return await asyncio.get_running_loop().run_in_executor(None, look_up_now, address)


def look_up_now(address: str) -> Names:
    """Ask the system's resolver for the name, and whether the name has the address (blocks)."""
    try:
        name = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
    except OSError as error:
        code = _code(error)
        return Names(name_code=code, reverse_code=code)
    if not is_host_name(name):
        msg.warning(log.not_a_name(name))
        return Names()
    try:
        found = {str(row[4][0]) for row in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except OSError as error:
        msg.warning(log.not_forward(name, address, error.strerror or ""))
        return Names(reverse_name=name, name_code=_code(error), reverse_code=OK)
    if address not in found:
        msg.warning(log.not_forward(name, address))
        return Names(reverse_name=name, reverse_code=OK)
    return Names(name, name, OK, OK)


def _code(error: OSError) -> int:
    return TEMPORARY if error.errno in TROUBLE_MAY_PASS else PERMANENT


def is_host_name(name: str) -> bool:
    """Whether what a PTR record says can be the name of a host."""
    labels = name.rstrip(".").split(".")
    return (
        not labels[-1].isdigit()
        and ":" not in name
        and all(0 < len(label) < 64 and label.isascii() for label in labels)
    )


def addresses(sock: socket.socket, client: Any) -> Addresses:
    """Who is connected to whom. client: the peer as accept() tells it."""
    if not isinstance(client, tuple):  # of a Unix socket
        return "127.0.0.1", "0", "127.0.0.1", "0", _FOUR
    server = sock.getsockname()
    address, local = client[0], server[0]
    if ":" in address:
        address, local = _unmapped(address), _unmapped(local)
    return address, str(client[1]), local, str(server[1]), _SIX if ":" in address else _FOUR


_FOUR, _SIX = int(socket.AF_INET), int(socket.AF_INET6)


def _unmapped(address: str) -> str:
    address = address.partition("%")[0]
    return address[7:] if address.lower().startswith("::ffff:") and "." in address else address
