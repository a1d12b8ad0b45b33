"""include - :include:/file, a list of recipients in a file of its own

The file may be reached by a symbolic link. Named in root's aliases and owned by somebody else, its
files and commands are touched as that owner; named by a user, with that user's rights only.

Parameters: line_length_limit, propagate_unmatched_extensions
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator

from pyfix.delivery.agent import CONFIGURATION_ERROR
from pyfix.delivery.local import log
from pyfix.delivery.local.alias import Expand
from pyfix.delivery.local.state import Attempt, Parts, Rights, State, rights_of
from pyfix.delivery.outcome import MAY_PASS
from pyfix.mail.error import Retry
from pyfix.unix import msg

CHUNK = 65536


def deliver_include(attempt: Attempt, state: State, path: str, expand: Expand) -> Parts[None]:
    """Deliver to all whom a file names."""
    if attempt.been_here(f"include {state.rights.uid} {path}"):
        return
    try:
        rights, problem = _examine(attempt, state.rights, path)
    except Retry as error:
        yield state.outcome(error.status, error.text)
        return
    if problem:
        msg.warning(problem)
        yield state.outcome("5.3.5", CONFIGURATION_ERROR)
        return
    inner = state.but(exp_type="include", rights=rights, owner=state.owner or state.recipient.address)
    if "include" not in attempt.setup.propagate:
        inner = inner.but(unmatched="")
    try:
        with attempt.acting(rights):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        msg.warning(log.include_unreadable(path, error.strerror))
        yield state.outcome("4.3.5" if error.errno in MAY_PASS else "5.3.5", CONFIGURATION_ERROR)
        return
    try:
        yield from expand(attempt, inner, lines(fd, attempt.setup.mail.line_length_limit))
    except OSError as error:
        msg.warning(log.read_failed(path, error.strerror))
        yield state.outcome("4.3.0", f"error reading include file: {error.strerror}")
    finally:
        os.close(fd)


def _examine(attempt: Attempt, rights: Rights, path: str) -> tuple[Rights, str]:
    """The rights inside of the file; and what is wrong with it, or nothing. Retry: now; or its owner has no name."""
    if not path.startswith("/"):
        return rights, log.include_relative(path)
    try:
        with attempt.acting(rights):
            found = os.stat(path)
    except OSError as error:
        problem = log.include_missing(path, error.strerror)
        if error.errno in MAY_PASS:
            msg.warning(problem)
            raise Retry(CONFIGURATION_ERROR, status="4.3.5") from error
        return rights, problem
    if not stat.S_ISREG(found.st_mode):
        return rights, log.include_bad(path, "not a regular file")
    if found.st_mode & stat.S_IWOTH:
        return rights, log.include_bad(path, "world writable")
    if rights.uid or not found.st_uid:
        return rights, ""
    try:
        user = pwd.getpwuid(found.st_uid)
    except KeyError as error:
        msg.warning(log.no_user(found.st_uid))
        msg.warning(log.include_owner(path))
        raise Retry(CONFIGURATION_ERROR, status="4.3.5") from error
    return rights_of(user), ""


def lines(fd: int, limit: int) -> Iterator[str]:
    """The lines of a file, without comments; longer ones in pieces of `limit` bytes. OSError.

    Their ends are kept: one within quotes is a space.
    """
    rest = b""
    while data := os.read(fd, CHUNK):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield from _pieces(line + b"\n", limit)
        while len(rest) > limit:
            yield from _pieces(rest[:limit], limit)
            rest = rest[limit:]
    yield from _pieces(rest, limit)


def _pieces(line: bytes, limit: int) -> Iterator[str]:
    if line.startswith(b"#"):
        return
    for at in range(0, len(line), limit):
        yield line[at : at + limit].decode("utf-8", "surrogateescape")
