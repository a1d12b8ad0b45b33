"""serial_cleanup - hand a message to the cleanup service from a program without an event loop

The same conversation as cleanup.CleanupClient has.

    queue_id = post(channel, FLAG_MASK_INTERNAL | FLAG_BOUNCE, lambda queue_id: records)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pyfix.clients.cleanup import CANCEL, END, FRAME, MORE, OPEN, OPENED, PROTOCOL, STAT_OK, STATUS, detail, not_opened
from pyfix.clients.serial import Conversation, SerialChannel
from pyfix.mail.error import Retry
from pyfix.wire.attr import AttrError

Records = Callable[[str], Iterable[bytes]]
"""The records of a message, in pieces, by its queue id."""


def channel(service: str, timeout: float) -> SerialChannel:
    """The way to the cleanup service of that name. timeout: ipc_timeout, seconds."""
    return SerialChannel(f"public/{service}", PROTOCOL, timeout=timeout)


def post(cleanup: SerialChannel, flags: int, records: Records) -> str:
    """Queue a message; its id, when it is safely on disk. Retry: it is not.

    flags: FLAG bits. Exceptions of `records` leave nothing behind.
    """
    conversation = cleanup.begin(OPEN.encode(flags))
    try:
        (queue_id,) = OPENED.decode(conversation.first[0])
        try:
            _send(conversation, records(queue_id))
        except BaseException:
            conversation.send(CANCEL)
            raise
        status, reason = STATUS.decode(conversation.receive()[0])
    except AttrError as error:
        cleanup.close()
        raise not_opened(conversation.first[0], error) from error
    finally:
        conversation.close()
    if status != STAT_OK:
        raise Retry(reason or detail(status).text)
    return str(queue_id)


def _send(conversation: Conversation, records: Iterable[bytes]) -> None:
    parts: list[bytes] = []
    have = 0
    for piece in records:
        parts.append(piece)
        have += len(piece)
        if have >= FRAME:
            conversation.send(MORE, b"".join(parts))
            parts.clear()
            have = 0
    conversation.send(END, b"".join(parts))
