"""delivery_request - a request to a delivery agent of which only what matters is given"""

from pyfix.clients.deliver import NORMAL, Request, Stats
from pyfix.queue.file import Recipient

EMPTY = Request("", 0, 0, *[""] * 5, Stats(), [], "active", NORMAL, "", 0, 0, *[""] * 8)


def request(queue_id: str, nexthop: str, sender: str, recipients: list[Recipient], **more: object) -> Request:
    """One for a message in the active queue. more: other attributes."""
    values = {"stats": Stats(), **more, "queue_id": queue_id, "nexthop": nexthop, "sender": sender}
    return EMPTY._replace(recipients=recipients, **values)
