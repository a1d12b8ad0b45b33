"""network - address patterns: `192.0.2.0/24`, `2001:db8::/32`, `[2001:db8::1]`

    network = parse_network("192.0.2.0/24")
    network.contains(parse_address("192.0.2.7"))

A pattern whose host part is not zero is refused: it does not say what was meant.

See also: cidr_table(5), mynetworks.
"""

import socket
from typing import NamedTuple

BITS = {4: 32, 6: 128}


class BadNetworkError(ValueError):
    """Not an address pattern; str() is Postfix's message."""


class Address(NamedTuple):
    """An IP address. version: 4 or 6; number: its bits."""

    version: int
    number: int


class Network(NamedTuple):
    """A block of addresses. mask: as many bits as the version has."""

    version: int
    number: int
    mask: int

    @property
    def after(self) -> int:
        """The number that follows the block's last address."""
        return self.number + (1 << BITS[self.version]) - self.mask

    def contains(self, address: Address) -> bool:
        """Whether the address is in the block."""
        return address[0] == self[0] and address[1] & self[2] == self[1]


def parse_address(text: str) -> Address | None:
    """The address in its usual text form (no brackets); None when it is none."""
    packed = pack_address(text)
    return None if packed is None else Address(6 if len(packed) == 16 else 4, int.from_bytes(packed))


def pack_address(text: str) -> bytes | None:
    """The same as 4 or 16 bytes."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, UnicodeError, ValueError):
        return None


def parse_network(pattern: str) -> Network:
    """The block that a pattern stands for; BadNetworkError when it is none."""
    pattern = _unbracketed(pattern)
    text, slash, length = pattern.partition("/")
    if slash and not (length.isascii() and length.isdigit()):
        raise BadNetworkError(f'bad mask value in "{pattern}"')
    address = parse_address(text)
    if address is None:
        raise BadNetworkError(f'bad address pattern: "{text}"')
    bits = BITS[address.version]
    width = int(length) if slash else bits
    if width > bits:
        raise BadNetworkError(f'bad mask length in "{pattern}"')
    mask = (1 << bits) - (1 << (bits - width))
    if address.number & ~mask:
        right = f"{_text(address.version, address.number & mask)}/{width}"
        raise BadNetworkError(
            f'non-null host address bits in "{pattern}", perhaps you should use "{right}" instead'
        )
    return Network(address.version, address.number, mask)


def _unbracketed(pattern: str) -> str:
    if not pattern.startswith("["):
        return pattern
    inner, bracket, rest = pattern[1:].partition("]")
    if not bracket:
        raise BadNetworkError(f"missing ']' character after \"{pattern}\"")
    if rest and not rest.startswith("/"):
        raise BadNetworkError(f'garbage after "[{inner}]"')
    return inner + rest


def _text(version: int, number: int) -> str:
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    return socket.inet_ntop(family, number.to_bytes(BITS[version] // 8))
