"""fail - lookup table that answers every key with an error, for tests of error handling

fail:name; the name is used in messages only.
"""

from pyfix.maps.table import Options, TableError


class FailTable:
    """Never answers."""

    fixed = False
    watch = None

    def __init__(self, name: str) -> None:
        self._name = name

    def lookup(self, key: str) -> str | None:  # noqa: ARG002
        """TableError for every key."""
        raise TableError(self._name, "Application error")


def open_fail(options: Options, name: str) -> FailTable:
    """A table that fails."""
    return FailTable(options.spec(name))
