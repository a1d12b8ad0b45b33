"""hosts - names that the system knows by itself, from /etc/hosts

Read once, before a jail closes. `localhost` is always there.

Sources: hosts(5).
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

LOOPBACK = {"localhost": ["127.0.0.1", "::1"]}


class HostsFile:
    """The addresses of each name, in the order of the file, and the name of each address."""

    def __init__(self, text: str) -> None:
        self._addresses: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        for line in text.splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            if _is_address(address) and names:
                self._names.setdefault(address, names[0])
                for name in names:
                    self._addresses.setdefault(name.lower(), []).append(address)

    @classmethod
    def read(cls, path: str = "/etc/hosts") -> HostsFile:
        """The file; one that can't be read is empty."""
        try:
            return cls(Path(path).read_text(errors="replace"))
        except OSError:
            return cls("")

    def addresses(self, name: str) -> list[str]:
        """IPv4 and IPv6 addresses; none when the name is not there."""
        folded = name.lower().removesuffix(".")
        return self._addresses.get(folded) or LOOPBACK.get(folded, [])

    def name(self, address: str) -> str | None:
        """The first name of an address; None when the file has none."""
        return self._names.get(address) or ("localhost" if address in LOOPBACK["localhost"] else None)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
