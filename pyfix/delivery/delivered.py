"""delivered - the addresses that a message was delivered to already

Its Delivered-To headers say so; mail that comes for such an address goes round in circles.
"""

from __future__ import annotations

import re

from pyfix.delivery.agent import Delivery
from pyfix.mail.address import unquote
from pyfix.queue.file import content_chunks

FIELD = re.compile(rb"^Delivered-To[ \t]*:[ \t]*(.*)", re.IGNORECASE | re.MULTILINE)
HEADER_BYTES = 1 << 20  # of the content in which headers are looked for


def delivered_to(delivery: Delivery) -> frozenset[str]:
    """The addresses in internal form and lower case. CorruptQueueFile."""
    head = b""
    for chunk in content_chunks(delivery.fd, delivery.request.offset):
        head += chunk
        if b"\n\n" in head or len(head) > HEADER_BYTES:
            break
    headers, _, _ = head.partition(b"\n\n")
    values = [found[1].strip().decode("utf-8", "surrogateescape") for found in FIELD.finditer(headers)]
    return frozenset(unquote(value).lower() for value in values)
