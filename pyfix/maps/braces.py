"""braces - text in {}, as tables are given in main.cf itself

    content("{ a b }")                  "a b"
    split("a {b, c} d", " ,")           ["a", "{b, c}", "d"]
    list(rules("{ {/a/ x}, {/b/ y} }"))   ["/a/ x", "/b/ y"]
"""

from collections.abc import Iterator

from pyfix.maps.lines import SPACE

SEPARATORS = ", \t\r\n"
"""Between the items of a list, as everywhere in main.cf."""


class BraceError(ValueError):
    """Braces that don't match; str() says how."""


def content(text: str) -> str:
    """What stands in a text that is all in braces, without white space at its ends."""
    if not text.startswith("{"):
        raise BraceError(f"no '{{' at start of text in \"{text}\"")
    end = closing(text, 0)
    if end < 0:
        raise BraceError(f"missing '}}' in \"{text}\"")
    if text[end + 1 :].strip(SPACE):
        raise BraceError(f"syntax error after '}}' in \"{text}\"")
    return text[1:end].strip(SPACE)


def closing(text: str, at: int) -> int:
    """Where the brace that opens at `at` is closed; -1 when it is not."""
    depth = 0
    for place in range(at, len(text)):
        if text[place] == "{":
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if not depth:
                return place
    return -1


def split(text: str, separators: str = SEPARATORS) -> list[str]:
    """The items between separators; within braces separators are text."""
    items: list[str] = []
    at = 0
    while True:
        while at < len(text) and text[at] in separators:
            at += 1
        if at == len(text):
            return items
        start = at
        at = _end(text, at, separators)
        items.append(text[start:at])


def _end(text: str, at: int, separators: str) -> int:
    depth = 0
    while at < len(text) and (depth > 0 or text[at] not in separators):
        depth += (text[at] == "{") - (text[at] == "}")
        at += 1
    return at


def rules(text: str) -> Iterator[str]:
    """The texts of a table that is given in-line: `{ {rule} {rule} }`."""
    for item in split(content(text)):
        yield content(item)
