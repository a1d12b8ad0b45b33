"""hostname - what can be a domain in an address

Host names are labels of letters, digits, `-` and `_` (and UTF-8), at most 63 bytes each
and 255 in all; not numbers only, so that an address without brackets is none.
Literals are `[192.0.2.1]` and `[IPv6:2001:db8::1]`.
"""

import re
from ipaddress import ip_address

LABEL = r"(?!-)[A-Za-z0-9_\-\u0080-\U0010ffff]{1,63}(?<!-)"
HOSTNAME = re.compile(rf"{LABEL}(?:\.{LABEL})*")
NUMERIC = re.compile(r"[0-9.\-]+", re.ASCII)
LIMIT = 255


def is_hostname(name: str) -> bool:
    """Whether a name can be a host's or domain's."""
    return len(name) <= LIMIT and HOSTNAME.fullmatch(name) is not None and not NUMERIC.fullmatch(name)


def is_address(name: str) -> bool:
    """Whether a name is an address without the brackets."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_literal(domain: str) -> bool:
    """Whether a domain is an address in brackets."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return False
    text = domain[1:-1]
    tag, colon, rest = text.partition(":")
    if colon and tag.lower() == "ipv6":
        return is_address(rest) and ":" in rest
    return is_address(text) and ":" not in text
