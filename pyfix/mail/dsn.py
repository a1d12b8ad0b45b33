"""dsn - enhanced status codes (RFC 3463) and xtext (RFC 3461)

A text may begin with its own status: `4.7.1 try later`. Where one stands in for
another its class (the first digit) must fit the code it goes with.
"""

import re

STATUS = re.compile(r"\s*([245]\.[0-9]{1,3}\.[0-9]{1,3})(?=\s|$)\s*", re.ASCII)
PLAIN = re.compile(rb"[!-*,-<>-~]*", re.ASCII)  # xchar: printable, but not + and =
ENCODED = re.compile(rb"\+([0-9A-F]{2})", re.ASCII)
XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*", re.ASCII)


def split_dsn(text: str, default: str) -> tuple[str, str]:
    """Take a leading enhanced status off a text: (status, rest); without one, `default`."""
    found = STATUS.match(text)
    if found is None:
        return default, text.lstrip()
    return found[1], text[found.end() :]


def with_class(status: str, first: str) -> str:
    """The status with another class digit: ("5.7.1", "4") is "4.7.1"."""
    return first + status[1:]


def xtext_encode(text: bytes) -> bytes:
    """Make printable what RFC 3461 wants printable: `a+b` is `a+2Bb`."""
    if PLAIN.fullmatch(text):
        return text
    return b"".join(
        bytes((byte,)) if 0x21 <= byte <= 0x7E and byte not in b"+=" else b"+%02X" % byte for byte in text
    )


def xtext_decode(text: bytes) -> bytes | None:
    """The text behind xtext; None when it is not xtext."""
    if not XTEXT.fullmatch(text):
        return None
    return ENCODED.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), text)
