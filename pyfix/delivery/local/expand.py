"""expand - $user, $home ... in forward_path, luser_relay, command_execution_directory

What comes from the message or from passwd is not expanded again, and characters outside the filter
become underscores.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pyfix.config.expand import Expander, ExpandError
from pyfix.delivery.local.state import State

NAMES: dict[str, Callable[[State], str]] = {
    "user": lambda state: state.user,
    "home": lambda state: state.rights.home,
    "shell": lambda state: state.rights.shell,
    "domain": lambda state: state.domain,
    "local": lambda state: state.local,
    "mailbox": lambda state: state.local,
    "recipient": lambda state: state.recipient.address,
    "extension": lambda state: state.extension[1:],
}
_PLAIN = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\((\w+)\))", re.ASCII)


class Undefined(Exception):
    """The text names what this recipient has not, or can't be expanded."""


def expand(text: str, state: State, delimiter: str, allowed: str = "", *, strict: bool = True) -> str:
    """The text for this recipient. Undefined.

    allowed: characters that values may have, "": all; strict: what the recipient has not is no empty text.
    """

    def value(name: str) -> str | None:
        found = _value(name, state, delimiter)
        if allowed:
            found = "".join([char if char in allowed else "_" for char in found])
        return found.replace("$", "$$") or None

    if strict and any(value(next(filter(None, names))) is None for names in _PLAIN.findall(text.replace("$$", ""))):
        raise Undefined
    try:
        return Expander(value).text(text)
    except ExpandError as error:
        raise Undefined from error


def uses_extension(text: str, state: State) -> bool:
    """Whether this recipient's extension is part of the expanded text."""
    return bool(state.extension) and "extension" in text


def _value(name: str, state: State, delimiter: str) -> str:
    if name == "recipient_delimiter":
        return state.extension[:1] or delimiter[:1]
    return NAMES[name](state) if name in NAMES else ""
