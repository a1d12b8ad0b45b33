"""log - what the bounce service says about reports"""

from __future__ import annotations


def notification(queue_id: str, to: str, kind: str, new_id: str) -> str:
    """A report was sent. to: sender or postmaster; kind: non-delivery, delay or delivery status."""
    return f"{queue_id}: {to} {kind} notification: {new_id}"


def discarded(queue_id: str) -> str:
    """A report about a report about a report is not sent."""
    return f"{queue_id}: undeliverable postmaster notification discarded"


def no_trace(queue_id: str, what: str) -> str:
    """Nobody is told of the delivery of a report. what: single-bounce or double-bounce."""
    return f"{queue_id}: not sending trace/success notification for {what} message"


def post_failed(queue_id: str, to: str, sender: str, reason: str) -> str:
    """A report could not be put into the queue. to: sender or postmaster; sender: the address of that one."""
    where = f" to {sender}" if to == "sender" else ""
    return f"{queue_id}: {to} notification failed{where}: {reason}"


def no_original(queue_name: str, queue_id: str, reason: str) -> str:
    """The message that a report is about can't be read; the report goes without it."""
    return f"open {queue_name} {queue_id}: {reason}"
