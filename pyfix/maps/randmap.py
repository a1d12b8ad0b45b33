"""randmap - lookup table that picks one of its values for every key

randmap:{value, value}; for example to spread mail over several next hops.
"""

import random

from pyfix.maps.braces import BraceError, content, split
from pyfix.maps.table import OpenError, Options


class RandomTable:
    """Any of some values."""

    fixed = False
    watch = None

    def __init__(self, values: list[str]) -> None:
        self._values = values

    def lookup(self, key: str) -> str | None:  # noqa: ARG002
        """One of the values."""
        return random.choice(self._values)  # noqa: S311


def open_randmap(options: Options, name: str) -> RandomTable:
    """The values within the braces; OpenError when there are none."""
    try:
        values = split(content(name))
    except BraceError:
        values = []
    if not values:
        raise OpenError(f'bad syntax: "{options.spec(name)}"; need "randmap:{{value...}}"')
    return RandomTable(values)
