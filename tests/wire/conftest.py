"""An owner of the SMTP server protocol that accepts everything and keeps what it hears, as a fixture."""

import pytest

from pyfix.wire import smtp_event as on
from pyfix.wire.smtp_command import Limits
from pyfix.wire.smtp_reply import Reply
from pyfix.wire.smtp_server import Session

OK = Reply(250, "2.0.0", "Ok")
GO_AHEAD = Reply(354, "", "Go")
NO_REPLY = (on.Text, on.LongLine, on.LongChunk, on.Pipelined, on.BareLine, on.Dropped)


class Owner:
    def __init__(self, limits: Limits | None = None) -> None:
        self.session = Session(limits or Limits())
        self.events: list[on.Event] = []
        self.messages: list[list[bytes]] = []
        self._lines: list[bytes] = []
        self._partial = b""

    def feed(self, data: bytes) -> bytes:
        event = self.session.receive(data)
        while event is not None:
            self.events.append(event)
            self._react(event)
            event = self.session.next() if self.session.more else None
        out, self.session.out = self.session.out, b""
        return out

    def _react(self, event: on.Event) -> None:
        if isinstance(event, on.Text):
            self._keep(event)
        elif isinstance(event, on.Bad):
            self.session.reply(event.reply)
        elif isinstance(event, on.Bdat):
            self.session.accept_chunk()
        elif not isinstance(event, NO_REPLY):
            if isinstance(event, on.MessageEnd):
                self._keep(event)
                self.messages.append(self._lines)
                self._lines = []
            self.session.reply(GO_AHEAD if isinstance(event, on.Data) else OK)

    def _keep(self, event: on.Text | on.MessageEnd) -> None:
        for block in event.blocks:
            if block.lines:
                self._lines += [self._partial + block.lines[0], *block.lines[1:]]
                self._partial = b""
            if block.partial is not None:
                self._partial += block.partial


@pytest.fixture
def owner() -> type[Owner]:
    return Owner
