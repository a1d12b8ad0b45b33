"""status_filter - other words, or another status, for what became of a recipient

Asked with `status text`, a table answers the same way. Success stays success, failure stays failure,
but a failure may become temporary or permanent. What a table says amiss is reported and not heeded.

Parameters: default_delivery_status_filter, <agent>_delivery_status_filter
"""

from __future__ import annotations

import re

from pyfix.delivery.outcome import SENT, Outcome
from pyfix.maps.maps import Maps
from pyfix.maps.table import TableError
from pyfix.unix import msg

LIKE_THE_QUERY = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\s+(\S.*?)\s*", re.ASCII | re.DOTALL)


async def apply(maps: Maps, outcome: Outcome) -> None:
    """Put into an outcome what the tables say, if they do."""
    try:
        found = await maps.find(f"{outcome.dsn.status} {outcome.dsn.reason}")
    except TableError:
        return
    if found is None:
        return
    parts = LIKE_THE_QUERY.fullmatch(found)
    if parts is None or (parts[1][0] == "2") is not (outcome.fate is SENT):
        msg.warning(bad_status(maps.name, found))
    else:
        outcome.become(parts[1], parts[2])


def bad_status(parameter: str, found: str) -> str:
    """Log line: a table's answer is of another kind than the question."""
    return f"{parameter}: bad status code: {found}"
