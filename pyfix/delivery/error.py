"""error - bounce or defer everything, the next hop says why

Service:    error (bounces), retry (defers); the service's name decides
Privileges: mail_owner, chroot, no network
Parameters: delay_logging_resolution_limit, soft_bounce
Sources:    error(8)

The next hop is the reason, maybe after an enhanced status code of its own:
`5.1.1 no such user`. Default codes are 5.0.0 and 4.0.0.
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

DEFAULTS = {"error": ("5.0.0", "bounce_append"), "retry": ("4.0.0", "defer_append")}
"""By service: the usual status, and what the log calls what is done."""


class Error(EventAgent):
    """Both services."""

    def __init__(self, context: Context) -> None:
        name = context.service
        if name not in DEFAULTS:
            msg.fatal(f"unsupported error delivery agent service: {name}")
        self._default, self._doing = DEFAULTS[name]
        super().__init__(context, self.deliver)

    def deliver(self, delivery: Delivery) -> Iterator[Outcome]:
        """Every recipient with the status and reason of the next hop."""
        request = delivery.request
        status, reason = split_dsn(request.nexthop, self._default)
        if status[0] != self._default[0]:
            msg.warning(log.ignoring_dsn(self._doing, status))
            status = self._default
        for recipient in request.recipients:
            yield Outcome(recipient, status, reason)
