"""interfaces - the network addresses of this host, with their networks

From the kernel's lists, no library: SIOCGIFCONF for IPv4, /proc/net/if_inet6 for IPv6;
link-local addresses are told without their interface.
Where neither works the host is taken to have its loopback addresses only.

Sources: netdevice(7), if_inet6 in proc(5).
"""

import array
import fcntl
import socket
import struct
from ipaddress import IPv4Interface, IPv6Interface

Interface = IPv4Interface | IPv6Interface

_SIOCGIFCONF = 0x8912
_SIOCGIFNETMASK = 0x891B
_IFREQ = 40 if struct.calcsize("P") == 8 else 32  # sizeof(struct ifreq)
_ADDRESS = slice(20, 24)  # of the sockaddr_in in a struct ifreq
_MOST = 1024
_IF_INET6 = "/proc/net/if_inet6"


def addresses(family: socket.AddressFamily) -> list[Interface]:
    """The host's addresses of AF_INET or AF_INET6 in the kernel's order, each with its network."""
    try:
        found: list[Interface] = [*_inet()] if family == socket.AF_INET else [*_inet6()]
    except OSError:
        found = []
    loopback: Interface = (
        IPv4Interface("127.0.0.1/8") if family == socket.AF_INET else IPv6Interface("::1/128")
    )
    return found or ([loopback] if _available(family) else [])


def _inet() -> list[IPv4Interface]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        buffer = array.array("B", bytes(_IFREQ * _MOST))
        address, _ = buffer.buffer_info()
        answer = fcntl.ioctl(sock, _SIOCGIFCONF, struct.pack("iP", len(buffer), address))
        size: int = struct.unpack("iP", answer)[0]
        requests = [bytes(buffer[at : at + _IFREQ]) for at in range(0, size, _IFREQ)]
        return [_inet_one(sock, request) for request in requests]


def _inet_one(sock: socket.socket, request: bytes) -> IPv4Interface:
    mask = fcntl.ioctl(sock, _SIOCGIFNETMASK, request)
    return IPv4Interface(f"{socket.inet_ntoa(request[_ADDRESS])}/{socket.inet_ntoa(mask[_ADDRESS])}")


def _inet6() -> list[IPv6Interface]:
    found = []
    with open(_IF_INET6, encoding="ascii") as lines:
        for line in lines:
            digits, _, length, *_ = line.split()
            found.append(IPv6Interface((bytes.fromhex(digits), int(length, 16))))
    return found


def _available(family: socket.AddressFamily) -> bool:
    """Whether the kernel has the protocol at all."""
    try:
        socket.socket(family, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True
