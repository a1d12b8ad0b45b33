"""forward - post mail anew to the addresses that an expansion gave

Each recipient gets a record of its own in the queue that way. There is one message for each sender
and Delivered-To. Nothing is posted before the recipient's whole expansion is done, and nothing at all
when a part of it was deferred: it will be done again.

    Received: by myhostname (mail_name)
    Delivered-To: the address that the mail came for
    the message

Parameters: myhostname, mail_name, prepend_delivered_header, internal_mail_filter_classes
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from pyfix.clients.cleanup import FLAG_BOUNCE, FLAG_MASK_INTERNAL, FLAG_SMTPUTF8
from pyfix.clients.serial_cleanup import post
from pyfix.delivery.local import log
from pyfix.delivery.local.alias import without_success
from pyfix.delivery.local.state import Attempt, Forward, Parts, State
from pyfix.delivery.outcome import Outcome
from pyfix.mail.address import quote
from pyfix.mail.dates import mail_date
from pyfix.mail.error import MailError
from pyfix.queue import records as rec
from pyfix.queue.file import Recipient, read_content
from pyfix.queue.sendopts import UTF8_REQUESTED
from pyfix.unix import msg

INHERITED = (  # attributes of the request that the new message has too
    "log_client_name",
    "log_client_address",
    "log_protocol_name",
    "log_helo_name",
    "sasl_method",
    "sasl_username",
    "sasl_sender",
    "log_ident",
    "rewrite_context",
    "ret_flags",
    "envelope_id",
)
PIECE = 65536


def append(attempt: Attempt, state: State) -> None:
    """One more recipient to be posted to."""
    key = (state.sender, state.delivered)
    attempt.forwards.setdefault(key, Forward(state, [])).recipients.append(state.recipient)


def finish(attempt: Attempt, state: State) -> Parts[None]:
    """Post all of them, unless the recipient is to be tried again. state: the recipient's first."""
    forwards = list(attempt.forwards.values())
    attempt.forwards.clear()
    for forward in forwards:
        if attempt.waiting(state):
            return
        yield _send(attempt, forward, without_success(state))


def _send(attempt: Attempt, forward: Forward, state: State) -> Outcome:
    flags = FLAG_MASK_INTERNAL | FLAG_BOUNCE
    if attempt.delivery.request.sendopts & UTF8_REQUESTED:
        flags |= FLAG_SMTPUTF8
    try:
        queue_id = post(attempt.setup.cleanup, flags, lambda queue_id: _records(attempt, forward, queue_id))
    except MailError as error:
        msg.warning(log.not_forwarded(attempt.delivery.request.queue_id, str(error)))
        return state.outcome("4.3.0", "unable to forward message")
    return state.outcome("2.0.0", f"forwarded as {queue_id}", action="relayed")


def _records(attempt: Attempt, forward: Forward, queue_id: str) -> Iterator[bytes]:
    now = time.time()
    yield _envelope(attempt, forward, now)
    for recipient in forward.recipients:
        yield _recipient(recipient)
    yield rec.encode(rec.MESG) + _head(attempt, forward, queue_id, now)
    request = attempt.delivery.request
    parts: list[bytes] = []
    have = 0
    for kind, data in read_content(attempt.delivery.fd, request.offset):
        parts.append(rec.encode(kind, data))
        have += len(data)
        if have >= PIECE:
            yield b"".join(parts)
            parts.clear()
            have = 0
    yield b"".join(parts) + rec.encode(rec.XTRA) + rec.encode(rec.END)


def _envelope(attempt: Attempt, forward: Forward, now: float) -> bytes:
    request, state = attempt.delivery.request, forward.state
    seconds, fraction = divmod(now, 1)
    out = [rec.encode(rec.TIME, b"%d %d" % (seconds, fraction * 1e6)), rec.encode(rec.FROM, _bytes(state.sender))]
    values = {name: getattr(request, name) for name in INHERITED}
    return b"".join(out + [_attribute(name, value) for name, value in values.items() if value])


def _recipient(recipient: Recipient) -> bytes:
    out = []
    if recipient.dsn_orig_rcpt:
        out.append(_attribute("dsn_orig_rcpt", recipient.dsn_orig_rcpt))
    if recipient.notify:
        out.append(_attribute("notify_flags", recipient.notify))
    if recipient.original:
        out.append(rec.encode(rec.ORCP, _bytes(recipient.original)))
    return b"".join([*out, rec.encode(rec.RCPT, _bytes(recipient.address))])


def _head(attempt: Attempt, forward: Forward, queue_id: str, now: float) -> bytes:
    mail = attempt.setup.mail
    lines = [f"Received: by {mail.myhostname} ({mail.mail_name})", f"\tid {queue_id}; {mail_date(now)}"]
    if "forward" in attempt.setup.prepend:
        lines.append(f"Delivered-To: {quote(forward.state.delivered.lower())}")
    return rec.encode_text([_bytes(line) for line in lines])


def _attribute(name: str, value: object) -> bytes:
    return rec.encode(rec.ATTR, _bytes(f"{name}={value}"))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
