"""internal - empty lookup table in memory that goes with the process

internal:name; each opened table is one of its own.
"""

from pyfix.maps.inline import InlineTable
from pyfix.maps.table import Options


def open_internal(_: Options, name: str) -> InlineTable:  # noqa: ARG001
    """A new empty table."""
    return InlineTable({})
