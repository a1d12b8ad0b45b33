"""environment - what import_environment and export_environment let through

A name takes the variable over, `name=value` sets one, `{ name = value }` one with white space in it.

Sources: postconf(5)
"""

import re
from collections.abc import Mapping

_WORD = re.compile(r"\{\s*([^}]*?)\s*\}|([^\s,]+)")


def let_through(wanted: str, given: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that a parameter's value asks for."""
    result: dict[str, str] = {}
    for braced, plain in _WORD.findall(wanted):
        name, sets, value = (braced or plain).partition("=")
        if sets:
            result[name.strip()] = value.strip()
        elif name in given:
            result[name] = given[name]
    return result
