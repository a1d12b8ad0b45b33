"""usual - what smtpd says before the first recipient, recognised in one piece

Nearly all its messages begin with the same records: time, log_ident, rewrite_context, sender, then what it knows of
its client (queue/client_attributes). What is other in any way is left to be taken record by record.
"""

from __future__ import annotations

from functools import lru_cache

from pyfix.queue import records as rec
from pyfix.queue.client_attributes import HEAD, LONGEST, Clients

TIME, ATTR, FROM = rec.TIME[0], rec.ATTR[0], rec.FROM[0]
LOG_IDENT = b"log_ident="
CONTEXTS = {rec.attribute("rewrite_context", context): context for context in ("local", "remote")}

Attributes = dict[str, str]
"""The value of `encoding`; of others the names."""

Beginning = tuple[int, str, bytes, int, int, Attributes]
"""Time, rewrite_context, sender; where the second record begins, and what follows on all this; the other attributes."""


def beginning(buf: bytes, clients: Clients[Attributes]) -> Beginning | None:
    """What stands at the beginning; None: it is not all there, or not as usual."""
    try:
        ident = HEAD + buf[1]
        context = ident + HEAD + buf[ident + 1]
        sender = context + HEAD + buf[context + 1]
        about = sender + HEAD + buf[sender + 1]
        if buf[0] != TIME or buf[ident] != ATTR or buf[sender] != FROM:
            return None
        if buf[1] | buf[ident + 1] | buf[sender + 1] > LONGEST or buf[ident + 1] == len(LOG_IDENT):
            return None
        where = CONTEXTS.get(buf[context:sender])
        seconds = buf[HEAD:ident].partition(b" ")[0]
        if where is None or buf[ident + HEAD : ident + HEAD + len(LOG_IDENT)] != LOG_IDENT or not seconds.isdigit():
            return None
    except IndexError:
        return None
    client = clients.find(buf, about)
    if client is None:
        return None
    return int(seconds), where, buf[sender + HEAD : about], ident, client[0], client[3]


def names_of(attributes: Attributes) -> Attributes:
    """As much of a client's attributes as is wanted."""
    return _names(attributes.get("encoding", ""), *attributes)


@lru_cache(16)
def _names(encoding: str, *names: str) -> Attributes:
    """(Most clients have the same.)"""
    return dict.fromkeys(names, "") | ({"encoding": encoding} if encoding else {})
