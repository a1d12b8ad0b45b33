"""listen - where a service of master.cf listens, and the sockets that do

An Endpoint names one socket; `endpoints` finds those of a service, `Listeners` holds the
sockets by endpoint, through every reload.

Parameters: inet_interfaces, inet_protocols, known_tcp_ports, queue_directory
"""

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from pyfix.config import networks, tcp_ports
from pyfix.config.hosts import SEPARATORS
from pyfix.config.main_cf import BadConfig
from pyfix.config.master_cf import Service
from pyfix.config.params.mail import MailParams
from pyfix.server import privileges
from pyfix.unix import sockets, users

_NUMBER = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_WILDCARD: dict[int, str] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104  # inet_interfaces = all
FOR_EVERYBODY = frozenset({"flush", "pickup", "postdrop", "postlog", "qmgr", "showq"})
"""Services in public/ for any local user; they look themselves at who asks."""


class Endpoint(NamedTuple):
    """One listening socket: inet with family, address and port; unix, unix-dgram or fifo with a path."""

    kind: str
    family: int
    address: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.address} port {self.port}" if self.kind == "inet" else self.address


class Interfaces(NamedTuple):
    """What inet_interfaces and inet_protocols amount to."""

    families: tuple[int, ...]
    addresses: tuple[str, ...]
    """Empty: every address of the families."""
    written: tuple[str, str]
    """inet_interfaces and inet_protocols, to see whether they changed."""


def interfaces(cfg: MailParams) -> Interfaces:
    """What to listen on where master.cf names no host. BadConfig: unknown words or hosts."""
    families = tuple(_NUMBER[protocol] for protocol in networks.protocols(cfg.main))
    everywhere = "all" in SEPARATORS.split(cfg.inet_interfaces)
    addresses = () if everywhere else tuple(networks.own_addresses(cfg.main))
    return Interfaces(families, addresses, written(cfg))


def written(cfg: MailParams) -> tuple[str, str]:
    """inet_interfaces and inet_protocols as they are in main.cf."""
    return cfg.inet_interfaces, cfg.inet_protocols


def resolve(host: str, families: Iterable[int], what: str) -> list[str]:
    """The addresses of a host in these families. BadConfig when there are none."""
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BadConfig(f"{what}: host not found: {host}: {error.strerror}") from None
    return [str(answer[4][0]) for answer in answers if answer[0] in set(families)]


def endpoints(service: Service, cfg: MailParams, where: Interfaces) -> list[Endpoint]:
    """Where a service listens. BadConfig: its name makes no address."""
    if service.type != "inet":
        kind = "unix" if service.type == "pass" else service.type
        directory = "private" if service.private else "public"
        return [Endpoint(kind, socket.AF_UNIX, f"{directory}/{service.name}")]
    host, port = split_host_port(service.name)
    number = port_number(port, cfg.known_tcp_ports)
    if host:
        addresses = resolve(host, where.families, f"service {service.name}")
    else:
        addresses = list(where.addresses) or [_WILDCARD[family] for family in where.families]
    return [Endpoint("inet", _family(address), address, number) for address in addresses]


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def split_host_port(name: str) -> tuple[str, str]:
    """Host and port of `port`, `host:port` or `[address]:port`; the host may be empty."""
    if name.startswith("["):
        host, _, port = name[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = name.rpartition(":")
    return host, port


def port_number(port: str, known: str) -> int:
    """The number of a TCP port; known: the names of known_tcp_ports, which come before the system's."""
    if port.isdecimal():
        return int(port)
    names, _ = tcp_ports.parse(known)
    if port in names:
        return names[port]
    try:
        return socket.getservbyname(port, "tcp")
    except OSError:
        raise BadConfig(f"unknown service: {port}/tcp") from None


class Listeners:
    """The sockets that are open, by endpoint. Unix sockets belong to `owner`."""

    def __init__(self, owner: users.User) -> None:
        self._owner = owner
        self._open: dict[Endpoint, int] = {}

    def open_new(self, wanted: dict[Endpoint, int]) -> list[Endpoint]:
        """Open those that are not open yet (endpoint -> backlog), or none. BadConfig says which can't be."""
        opened: list[Endpoint] = []
        for endpoint, backlog in wanted.items():
            if endpoint in self._open:
                continue
            try:
                self._open[endpoint] = self._listen(endpoint, backlog)
            except OSError as error:
                self.close(opened)
                raise BadConfig(f"bind {endpoint}: {error.strerror}") from None
            opened.append(endpoint)
        return opened

    def close_all_but(self, wanted: Iterable[Endpoint]) -> None:
        """Close what the new configuration does not have."""
        self.close([endpoint for endpoint in self._open if endpoint not in set(wanted)])

    def close(self, endpoints: Iterable[Endpoint]) -> None:
        """Close these; Unix sockets are removed from the file system."""
        for endpoint in list(endpoints):
            os.close(self._open.pop(endpoint))
            if endpoint.kind != "inet":
                with suppress(FileNotFoundError):  # somebody has removed it
                    os.unlink(endpoint.address)

    def fd(self, endpoint: Endpoint) -> int:
        """The descriptor that listens there."""
        return self._open[endpoint]

    def _listen(self, endpoint: Endpoint, backlog: int) -> int:
        if endpoint.kind == "inet":
            sock = sockets.listen_inet(endpoint.family, endpoint.address, endpoint.port, backlog)
            return sock.detach()
        with privileges.acting_as(self._owner):
            if endpoint.kind == "fifo":
                return sockets.open_fifo(endpoint.address)
            if endpoint.kind == "unix-dgram":
                return sockets.bind_datagram(endpoint.address).detach()
            return sockets.listen_unix(endpoint.address, backlog, socket_mode(endpoint.address)).detach()


def socket_mode(path: str) -> int:
    """Everybody may enter public/, so that each socket there says itself for whom it is."""
    directory, _, name = path.rpartition("/")
    return 0o660 if directory == "public" and name not in FOR_EVERYBODY else 0o666
