"""log - what local says, beside each recipient's line"""

from __future__ import annotations


def no_domain(address: str) -> str:
    """A recipient without @."""
    return f"no @ in recipient address: {address}"


def illegal_extension(queue_id: str, local: str) -> str:
    """An extension that could change a path."""
    return f"{queue_id}: address with illegal extension: {local}"


def nesting(address: str) -> str:
    """(warning) One address led to another too often."""
    return f"recipient nesting limit exceeded for {address}"


def no_recipient(name: str) -> str:
    """An alias of nothing."""
    return f"no recipient in alias lookup result for {name}"


def no_table_owner(table: str) -> str:
    """The owner of a table has no name."""
    return f"cannot find alias database owner for {table}"


def lookup_failed(table: str, name: str) -> str:
    """A table can't answer."""
    return f"{table}: lookup of '{name}' failed"


def required_alias(user: str) -> str:
    """postmaster has to be somebody."""
    return f"required alias not found: {user}"


def include_relative(path: str) -> str:
    """An :include: of a path that is not from the root."""
    return f":include:{path} uses a relative path"


def user_not_looked_up(name: str, error: OSError) -> str:
    """The system can't say whether there is such a user."""
    return f"error looking up passwd info for {name}: {error.strerror or error}"


def include_missing(path: str, reason: str | None) -> str:
    """An :include: file that is not there."""
    return f"unable to lookup :include: file {path}: {reason}"


def include_bad(path: str, what: str) -> str:
    """An :include: file that can't be trusted. what: "not a regular file", "world writable"."""
    return f":include: file {path} is {what}"


def no_user(uid: int) -> str:
    """Somebody has no name."""
    return f"cannot find username for uid {uid}"


def include_owner(path: str) -> str:
    """An :include: file of a user without a name."""
    return f"{path}: cannot find :include: file owner username"


def include_unreadable(path: str, reason: str | None) -> str:
    """An :include: file that can't be opened."""
    return f"cannot open include file {path}: {reason}"


def forward_not_regular(path: str) -> str:
    """A .forward that is a directory, a link, ..."""
    return f"file {path} is not a regular file"


def forward_owner(path: str, uid: int) -> str:
    """A .forward of somebody else."""
    return f"file {path} has bad owner uid {uid}"


def forward_writable(path: str) -> str:
    """A .forward that anybody could have written."""
    return f"file {path} is world writable"


def forward_unreadable(path: str, reason: str | None) -> str:
    """A .forward that can't be opened."""
    return f"cannot open file {path}: {reason}"


def home_syntax(address: str) -> str:
    """~user/file is not known here."""
    return f"bad home directory syntax for: {address}"


def home_unknown(address: str) -> str:
    """~/file of nobody."""
    return f"unknown home directory for: {address}"


def home_bad(home: str, address: str) -> str:
    """A home that is not from the root."""
    return f"bad home directory: {home} for: {address}"


def read_failed(path: str, reason: str | None) -> str:
    """A list could be opened but not read."""
    return f"read file {path}: {reason}"


def not_forwarded(queue_id: str, reason: str | None) -> str:
    """cleanup did not take a message."""
    return f"{queue_id}: unable to forward: {reason}"


def maps_trouble(maps: str, user: str) -> str:
    """A per-user table can't answer."""
    return f"{maps} lookup of {user} failed"
