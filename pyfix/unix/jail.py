"""jail - where servers are, for a daemon whose root directory has no files that say so

    jail.expect()                                     before tables are opened
    jail.remember("db.example.com")                   the name is looked up now
    jail.reachable("db.example.com")                  the name, or else an address that it had

Inside of a chroot there may be no /etc/hosts, /etc/resolv.conf and nsswitch.conf. Where there are, names are
looked up anew, as everywhere else; where a name can't be, it has the address that it had when the daemon began.
"""

import ipaddress
import socket

_addresses: dict[str, str] | None = None
"""Those of names; None: no jail will close, and nothing has to be remembered."""


def expect() -> None:
    """A jail will close: remember names from now on."""
    global _addresses  # noqa: PLW0603 - a process has one root directory
    _addresses = {}


def remember(host: str) -> None:
    """Look a host's name up, if a jail will close."""
    if _addresses is not None and host and not _is_address(host):
        found = _look_up(host)
        if found:
            _addresses[host] = found[0]


def reachable(host: str) -> str:
    """The host, or an address in its place, if its name can't be looked up any more."""
    if not _addresses or host not in _addresses or _look_up(host):
        return host
    return _addresses[host]


def remember_url(url: str) -> None:
    """The same for the hosts of a URL, which may be several with commas in between."""
    for host in _hosts(url):
        remember(host)


def reachable_url(url: str) -> str:
    """The URL with hosts that can be reached."""
    for host in _hosts(url):
        address = reachable(host)
        if address != host:
            before, slashes, rest = url.partition("://")
            user, at, where = _authority(rest)
            shown = f"[{address}]" if ":" in address else address
            found = ",".join([_replaced(each, host, shown) for each in where.split(",")])
            url = before + slashes + user + at + found + rest[len(user + at + where) :]
    return url


def _replaced(place: str, host: str, address: str) -> str:
    """`host` or `host:port` with an address in place of that host."""
    name, colon, port = place.partition(":")
    return address + colon + port if name == host else place


def _authority(rest: str) -> tuple[str, str, str]:
    """User, `@` and hosts of what follows `://`."""
    whole = rest.partition("/")[0].partition("?")[0]
    user, at, where = whole.rpartition("@")
    return user, at, where


def _hosts(url: str) -> list[str]:
    where = _authority(url.partition("://")[2])[2]
    return [each.partition(":")[0] for each in where.split(",") if each and each[0] not in "[%/"]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str) -> list[str]:
    try:
        return [str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []
