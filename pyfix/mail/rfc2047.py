"""rfc2047 - words of a header that have other letters than ASCII

    encoded_words("Jörg", "utf-8")      ["=?utf-8?Q?J=C3=B6rg?="]

Q for what is short or mostly plain, B for the rest, as Postfix chooses; words longer than an encoded word may be
are cut anywhere, also inside of a letter.

Source: RFC 2047; postconf(5), full_name_encoding_charset.
"""

import base64
import re

LIMIT = 75  # characters of an encoded word
SHORT = 20  # bytes below which Q is used whatever there is to encode
GAPS = re.compile(rb"[\x00-\x20\x7f]+")
NOT_PLAIN = re.compile(rb"[^A-Za-z0-9!*+/-]")


def encoded_words(phrase: str, charset: str) -> list[str]:
    """The phrase in encoded words. charset: what its bytes are, only named."""
    data = phrase.encode("utf-8", "surrogateescape")
    plain = len(data) < SHORT or 2 * len(NOT_PLAIN.findall(data)) < len(data)
    text = GAPS.sub(b" ", data).strip()
    room = LIMIT - len(f"=?{charset}?Q??=")
    pieces = _quoted(text, room) if plain else _base64(text, room)
    return [f"=?{charset}?{'Q' if plain else 'B'}?{piece}?=" for piece in pieces]


def _quoted(text: bytes, room: int) -> list[str]:
    pieces = [""]
    for byte in text:
        char = bytes([byte])
        shown = "_" if char == b" " else f"={byte:02X}" if NOT_PLAIN.match(char) else chr(byte)
        if len(pieces[-1]) + len(shown) > room and pieces[-1]:
            pieces.append("")
        pieces[-1] += shown
    return pieces


def _base64(text: bytes, room: int) -> list[str]:
    step = max(room // 4, 1) * 3
    return [base64.b64encode(text[at : at + step]).decode("ascii") for at in range(0, len(text), step)]
