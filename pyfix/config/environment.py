"""environment - what import_environment and export_environment let through

A name takes the variable over, `name=value` sets one, `{ name = value }` one with white space in it.

Sources: postconf(5)
"""

import os
from collections.abc import Iterator, Mapping

from pyfix.config.syntax import SPACE, split_braced
from pyfix.unix import msg

_SEPARATORS = SPACE + ","


def let_through(wanted: str, given: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that a parameter's value asks for."""
    result: dict[str, str] = {}
    for word in _words(wanted):
        name, sets, value = split_braced(word)[0].partition("=")
        if sets:
            result[name.strip()] = value.strip()
        elif name in given:
            result[name] = given[name]
    return result


def exported(wanted: str) -> dict[str, str]:
    """The part of this process's environment that commands see. Fatal: nobody knows what the value lets through."""
    for problem in problems(wanted):
        msg.fatal(f"export_environment: {problem}")
    return let_through(wanted, os.environ)


def problems(wanted: str) -> Iterator[str]:
    """What is wrong with such a value."""
    for word in _words(wanted):
        inner, problem = split_braced(word)
        if problem:
            yield problem
        elif inner.startswith("="):
            yield f"missing attribute name in: {inner}"


def _words(text: str) -> Iterator[str]:
    """Words between separators; those in the braces that a word begins with do not count."""
    at = 0
    while at < len(text):
        begin, braced, depth = at, text[at] == "{", 0
        while at < len(text) and (depth > 0 or text[at] not in _SEPARATORS):
            depth += braced * ((text[at] == "{") - (text[at] == "}"))
            at += 1
        if at > begin:
            yield text[begin:at]
        at += 1
