"""original - the message that a report is about

What qmgr says of it, and what its queue file says. When the file is gone or corrupt the report goes
without its text: that somebody hears of the trouble counts more. Trouble that may pass is waited for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyfix.bounce import log
from pyfix.mail.address import quote
from pyfix.mail.headers import header_name, header_value
from pyfix.queue.file import CorruptQueueFile, Envelope, read_content, read_envelope
from pyfix.queue.sendopts import UTF8_REQUESTED
from pyfix.unix import msg

if TYPE_CHECKING:
    from pyfix.clients.bounce import ReportRequest
    from pyfix.queue.logs import Opener


class Original:
    """request: of the report, its sender is who is told; sender: of the message, external form;
    envelope, fd: of its file, None and -1 when it is gone or corrupt. Close it. OSError: it can't be read now.
    """

    __slots__ = ("envelope", "fd", "request", "sender")

    def __init__(self, queue: Opener, request: ReportRequest, mailer_daemon: str) -> None:
        self.request = request
        self.fd = -1
        self.envelope: Envelope | None = None
        try:
            self.fd = queue.open(request.queue_name, request.queue_id)
            self.envelope = read_envelope(self.fd)
        except (FileNotFoundError, CorruptQueueFile) as error:
            msg.warning(log.no_original(request.queue_name, request.queue_id, str(error)))
        except OSError:
            self.close()
            raise
        sender = request.sender if self.envelope is None else self.envelope.sender
        self.sender = quote(sender) or mailer_daemon

    def close(self) -> None:
        """Let go of the file."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @property
    def arrival(self) -> int:
        """Seconds; 0 when unknown."""
        return self.envelope.arrival[0] if self.envelope else 0

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.envelope.content_len if self.envelope else 0

    @property
    def utf8(self) -> bool:
        """Whether the message needs SMTPUTF8."""
        return bool(self.request.sendopts & UTF8_REQUESTED)

    @property
    def eight_bit(self) -> bool:
        """Whether the message is 8-bit."""
        return self.request.encoding == "8bit"

    def message_id(self) -> str:
        """Its Message-Id; empty when it has none."""
        noted = self.envelope.attrs.get("message_id", "") if self.envelope else ""
        return noted or self._message_id_header()

    def _message_id_header(self) -> str:
        """From the header: older Postfix does not note it."""
        try:
            for _, data in self.content():
                name = header_name(data)
                if name is None and data[:1] not in {b" ", b"\t"}:
                    return ""
                if name is not None and name.lower() == b"message-id":
                    return header_value(data).decode("utf-8", "surrogateescape")
        except CorruptQueueFile:
            pass
        return ""

    def content(self) -> Iterator[tuple[bytes, bytes]]:
        """The text as (record type, data). CorruptQueueFile."""
        if self.envelope is not None:
            yield from read_content(self.fd, self.envelope.content_offset)
