"""networks - the addresses and networks of this host, as main.cf sees them

inet_protocols and inet_interfaces choose among the addresses that the host has; the default
of mynetworks is made of what they leave.

Sources: postconf(5).
"""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Interface, ip_address, ip_network

from pyfix.config.hosts import SEPARATORS
from pyfix.config.main_cf import MainCf
from pyfix.unix.interfaces import Interface, addresses

_kept: dict[tuple[str, str], tuple[Interface, ...]] = {}


def keep(main: MainCf) -> None:
    """Look for the own addresses once for all processes that will be forked from this one. Raises BadConfig.

    What was found before is forgotten: the host may have other addresses now.
    """
    _kept.clear()
    _kept[_asked(main)] = tuple(_own(main))


def _asked(main: MainCf) -> tuple[str, str]:
    return main.value("inet_interfaces"), main.value("inet_protocols")


def protocols(main: MainCf) -> tuple[str, ...]:
    """The protocols of inet_protocols that this host has: "ipv4", "ipv6". Raises BadConfig."""
    setting = main.value("inet_protocols")
    words = [word for word in SEPARATORS.split(setting.strip()) if word]
    for word in words:
        if word not in {"all", "ipv4", "ipv6"}:
            raise main.bad("inet_protocols", f'unknown inet_protocols value "{word}" in "{setting}"')
    return tuple(name for name in ("ipv4", "ipv6") if (not words or {name, "all"} & {*words}) and _has(name))


def host_addresses(main: MainCf) -> list[Interface]:
    """Every address of this host that inet_protocols allows, with its network."""
    found = [one for name in protocols(main) for one in addresses(_family(name))]
    return sorted(found, key=lambda one: (one.version, one.packed))


def own_addresses(main: MainCf) -> list[str]:
    """The addresses on which this system receives mail, by inet_interfaces.

    "all" means every address of the host. Raises BadConfig: no such host, or not of this host.
    """
    return [str(found.ip) for found in _kept.get(_asked(main)) or _own(main)]


def proxy_addresses(main: MainCf) -> list[str]:
    """The addresses of proxy_interfaces, resolved."""
    name = "proxy_interfaces"
    return [address for host in _words(main, name) for address in _resolve(main, name, host)]


def default_mynetworks(main: MainCf) -> str:
    """The networks of this system's own addresses, by mynetworks_style."""
    style = main.value("mynetworks_style")
    words = SEPARATORS.split(style)
    for word in words:
        if word not in {"class", "subnet", "host"}:
            problem = f'unknown mynetworks mask style value "{word}" in "{style}"'
            raise main.bad("mynetworks_style", problem)
    networks = dict.fromkeys(_network(found, words[-1]) for found in _kept.get(_asked(main)) or _own(main))
    return " ".join(networks)


def _own(main: MainCf) -> list[Interface]:
    here = host_addresses(main)
    words = _words(main, "inet_interfaces")
    if "all" in words:
        return here
    chosen: dict[Interface, None] = {}
    for word in words:
        if word == "loopback-only":
            chosen.update(dict.fromkeys(found for found in here if found.ip.is_loopback))
        else:
            chosen.update(dict.fromkeys(_of_this_host(main, word, here)))
    return list(chosen)


def _of_this_host(main: MainCf, host: str, here: list[Interface]) -> Iterator[Interface]:
    """The host's interfaces that carry the addresses of this name."""
    for address in _resolve(main, "inet_interfaces", host):
        same = [found for found in here if found.ip == ip_address(address)]
        if not same:
            problem = f"parameter inet_interfaces: no local interface found for {address}"
            raise main.bad("inet_interfaces", problem)
        yield same[0]


def _resolve(main: MainCf, name: str, host: str) -> list[str]:
    """The addresses of a host in the value of the parameter name."""
    plain = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    families = {_family(protocol) for protocol in protocols(main)}
    try:
        answers = socket.getaddrinfo(plain, None, type=socket.SOCK_STREAM)
    except OSError:
        raise main.bad(name, f"config variable {name}: host not found: {host}") from None
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers if answer[0] in families))


def _network(found: Interface, style: str) -> str:
    """An address's network in the notation of mynetworks."""
    if isinstance(found, IPv4Interface):
        length = {"host": 32, "subnet": found.network.prefixlen, "class": _class_length(found)}[style]
        return str(ip_network(f"{found.ip}/{length}", strict=False))
    length = 128 if style == "host" else found.network.prefixlen
    network = ip_network((found.packed, length), strict=False)
    return f"[{network.network_address}]/{length}"


def _class_length(found: IPv4Interface) -> int:
    """The network bits of an address in the days of classes A to C; of D and E all."""
    first = found.packed[0]
    return next((bits for below, bits in ((128, 8), (192, 16), (224, 24)) if first < below), 32)


def _words(main: MainCf, name: str) -> list[str]:
    return [word for word in SEPARATORS.split(main.value(name)) if word]


def _family(protocol: str) -> socket.AddressFamily:
    return {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}[protocol]


def _has(protocol: str) -> bool:
    """Whether the kernel speaks the protocol."""
    try:
        socket.socket(_family(protocol), socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True
