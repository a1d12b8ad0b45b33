"""source - one logical line of the text that an index file is made of

    map_entry('key  some value', "virtual, line 3")    ("key", "some value")    postmap's input
    alias_entry('name: a, b', "aliases, line 3")       ("name", "a, b")         postalias's input
    is_alias_source(lines)                             which of the two a text is for

A bad line is reported with its place and gives None.

See also: postmap(1) INPUT FILE FORMAT, aliases(5).
"""

import re
from collections.abc import Iterable

from pyfix.mail.tokens import external, internal, scan
from pyfix.maps.lines import SPACE, logical_lines
from pyfix.unix import msg

_KEY = re.compile(r'(?:\\.?|"(?:[^"\\]|\\.?)*(?P<open>\Z)?"?|[^\s"\\])*', re.ASCII | re.DOTALL)
"""Up to the first white space outside of double quotes; `open`: a quote is not closed."""


def map_entry(line: str, place: str, *, ending: str = "") -> tuple[str, str] | None:
    """Key (still quoted, since an address may need its quotes) and value of a line.

    ending: what to add to the complaint about a line that is no pair.
    """
    if '"' in line or "\\" in line:
        match = _KEY.match(line)
        assert match is not None
        if match["open"] is not None:
            msg.warning(f"{place}: unbalanced '\"' in '{line}' -- ignoring this line")
            return None
        key, value = match[0], line[match.end() :].strip(SPACE)
    else:
        key, value = _words(line)
    if not key or not value:
        msg.warning(f"{place}: expected format: key whitespace value{ending}")
        return None
    if key.endswith(":"):
        msg.warning(f'{place}: record is in "key: value" format; is this an alias file?')
    return key, value


def is_alias_source(lines: Iterable[str], name: str = "") -> bool:
    """Whether a text is in the syntax of aliases(5): the first logical line that is an entry of either kind tells.

    `key: value` is an alias where the colon ends the first word, or nothing in the line is white space.
    name: the file's, for complaints.
    """
    for _, line in logical_lines(lines, name):
        text = line.strip(SPACE)
        match = _KEY.match(text)
        assert match is not None
        if match["open"] is None and match.end() < len(text) and not match[0].endswith(":"):
            return False
        kinds = [token.kind for token in scan(text)]
        colon = kinds.index(":") if ":" in kinds else 0
        if 0 < colon < len(kinds) - 1 and "," not in kinds[:colon]:
            return True
    return False


def _words(line: str) -> tuple[str, str]:
    match = _WORD.match(line)
    assert match is not None
    return match[0], line[match.end() :].strip(SPACE)


_WORD = re.compile(r"[^\s]*", re.ASCII)


_PLAIN_ALIAS = re.compile(r"([\w.+-]+)[ \t]*:[ \t]*([\w.+=@-]+(?:, [\w.+=@-]+)*)[ \t\r]*", re.ASCII)
"""Most aliases need no tokens."""


def alias_entry(line: str, place: str) -> tuple[str, str] | None:
    """Name (unquoted) and value (addresses in external form) of a line of aliases(5)."""
    plain = _PLAIN_ALIAS.fullmatch(line)
    if plain is not None:
        return plain[1], plain[2]
    tokens = scan(line)
    kinds = [token.kind for token in tokens]
    colon = kinds.index(":") if ":" in kinds else 0
    if colon == 0 or colon == len(tokens) - 1 or "," in kinds[:colon]:
        msg.warning(f"{place}: need name:value pair")
        return None
    if "@" in kinds[:colon]:
        msg.warning(f"{place}: name must be local")
        return None
    return internal(tokens[:colon]), external(tokens[colon + 1 :])
