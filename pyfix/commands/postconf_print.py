"""postconf_print - how postconf writes a name and its value

Sources: postconf(1) -f -h -H -j.
"""

from collections.abc import Container, Iterator, Sequence

from pyfix.commands.json_text import json_text
from pyfix.config.master_entry import INDENT, WIDTH


def shown(letters: Container[str], name: str, value: str) -> str:
    """One setting as the options want it. Words of the value are one space apart, but in JSON."""
    if "j" in letters:
        return shown_json(name, value)
    if "H" in letters:
        return name
    words = value.split()
    if "h" not in letters:
        words = [name, "=", *words]
    return "\n".join(_folded(words)) if "f" in letters else " ".join(words)


def shown_json(name: str, value: str) -> str:
    """The same as an object of JSON."""
    return f"{{{json_text(name)}: {json_text(value)}}}"


def _folded(words: Sequence[str]) -> Iterator[str]:
    """Words as lines of at most WIDTH characters, where they can be broken; more than one begin indented."""
    line = ""
    for word in words:
        if len(line) > INDENT and len(line) + 1 + len(word) > WIDTH:
            yield line
            line = " " * INDENT + word
        else:
            line = f"{line} {word}" if line else word
    yield line
