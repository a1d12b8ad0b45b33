"""limits - what main.cf says about one transport

Each is <transport>_NAME, or what stands behind it (families). A bad value is reported and
Postfix's own default counts: one transport's typing error stops no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyfix.config.families import member
from pyfix.config.param import BadConfig
from pyfix.qmgr import log
from pyfix.qmgr.feedback import Feedback, Rules, parse_feedback
from pyfix.unix import msg

if TYPE_CHECKING:
    from pyfix.config.main_cf import MainCf

DEFAULTS = {
    "initial_destination_concurrency": 5,
    "destination_concurrency_limit": 20,
    "destination_concurrency_failed_cohort_limit": 1,
    "destination_concurrency_positive_feedback": "1",
    "destination_concurrency_negative_feedback": "1",
    "destination_recipient_limit": 50,
    "destination_rate_delay": 0,
    "transport_rate_delay": 0,
}


class Limits:
    """rules: of the concurrency windows; recipient_limit: in one request (0: none);
    destination_rate_delay, transport_rate_delay: seconds between deliveries (0: none).
    """

    __slots__ = ("destination_rate_delay", "recipient_limit", "rules", "transport_rate_delay")

    def __init__(
        self,
        rules: Rules | None = None,
        recipient_limit: int = 50,
        destination_rate_delay: float = 0,
        transport_rate_delay: float = 0,
    ) -> None:
        self.rules = rules or Rules()
        self.recipient_limit = recipient_limit
        self.destination_rate_delay = destination_rate_delay
        self.transport_rate_delay = transport_rate_delay
        if destination_rate_delay:
            self.rules.limit = self.rules.initial = 1


def read_limits(main: MainCf, transport: str) -> Limits:
    """The limits of a transport."""
    values = {suffix: _read(main, transport, suffix) for suffix in DEFAULTS}
    rules = Rules(
        values["initial_destination_concurrency"],
        values["destination_concurrency_limit"],
        values["destination_concurrency_failed_cohort_limit"],
        _feedback(transport, "destination_concurrency_positive_feedback", values),
        _feedback(transport, "destination_concurrency_negative_feedback", values),
    )
    return Limits(
        rules,
        values["destination_recipient_limit"],
        values["destination_rate_delay"],
        values["transport_rate_delay"],
    )


def _read(main: MainCf, transport: str, suffix: str) -> Any:
    try:
        return member(transport, suffix).read(main)
    except BadConfig as error:
        msg.warning(str(error))
        return DEFAULTS[suffix]


def _feedback(transport: str, suffix: str, values: dict[str, Any]) -> Feedback:
    try:
        return parse_feedback(values[suffix])
    except ValueError:
        msg.warning(log.bad_parameter(f"{transport}_{suffix}", values[suffix], "1"))
        return Feedback()
