"""verdict - why a message is not accepted"""

from pyfix.cleanup import log
from pyfix.clients.cleanup import STAT_BAD
from pyfix.unix import msg


class NotAcceptedError(Exception):
    """The message ends here. status: STAT bits of clients/cleanup; reason: what a client reads, or empty."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


def malformed(queue_id: str, why: str) -> NotAcceptedError:
    """The sender does not keep to the protocol; says so in the log."""
    msg.warning(log.rejected(queue_id, why))
    return NotAcceptedError(STAT_BAD)
