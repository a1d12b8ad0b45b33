"""smtp_server - the server's side of SMTP: bytes in, events out

    session = Session(Limits())
    for event in session.receive(data):
        session.reply(policy(event))
    sock.send(session.output())

Decides what belongs to the protocol: syntax, the order of commands, what content is and
where it ends. The owner decides the rest. Between an event that wants a reply and its
reply nothing else happens, so the owner may wait as long as it likes; what the client
sends meanwhile goes into the next receive().

State changes stand in the table COMMANDS (smtp_command): a command that the owner accepts leads to
`leads_to`; one that is out of place meets a complaint from `complaints`.

Sources: RFC 5321, RFC 2920 (pipelining), RFC 3030 (BDAT), RFC 6531 (UTF-8).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from pyfix.wire.smtp_command import COMMANDS, IN_TRANSACTION, Command, Limits, State
from pyfix.wire.smtp_data import Content
from pyfix.wire.smtp_event import (
    Bad,
    BareLine,
    Bdat,
    ChunkEnd,
    Dropped,
    Event,
    Hello,
    LongLine,
    MessageEnd,
    Pipelined,
    Text,
    Unknown,
)
from pyfix.wire.smtp_reply import Reply

HEADER = re.compile(r"[!-9;-~]+[ \t]*:")
SPACE = " \t\v\f\r\n"
CLOSED, DATA = State.CLOSED, State.DATA
BAD_UTF8 = Reply(500, "5.5.2", "Error: bad UTF-8 syntax")
BAD_SYNTAX = Reply(500, "5.5.2", "Error: bad syntax")


class Session:
    """One SMTP session."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.state = State.READY
        self.hello: Hello | None = None
        """The last HELO or EHLO that was accepted."""
        self.extended = False
        """EHLO was accepted once: commands may come in groups."""
        self.where = "CONNECT"
        """The last verb, for the log."""
        self.bare = False
        """A line ended in LF alone."""
        self.transcript: list[bytes | Reply] | None = None
        """Where commands (with the CR of their ends) and replies are noted."""
        self._buffer = b""
        self._at = 0
        self._out = b""
        self._held: Callable[[], Event] | None = None  # the command behind a notice
        self._skipping = False
        self._ended = False
        self._told_pipelining = False
        self._leads_to: State | None = None
        self._hello: Hello | None = None
        self._content: Content | None = None
        self._chunk: Bdat | None = None
        self._chunk_left = 0
        self._chunk_refusal: bytes | None = None

    # Input

    def receive(self, data: bytes) -> Iterator[Event]:
        """The events in what the client has sent so far."""
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0
        while (state := self.state) is not CLOSED:
            event: Event | None
            if self._chunk is not None:
                event = self._next_of_chunk(self._chunk)
            elif state is DATA:
                event = self._next_of_data()
            elif self._held is not None:
                held, self._held = self._held, None
                event = held()
            elif self._at < len(self._buffer):
                event = self._next_command()
            else:
                return
            if event is None:
                return
            yield event

    @property
    def pending(self) -> bytes:
        """What was received and is not used yet."""
        return self._buffer[self._at :]

    # Output

    def reply(self, reply: Reply) -> None:
        """Answer the last event; a positive answer moves the session on."""
        if self.transcript is not None:
            self.transcript.append(reply)
        if self._chunk is not None:
            self._chunk_refusal = reply.data
            return
        self._out += reply.data
        if reply.ok:
            if self._hello is not None:
                self.hello = self._hello
                self.extended = self.extended or self._hello.extended
            state = self._leads_to
            if state is not None:
                self.state = state
                self._content = self._new_content() if state is DATA else None
        self._leads_to = self._hello = None

    def greet(self, reply: Reply) -> None:
        """Say something unasked: the greeting, a 421."""
        if self.transcript is not None:
            self.transcript.append(reply)
        self._out += reply.data

    @property
    def received(self) -> int:
        """Bytes of the message whose content is coming, as message_size_limit counts them."""
        return self._content.size if self._content is not None else 0

    def accept_chunk(self) -> None:
        """Answer a Bdat event: let its chunk come."""
        if self._content is None:
            self._content = self._new_content()

    def refuse_rest(self) -> None:
        """What was accepted so far of a message in chunks is refused after all."""
        self.state = State.LOST
        self._content = None

    def output(self) -> bytes:
        """What is to be sent, all replies since the last call."""
        out, self._out = self._out, b""
        return out

    def close(self) -> None:
        """No more events will come."""
        self.state = State.CLOSED

    def reset(self) -> None:
        """Leave the transaction (the owner has lost the message)."""
        self.state = State.READY
        self._content = None

    # Commands

    def _next_command(self) -> Event | None:
        buffer, at, limit = self._buffer, self._at, self.limits.line_length
        end = buffer.find(b"\n", at)
        if self._skipping:
            self._at = end + 1 if end >= 0 else len(buffer)
            self._skipping = end < 0
            return self._next_command() if end >= 0 else None
        if end < 0 and len(buffer) - at <= limit:
            return None
        if end < 0 or end - at > limit:
            return self._long_line(at, end)
        self._at = end + 1
        line = buffer[at:end]
        if self.transcript is not None:
            self.transcript.append(line)
        if line[-1:] != b"\r":
            self.bare = True
            if self.limits.tell_bare_lines:
                self._held = lambda: self._line(line)
                return BareLine("UNKNOWN")
        return self._line(line)

    def _long_line(self, at: int, end: int) -> Event:
        line = self._buffer[at : at + self.limits.line_length]
        self._skipping = end < 0
        self._at = end + 1 if end >= 0 else len(self._buffer)
        if self.transcript is not None:
            self.transcript.append(line)
        self._held = lambda: self._line(line)
        return LongLine(line)

    def _line(self, line: bytes) -> Event:
        try:
            command, verb, argument, plain = understood(line, self.limits.utf8)
        except UnicodeDecodeError:
            return self._bad(BAD_UTF8, line.decode("utf-8", "surrogateescape"))
        if command is None:
            return self._not_a_command(argument)
        self.where = verb
        if self._at < len(self._buffer) and (command.last or not self.extended) and not self._told_pipelining:
            self._told_pipelining = True
            self._held = lambda: self._command(command, verb, argument, plain)
            return Pipelined(verb, self._buffer[self._at :])
        return self._command(command, verb, argument, plain)

    def _not_a_command(self, text: str) -> Event:
        words = text.split(None, 1)
        if not words:
            return self._bad(BAD_SYNTAX, text)
        if words[0].upper() in COMMANDS:  # white space that is no blank
            return self._line(" ".join(words).encode("utf-8", "surrogateescape"))
        self.where = "UNKNOWN"
        return Unknown(words[0], text, header=HEADER.match(words[0]) is not None)

    def _bad(self, reply: Reply, text: str) -> Event:
        return Bad("UNKNOWN", reply, text=text)

    def _command(self, command: Command, verb: str, argument: str, plain: Event | None) -> Event:
        complaint = command.complaints.get(self.state)
        if command.hello is not None and self.limits.hello_required and self.hello is None:
            complaint = command.hello
        event = complaint or plain or command.parse(self, argument.strip(SPACE))
        if isinstance(event, Reply):
            return Bad(verb, event, text=f"{verb} {argument}")
        if not isinstance(event, Bad):
            self._leads_to = command.leads_to
            self._hello = event if isinstance(event, Hello) else None
        return event

    # Content

    def _new_content(self) -> Content:
        return Content(self.limits.line_length, exact=self.limits.exact_line_ends)

    def _next_of_data(self) -> Event | None:
        assert self._content is not None
        content = self._content
        if self._ended:
            return self._end_message("DATA", content)
        if self._at >= len(self._buffer):
            return None
        blocks, self._at, self._ended = content.receive(self._buffer, self._at)
        if blocks:
            return Text("DATA", blocks)
        return self._end_message("DATA", content) if self._ended else None

    def _end_message(self, verb: str, content: Content) -> Event:
        self.where = "END-OF-MESSAGE"
        self.bare |= content.bare
        self._ended = False
        self.reset()
        return MessageEnd(verb, content.size, bare=content.bare)

    # BDAT

    def begin_chunk(self, event: Bdat) -> None:
        """(For the verb.) The next bytes are a chunk."""
        self._chunk = event
        self._chunk_left = event.size
        self._chunk_refusal = None

    def _next_of_chunk(self, chunk: Bdat) -> Event | None:
        if self._chunk_left:
            piece = self._buffer[self._at : self._at + self._chunk_left]
            if not piece:
                return None
            self._at += len(piece)
            self._chunk_left -= len(piece)
            if self._chunk_refusal is None:
                assert self._content is not None
                return Text("BDAT", self._content.receive_chunk(piece))
            return self._next_of_chunk(chunk)
        self._chunk = None
        if self._chunk_refusal is not None:
            return self._end_refused(chunk)
        return self._end_chunk(chunk)

    def _end_refused(self, chunk: Bdat) -> Event | None:
        assert self._chunk_refusal is not None
        self._out += self._chunk_refusal
        self._content = None
        if chunk.last:
            self.state = State.READY
            return Dropped("BDAT", last=True)
        self.state = State.LOST if self.state in IN_TRANSACTION else State.ASTRAY
        return Dropped("BDAT", last=False)

    def _end_chunk(self, chunk: Bdat) -> Event:
        content = self._content
        assert content is not None
        if not chunk.last:
            self.state = State.CHUNKS
            self.bare |= content.bare
            return ChunkEnd(chunk.size, bare=content.bare)
        blocks = content.finish_chunks()
        if blocks:
            self._held = lambda: self._end_message("BDAT", content)
            return Text("BDAT", blocks)
        return self._end_message("BDAT", content)



@lru_cache(500)
def understood(line: bytes, utf8: bool) -> tuple[Command | None, str, str, Event | None]:
    """A command line: its command, verb, argument, and the event where it depends on nothing else.

    Without a command the argument is the whole line. UnicodeDecodeError: it is no UTF-8, and must be.
    """
    text = line.decode("utf-8", "strict" if utf8 else "surrogateescape").partition("\0")[0].rstrip("\r")
    word, _, argument = text.strip(SPACE).partition(" ")
    verb = word.upper()
    command = COMMANDS.get(verb)
    if command is None:
        return None, "", text, None
    return command, verb, argument, command.plain(argument.strip(SPACE)) if command.plain is not None else None
