"""log - what qmgr says"""

from __future__ import annotations

from pyfix.mail.address import quote


def queue_active(queue_id: str, sender: str, size: int, nrcpt: int) -> str:
    """A message entered the active queue. size: bytes of content; nrcpt: recipients still to do."""
    return f"{queue_id}: from=<{quote(sender)}>, size={size}, nrcpt={nrcpt} (queue active)"


ADJUSTING = "bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting bounce_queue_lifetime"
ADJUSTING_RECIPIENTS = (
    "qmgr_message_recipient_limit is smaller than qmgr_message_active_limit - adjusting qmgr_message_recipient_limit"
)


def removed(queue_id: str) -> str:
    """All recipients are decided and nothing is left to report."""
    return f"{queue_id}: removed"


def skipped(queue_id: str) -> str:
    """An agent of an earlier qmgr is still at work."""
    return f"{queue_id}: skipped, still being delivered"


def expired(queue_id: str, sender: str, *, forced: bool = False) -> str:
    """A message was too long in the queue, or the administrator has seen enough of it."""
    word = "force-expired" if forced else "expired"
    return f"{queue_id}: from=<{quote(sender)}>, status={word}, returned to sender"


def bounce_failed(queue_id: str) -> str:
    """The sender could not be told of a failure; the message stays until that is done."""
    return f"{queue_id}: status=deferred (bounce failed)"


def trace_failed(queue_id: str) -> str:
    """The sender could not be told of a success; the message stays until that is done."""
    return f"{queue_id}: status=deferred (trace failed)"


def saving_corrupt(queue_id: str, queue_name: str = "active") -> str:
    """A queue file can't be read."""
    return f'saving corrupt file "{queue_id}" from queue "{queue_name}" to queue "corrupt"'


def problem(queue_id: str, text: str) -> str:
    """Something about a message."""
    return f"{queue_id}: {text}"


def queue_trouble(action: str, queue_name: str, queue_id: str, reason: str) -> str:
    """The file system did not do what was asked."""
    return f"{action} {queue_name}/{queue_id}: {reason}"


def connect_failed(transport: str, reason: str) -> str:
    """An agent can't be reached."""
    return f"connect to transport private/{transport}: {reason}"


def transport_failure(transport: str) -> str:
    """An agent was lost with requests under way."""
    return (
        f"transport {transport} failure -- see a previous warning/fatal/panic logfile record "
        f"for the problem description"
    )


def bad_parameter(name: str, value: str, default: str) -> str:
    """A transport's parameter is wrong."""
    return f"{name}: bad value {value!r}: using {default}"
