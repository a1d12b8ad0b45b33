"""environ - lookup table over the process environment

environ:name; the name is not used.
"""

import os

from pyfix.maps.table import Options


class EnvironTable:
    """Keys are names of environment variables."""

    fixed = True
    watch = None

    def lookup(self, key: str) -> str | None:
        """The variable's value, None when it is not set."""
        return os.environ.get(key)


def open_environ(_: Options, name: str) -> EnvironTable:  # noqa: ARG001
    """The environment as a table."""
    return EnvironTable()
