"""post_mail - send mail of our own: reports and notices

    new_id = await post_mail(CleanupClient(), sender, recipient, content, host="mx.example.com")

Received: and Date: come first, then `content`; what else a message needs cleanup adds.

Sources: queue-file sheet section 4
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from pyfix.clients.cleanup import Verdict, detail
from pyfix.mail.dates import mail_date
from pyfix.mail.error import Retry
from pyfix.queue import records as rec


class Message(Protocol):
    """A message on its way to cleanup."""

    queue_id: str

    def write(self, records: bytes | bytearray, *, text: bool = False, clean: bool = False) -> None:
        """Add records. text: whole lines of content, without CR or LF in them; clean: and of others."""

    async def drain(self) -> None:
        """Wait while cleanup is behind."""

    async def finish(self) -> tuple[int, str]:
        """The verdict: STAT bits, reason."""

    def end(self, hear: Callable[[Verdict], None]) -> Verdict | None:
        """That was all. The verdict, if it is there; else `hear` is called with it, and raises nothing."""

    def cancel(self) -> None:
        """Give up."""


class Cleanup(Protocol):
    """The cleanup service."""

    async def open(self, flags: int) -> Message:
        """A new message."""


async def post_mail(
    cleanup: Cleanup,
    sender: str,
    recipient: str,
    content: Iterable[bytes],
    *,
    flags: int,
    host: str,
    mail_name: str = "Postfix",
    clock: Callable[[], float] = time.time,
) -> str:
    """Put a message into the queue, durable; its queue id. Retry: it is not there.

    sender, recipient: internal form; content: records from the first header on; flags: FLAG bits
    for cleanup; host: myhostname.
    """
    message = await cleanup.open(flags)
    now = clock()
    try:
        message.write(_head(message.queue_id, sender, recipient, host, mail_name, now))
        for records in content:
            message.write(records)
            await message.drain()
        message.write(rec.encode(rec.XTRA) + rec.encode(rec.END))
    except BaseException:
        message.cancel()
        raise
    status, _ = await message.finish()
    if status:
        raise Retry(detail(status).text)
    return message.queue_id


def _head(queue_id: str, sender: str, recipient: str, host: str, mail_name: str, now: float) -> bytes:
    date = mail_date(now)
    head = (
        (rec.TIME, f"{int(now)} {int(now % 1 * 1e6)}"),
        (rec.ATTR, "log_message_origin=local"),
        (rec.FROM, sender),
        (rec.RCPT, recipient),
        (rec.MESG, ""),
        (rec.NORM, f"Received: by {host} ({mail_name})"),
        (rec.NORM, f"\tid {queue_id}; {date}"),
        (rec.NORM, f"Date: {date}"),
    )
    return rec.encode_all([(kind, text.encode("utf-8", "surrogateescape")) for kind, text in head])
