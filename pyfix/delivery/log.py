"""log - what delivery agents say, beside each recipient's line (clients/log_adhoc)"""

from __future__ import annotations


def bounce_failed(queue_id: str) -> str:
    """The bounce service did not take an entry; the recipient stays in the queue."""
    return f"{queue_id}: status=deferred (bounce failed)"


BOUNCE_FAILED = "bounce or trace service failure"  # reason of the recipient that stays for it


def trace_failed(queue_id: str) -> str:
    """Reason: what was delivered could not be written down as the sender wants it."""
    return f"{queue_id}: trace service failed"


def service_failure(queue_id: str, service: str) -> str:
    """A log service did not take an entry."""
    return f"{queue_id}: {service} service failure"


def ignoring_dsn(doing: str, status: str) -> str:
    """A status does not fit what is to happen. doing: "sent", "defer_append", "bounce_append"."""
    return f'{doing}: ignoring dsn code "{status}"'


def open_failed(queue_name: str, queue_id: str, reason: str) -> str:
    """The queue file of a request can't be opened."""
    return f"open {queue_name} {queue_id}: {reason}"


def locked(queue_name: str, queue_id: str) -> str:
    """Somebody has the queue file for himself."""
    return lock_failed(queue_name, queue_id, "Resource temporarily unavailable")


def lock_failed(queue_name: str, queue_id: str, reason: str) -> str:
    """The queue file of a request can't be locked."""
    return f"shared lock {queue_name}/{queue_id}: {reason}"


def corrupted(queue_name: str, queue_id: str, reason: str) -> str:
    """The queue file can't be read; qmgr moves it to corrupt."""
    return f"corrupted queue file: {queue_name}/{queue_id}: {reason}"


def broken_request(reason: str) -> str:
    """qmgr sent what is no delivery request."""
    return f"broken delivery request: {reason}"


def access_problem(uid: int, gid: int, text: str) -> str:
    """A maildir can't be used with its owner's rights."""
    return f"maildir access problem for UID/GID={uid}/{gid}: {text}"


ACCESS_HINT = "perhaps you need to create the maildirs in advance"


def lookup_failed(maps: str, key: str, reason: str) -> str:
    """A table can't answer."""
    return f"table {maps}: lookup {key}: {reason}"


def bad_path(user: str, path: str, maps: str) -> str:
    """A mailbox that would be elsewhere than below virtual_mailbox_base."""
    return f"recipient {user}: bad mailbox path {path} in {maps}"


def not_found(user: str, maps: str) -> str:
    """A recipient has a mailbox, but no uid or gid."""
    return f"recipient {user}: not found in {maps}"


def bad_id(user: str, kind: str, value: str, maps: str) -> str:
    """A recipient's uid or gid is out of range. kind: "uid" or "gid"."""
    return f"recipient {user}: bad {kind} {value} in {maps}"


def not_regular(user: str, path: str) -> str:
    """A mailbox is no file."""
    return f"recipient {user}: destination {path} is not a regular file"


OWNERSHIP_HINT = 'specify "strict_mailbox_ownership = no" to ignore mailbox ownership mismatch'
