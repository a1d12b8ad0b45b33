"""escapes - characters that a value of a parameter or an attribute names by a backslash, as in C

Source: postconf(5) smtpd_expansion_filter, pipe(8) eol.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
_NAMES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def unescape(text: str) -> str:
    r"""A text with what \n, \r, \ooo ... in it stand for; a number is one of a byte."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8) & 255) if found[1] else _NAMES.get(found[2], found[2]), text)
