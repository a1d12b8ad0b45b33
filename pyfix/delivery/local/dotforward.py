"""dotforward - a user's own list of where mail is to go

The first file of forward_path that is there counts. It must be a regular file of the user or of root
that not everybody can write; else it is as if there were none. It is read, and all that it names is
done, as the user. An empty file forwards nothing.

Parameters: forward_path, forward_expansion_filter, frozen_delivered_to, propagate_unmatched_extensions
Sources:    local(8)
"""

from __future__ import annotations

import os
import stat

from pyfix.clients.deliver import Flags
from pyfix.delivery.local import log
from pyfix.delivery.local.alias import Expand, expanded, without_success
from pyfix.delivery.local.expand import Undefined, expand, uses_extension
from pyfix.delivery.local.include import lines
from pyfix.delivery.local.state import Attempt, Parts, State
from pyfix.unix import msg


def deliver_dotforward(attempt: Attempt, state: State, deliver: Expand) -> Parts[bool]:
    """Deliver to what the user's file names; False: there is none, or nothing in it. state: has his rights."""
    found = _find(attempt, state)
    if found is None:
        return False
    path, status, by_extension = found
    if attempt.delivery.request.flags & Flags.MTA_VRFY:
        yield state.outcome("2.0.0", f"forward via file: {path}")
        return True
    if attempt.been_here(f"forward {path}"):
        return attempt.was_here(f"forward-done {path}")
    fd = _open(attempt, state, path, status)
    if fd is None:
        return False
    inner = without_success(state).but(exp_type="forward", exp_from=state.local, owner=state.user)
    if by_extension or "forward" not in attempt.setup.propagate:
        inner = inner.but(unmatched="")
    if not attempt.setup.cfg.frozen_delivered_to:
        inner = inner.but(delivered=state.recipient.address)
    try:
        count = yield from deliver(attempt, inner, lines(fd, attempt.setup.mail.line_length_limit))
    except OSError as error:
        msg.warning(log.read_failed(path, error.strerror))
        yield state.outcome("4.3.0", f"error reading .forward file: {error.strerror}")
        return True
    finally:
        os.close(fd)
    if count:
        attempt.been_here(f"forward-done {path}")
        yield from expanded(attempt, state)
    return count > 0


def _find(attempt: Attempt, state: State) -> tuple[str, os.stat_result, bool] | None:
    """The first file that is there, its status, and whether its name has the extension in it."""
    setup = attempt.setup
    for pattern in setup.cfg.forward_path.replace(",", " ").split():
        try:
            path = expand(pattern, state, setup.mail.recipient_delimiter, setup.cfg.forward_expansion_filter)
            with attempt.acting(state.rights):
                return path, os.lstat(path), uses_extension(pattern, state)
        except (Undefined, OSError):
            continue
    return None


def _open(attempt: Attempt, state: State, path: str, status: os.stat_result) -> int | None:
    """A descriptor; None, and a warning, when the file can't be trusted or opened."""
    problem = _problem(path, status, state.rights.uid)
    if problem:
        msg.warning(problem)
        return None
    try:
        with attempt.acting(state.rights):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        msg.warning(log.forward_unreadable(path, error.strerror))
        return None
    problem = _problem(path, os.fstat(fd), state.rights.uid)
    if problem:  # another one since
        os.close(fd)
        msg.warning(problem)
        return None
    return fd


def _problem(path: str, status: os.stat_result, uid: int) -> str:
    if not stat.S_ISREG(status.st_mode):
        return log.forward_not_regular(path)
    if status.st_uid not in {0, uid}:
        return log.forward_owner(path, status.st_uid)
    return log.forward_writable(path) if status.st_mode & stat.S_IWOTH else ""
