"""netstring - texts with their length in front: `5:hello,`

    encode(b"hello")                    b"5:hello,"
    decode(b"5:hello,rest", 1000)       (b"hello", b"rest"); None while there is not enough

Sources: https://cr.yp.to/proto/netstrings.txt
"""

import re

_LENGTH = re.compile(rb"([0-9]{1,10}):")


class NetstringError(ValueError):
    """Bytes that are no netstring, or one that is too long."""


def encode(data: bytes) -> bytes:
    """One netstring."""
    return b"%d:%b," % (len(data), data)


def decode(data: bytes, limit: int) -> tuple[bytes, bytes] | None:
    """The text at the start and what follows it; None when more must come. NetstringError."""
    match = _LENGTH.match(data)
    if match is None:
        if data and (len(data) > 10 or not data.isdigit()):
            raise NetstringError("no netstring")
        return None
    length = int(match[1])
    if length > limit:
        raise NetstringError(f"netstring of {length} bytes, the limit is {limit}")
    start = match.end()
    end = start + length
    if len(data) <= end:
        return None
    if data[end : end + 1] != b",":
        raise NetstringError("netstring without a comma at its end")
    return data[start:end], data[end + 1 :]
