"""discard - say that everything was delivered

Service:    discard
Privileges: mail_owner, chroot, no network
Parameters: delay_logging_resolution_limit
Sources:    discard(8)

The next hop is what the log says, maybe after an enhanced status code (default 2.0.0).
"""

from __future__ import annotations

from collections.abc import Iterator

from pyfix.delivery import log
from pyfix.delivery.agent import Delivery
from pyfix.delivery.event_agent import EventAgent
from pyfix.delivery.outcome import Outcome
from pyfix.mail.dsn import split_dsn
from pyfix.server.context import Context
from pyfix.unix import msg


def deliver(delivery: Delivery) -> Iterator[Outcome]:
    """Every recipient is sent, the reason is the next hop."""
    request = delivery.request
    status, reason = split_dsn(request.nexthop, "2.0.0")
    if status[0] != "2":
        msg.warning(log.ignoring_dsn("sent", status))
        status = "2.0.0"
    for recipient in request.recipients:
        yield Outcome(recipient, status, reason)


class Discard(EventAgent):
    """The service."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, deliver)
