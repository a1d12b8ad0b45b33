"""downgrade - 8-bit MIME text made quoted-printable, for hosts that take seven bits only

Only what declares itself as 8bit or binary is converted, part by part; a multipart or message is
declared 7bit, its parts are converted each for itself. What lies about itself stays as it is.

Sources: RFC 2045, RFC 2046, RFC 6152.
"""

from __future__ import annotations

import re

from pyfix.mail.headers import header_name, header_value, split_head

ENCODED_LINE = 72  # characters, without the = of a soft line break
MOST_DEEP = 100
BOUNDARY = re.compile(rb'boundary\s*=\s*(?:"((?:[^"\\]|\\.){1,2048})"|([^\s;"]{1,2048}))', re.IGNORECASE)
EIGHT_BIT = frozenset({b"8bit", b"binary"})


def downgrade(text: bytes) -> bytes:
    """The message, lines ending with LF, in seven bits where it says how."""
    return b"\n".join(_entity(text.split(b"\n"), 0))


def _entity(lines: list[bytes], depth: int) -> list[bytes]:
    """One entity: headers, an empty line, a body."""
    headers, body = split_head(lines)
    kind = _value(headers, b"content-type").lower()
    encoding = _value(headers, b"content-transfer-encoding").split(b";")[0].strip().lower()
    composite = kind.startswith((b"multipart/", b"message/"))
    if body and depth < MOST_DEEP:
        if kind.startswith(b"multipart/"):
            body = body[:1] + _parts(body[1:], _boundary(_value(headers, b"content-type")), depth)
        elif kind.startswith(b"message/") and not kind.startswith(b"message/partial"):
            body = body[:1] + _entity(body[1:], depth + 1)
        elif encoding in EIGHT_BIT:
            body = body[:1] + _quoted(body[1:])
    if encoding in EIGHT_BIT:
        headers = _declare(headers, b"7bit" if composite else b"quoted-printable")
    return headers + body


def _value(headers: list[bytes], name: bytes) -> bytes:
    for at, line in enumerate(headers):
        if (header_name(line) or b"").lower() == name:
            end = at + 1
            while end < len(headers) and headers[end][:1] in {b" ", b"\t"}:
                end += 1
            return header_value(b"\n".join(headers[at:end]))
    return b""


def _declare(headers: list[bytes], encoding: bytes) -> list[bytes]:
    """The headers with another encoding, at the end of them as it is known last."""
    kept: list[bytes] = []
    dropping = False
    for line in headers:
        if line[:1] not in {b" ", b"\t"}:
            dropping = (header_name(line) or b"").lower() == b"content-transfer-encoding"
        if not dropping:
            kept.append(line)
    return [*kept, b"Content-Transfer-Encoding: " + encoding]


def _boundary(content_type: bytes) -> bytes:
    found = BOUNDARY.search(content_type)
    if found is None:
        return b""
    return re.sub(rb"\\(.)", rb"\1", found[1]) if found[1] is not None else found[2]


def _parts(lines: list[bytes], boundary: bytes, depth: int) -> list[bytes]:
    """The lines between boundaries, each part converted."""
    if not boundary:
        return lines
    mark = b"--" + boundary
    result: list[bytes] = []
    part: list[bytes] | None = None  # None: the text before the first part, or after the last
    for line in lines:
        if line.rstrip(b" \t") in {mark, mark + b"--"}:
            result += [] if part is None else _entity(part, depth + 1)
            result.append(line)
            part = None if line.rstrip(b" \t") == mark + b"--" else []
        elif part is None:
            result.append(line)
        else:
            part.append(line)
    return result + ([] if part is None else _entity(part, depth + 1))


def _quoted(lines: list[bytes]) -> list[bytes]:
    """Lines of text as quoted-printable."""
    last_is_end = bool(lines) and lines[-1] == b""
    result: list[bytes] = []
    for line in lines[:-1] if last_is_end else lines:
        result += _quoted_line(line)
    return [*result, b""] if last_is_end else result


def _quoted_line(line: bytes) -> list[bytes]:
    pieces: list[bytes] = []
    current = b""
    for at, byte in enumerate(line):
        char = line[at : at + 1]
        blank_at_end = char in {b" ", b"\t"} and at + 1 == len(line)
        plain = (33 <= byte <= 126 and byte != 0x3D) or (char in {b" ", b"\t"} and not blank_at_end)
        word = char if plain else b"=%02X" % byte
        if len(current) > ENCODED_LINE:
            pieces.append(current + b"=")
            current = b""
        current += word
    return [*pieces, current]
