"""file - delivery to a file that an alias or .forward names: mbox, or maildir where the name ends in /

Parameters: allow_mail_to_files, enable_original_recipient, mailbox_delivery_lock, mailbox_size_limit,
            prepend_delivered_header
Sources:    local(8) EXTERNAL FILE DELIVERY
"""

from __future__ import annotations

import errno
import os
import stat
import time

from pyfix.delivery import log
from pyfix.delivery.local.state import Attempt, Parts, Rights, State
from pyfix.delivery.mail_copy import MBOX, Letter, MailboxError
from pyfix.unix import msg


def letter_for(attempt: Attempt, state: State, delivered: str, context: str) -> Letter:
    """The message, for this step. context: of prepend_delivered_header."""
    request = attempt.delivery.request
    shown = delivered if context in attempt.setup.prepend else ""
    return Letter(
        attempt.delivery.fd,
        request.offset,
        request.size,
        state.sender,
        state.recipient,
        delivered=shown,
        original=attempt.setup.mail.enable_original_recipient,
    )


def safe_rights(attempt: Attempt, rights: Rights) -> Rights:
    """These, or default_privs' where they are root's."""
    uid, gid = attempt.setup.default_privs
    return rights if rights.uid else Rights(uid, rights.gid or gid, rights.name, rights.home, rights.shell)


def deliver_file(attempt: Attempt, state: State, path: str) -> Parts[None]:
    """Append to a file, or add one to a maildir."""
    if attempt.been_here(f"file {state.rights.uid} {path}"):
        return
    if state.exp_type not in attempt.setup.to_files:
        yield state.outcome("5.7.1", "mail to file is restricted", blamed=state.blamed)
        return
    if attempt.probe:
        yield state.outcome("2.0.0", f"delivers to file: {path}")
        return
    rights = safe_rights(attempt, state.rights)
    if path.endswith("/"):
        yield from deliver_maildir(attempt, state.but(rights=rights), path, state.delivered)
        return
    try:
        _append(attempt, state, path, rights)
    except MailboxError as error:
        reason = f"cannot append message to file {path}: {error}"
        yield state.outcome(error.status, reason, blamed=state.blamed, **error.more)
    else:
        yield state.outcome("2.0.0", f"delivered to file: {path}")


def _append(attempt: Attempt, state: State, path: str, rights: Rights) -> None:
    mbox = attempt.setup.mbox
    with attempt.acting(rights), mbox.opened(path, insist=False) as fd:
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode) and mode & 0o111:
            raise MailboxError("5.7.1", "file is executable")
        letter = letter_for(attempt, state, state.delivered, "file")
        mbox.append(fd, letter.chunks(MBOX, time.time()))


def deliver_maildir(attempt: Attempt, state: State, path: str, delivered: str) -> Parts[None]:
    """Add a file to a maildir. path: ends in a slash."""
    if attempt.probe:
        yield state.outcome("2.0.0", "delivers to maildir")
        return
    rights = state.rights
    try:
        with attempt.acting(rights):
            attempt.setup.maildir.deliver(path, letter_for(attempt, state, delivered, "file"))
    except MailboxError as error:
        if error.errno == errno.EACCES:
            msg.warning(log.access_problem(rights.uid, rights.gid, str(error)))
            msg.warning(log.ACCESS_HINT)
        reason = f"maildir delivery failed: {error}"
        yield state.outcome(error.status, reason, blamed=state.blamed, **error.more)
    else:
        yield state.outcome("2.0.0", "delivered to maildir")
