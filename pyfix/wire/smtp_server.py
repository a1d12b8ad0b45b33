"""smtp_server - the server's side of SMTP: bytes in, events out

    session = Session(Limits())
    event = session.receive(data)
    while event is not None:
        session.reply(policy(event))
        event = session.next() if session.more else None
    sock.send(session.out)
    session.out = b""

Decides what belongs to the protocol: syntax, the order of commands, what content is and
where it ends. The owner decides the rest. Between an event that wants a reply and its
reply nothing else happens, so the owner may wait as long as it likes; what the client
sends meanwhile goes into the next receive().

State changes stand in the table COMMANDS (smtp_command): a command that the owner accepts leads to
`leads_to`; one that is out of place meets a complaint from `complaints`. A line that is in its place, and known
from before, is an event at once; everything else is looked at closely.

Sources: RFC 5321, RFC 2920 (pipelining), RFC 3030 (BDAT), RFC 6531 (UTF-8).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from pyfix.wire.smtp_command import COMMANDS, IN_TRANSACTION, Command, Limits, State, Usual
from pyfix.wire.smtp_data import Content, Piece
from pyfix.wire.smtp_event import (
    Bad,
    BareLine,
    Bdat,
    ChunkEnd,
    Dropped,
    Event,
    Hello,
    LongChunk,
    LongLine,
    MessageEnd,
    Pipelined,
    Text,
    Unknown,
)
from pyfix.wire.smtp_path import blank_words
from pyfix.wire.smtp_reply import Reply

HEADER = re.compile(r"[!-9;-~]+[ \t]*:")
SPACE = " \t\v\f\r\n"
READY, DATA = State.READY, State.DATA
HANG_UP = frozenset({421, 521})
"""Codes after which the owner ends the session."""
BAD_UTF8 = Reply(500, "5.5.2", "Error: bad UTF-8 syntax")
BAD_SYNTAX = Reply(500, "5.5.2", "Error: bad syntax")


class Transcript(Protocol):
    """Where it is noted what was said."""

    def append(self, item: bytes | Reply, /) -> None:
        """A command with its line end, or a reply."""


class Session:
    """One SMTP session."""

    __slots__ = (
        "_asked",
        "_at",
        "_buffer",
        "_chunk",
        "_chunk_left",
        "_chunk_refusal",
        "_chunks",
        "_content",
        "_instead",
        "_leads_to",
        "_told_pipelining",
        "bare",
        "extended",
        "hello",
        "limits",
        "more",
        "out",
        "state",
        "transcript",
        "where",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.state = READY
        self.hello: Hello | None = None
        """The last HELO or EHLO that was accepted."""
        self.extended = False
        """EHLO was accepted once: commands may come in groups."""
        self.where = "CONNECT"
        """The last verb, for the log."""
        self.bare = False
        """A line ended in LF alone."""
        self.transcript: Transcript | None = None
        """Where commands (with their ends) and replies are noted."""
        self.more = False
        """There is input that next() has not looked at, or something else for it to say."""
        self.out = b""
        """What is to be sent: whoever has sent it empties it."""
        self._buffer = b""
        self._at = 0
        self._instead: Callable[[], Event | None] | None = None  # of reading a command
        self._told_pipelining = False
        self._asked: Event | None = None
        self._leads_to: State | None = None
        self._content: Content | None = None
        self._chunk: Bdat | None = None
        self._chunk_left = 0
        self._chunk_refusal: Reply | None = None
        self._chunks = 0  # bytes of all chunks of a message

    # Input

    def receive(self, data: bytes) -> Event | None:
        """Take what the client has sent: the first event in it, or None."""
        if self.more:
            self._buffer = self._buffer[self._at :] + data
        elif (
            self.state is DATA
            or (usual := self.limits.usual.get(data)) is None
            or self.state not in usual.states
        ):
            self._buffer = data
        else:
            return self._usual(data, usual)
        self._at = 0
        return self.next()

    def next(self) -> Event | None:
        """The event that follows, once the last one is dealt with; None: more must come first."""
        if self.state is DATA:
            return self._next_of_data()
        if self._instead is not None:
            return self._instead()
        buffer, at = self._buffer, self._at
        end = buffer.find(b"\n", at) + 1
        if not 0 < end - at <= self.limits.line_length and not self._ends_in_time(at, end):
            return self._no_line(at, end)
        self._at = end
        self.more = end < len(buffer)
        line = buffer[at:end]
        usual = self.limits.usual.get(line)
        if usual is not None and self.state in usual.states and not (self.more and (usual.last or not self.extended)):
            return self._usual(line, usual)
        if self.transcript is not None:
            self.transcript.append(line)
        return self._closely(line)

    def _usual(self, line: bytes, usual: Usual) -> Event:
        """A command line that was understood before, in its place."""
        event = usual.event
        if self.transcript is not None:
            self.transcript.append(line)
        self.where = event.verb
        self._asked, self._leads_to = event, usual.leads_to
        return event

    @property
    def pending(self) -> bytes:
        """What was received and is not used yet."""
        return self._buffer[self._at :]

    # Output

    def reply(self, reply: Reply) -> None:
        """Answer the last event; a positive answer moves the session on."""
        if self._chunk is not None:
            if reply.code not in HANG_UP:
                self._refuse_chunk(reply)
                return
            self._chunk = None  # nobody waits for it
        if self.transcript is not None:
            self.transcript.append(reply)
        self.out += reply.data
        leads_to = self._leads_to
        if leads_to is not None:
            self._leads_to = None
            if reply.ok:
                self.state = leads_to
                if leads_to is DATA:
                    self._content = self._new_content()
                elif leads_to is READY:
                    self._reset()

    def _reset(self) -> None:
        self._content = None
        self._chunks = 0
        if isinstance(self._asked, Hello):
            self.hello = self._asked
            self.extended = self.extended or self.hello.extended

    def greet(self, reply: Reply) -> None:
        """Say something unasked: the greeting, a 421."""
        if self.transcript is not None:
            self.transcript.append(reply)
        self.out += reply.data

    @property
    def received(self) -> int:
        """Bytes of the message whose content is coming, as message_size_limit counts them."""
        return self._content.received if self._content is not None else 0

    @property
    def in_content(self) -> bool:
        """Some of a message's content was let come, or all but the end of its last chunk."""
        return self._content is not None

    @property
    def owes_reply(self) -> bool:
        """A chunk was refused, which the client hears at its end."""
        return self._chunk is not None

    def accept_chunk(self) -> None:
        """Answer a Bdat event: let its chunk come."""
        if self._content is None:
            self._content = self._new_content()

    def refuse_rest(self) -> None:
        """What was accepted so far of a message in chunks is refused after all."""
        self.state = State.LOST
        self._content = None

    def close(self) -> str:
        """No more events will come. The verb whose content was under way; empty: there was none."""
        unfinished = "DATA" if self.state is DATA else ""
        if self._chunk is not None:
            unfinished = "BDAT" if self._chunk_refusal is None else ""
        self.state = State.CLOSED
        self._instead = _nothing
        self.more = True
        return unfinished

    # Commands

    def _ends_in_time(self, at: int, end: int) -> bool:
        """Only its LF is too much."""
        return end - at == self.limits.line_length + 1 and self._buffer[end - 2 : end] == b"\r\n"

    def _no_line(self, at: int, end: int) -> Event | None:
        """No line, or a long one. end: behind it, 0: it has not come yet.

        One that is longer than two is as long as two.
        """
        limit, size = self.limits.line_length, len(self._buffer)
        self.more = True
        if not end and size - at < 2 * limit:
            return None
        endless = not 0 < end - at <= 2 * limit
        line = _printable(self._buffer[at : at + limit], self.limits.utf8)
        self._at = at + 2 * limit if endless else end
        self._hold(lambda: self._long_line(line))
        return LongLine(line, endless=endless)

    def _long_line(self, line: bytes) -> Event:
        if self.transcript is not None:
            self.transcript.append(line)
        return self._line(line)

    def _hold(self, command: Callable[[], Event]) -> None:
        """There is something to say before this one."""

        def release() -> Event:
            self._instead = None
            return command()

        self._instead = release
        self.more = True

    def _closely(self, line: bytes) -> Event:
        if not line.endswith(b"\r\n"):
            self.bare = True
            if self.limits.tell_bare_lines:
                self._hold(lambda: self._line(line))
                return BareLine("UNKNOWN")
        return self._line(line)

    def _line(self, line: bytes) -> Event:
        command, plain, verb, argument = understood(line, self.limits.utf8)
        if command is NO_COMMAND:
            self.where = "UNKNOWN"
            return plain or self._not_a_command(argument, line)
        self.where = verb
        if plain is not None and line.endswith(b"\r\n") and not (command.hello and self.limits.hello_required):
            self.limits.remember(line, Usual(plain, command.leads_to, command.in_place, last=command.last))
        if self._at < len(self._buffer) and (command.last or not self.extended) and not self._told_pipelining:
            self._told_pipelining = True
            self._hold(lambda: self._command(command, verb, argument, plain, line))
            return Pipelined(verb, self._buffer[self._at :])
        return self._command(command, verb, argument, plain, line)

    def _not_a_command(self, text: str, line: bytes) -> Event:
        words = blank_words(text)
        if not words:
            return Bad("UNKNOWN", BAD_SYNTAX, text=text)
        if words[0].isascii() and words[0].upper() in COMMANDS:  # white space that is no blank
            return self._line(" ".join(words).encode("utf-8", "surrogateescape"))
        whole = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")
        return Unknown(words[0], whole, header=HEADER.match(words[0]) is not None)

    def _command(self, command: Command, verb: str, argument: str, plain: Event | None, line: bytes) -> Event:
        complaint = command.complaints.get(self.state)
        if command.hello is not None and self.limits.hello_required and self.hello is None:
            complaint = command.hello
        event = complaint or plain or command.parse(self, argument.strip(SPACE))
        if event is not plain:
            if isinstance(event, Reply):
                return Bad(verb, event, text=line.rstrip(b"\r\n").decode("utf-8", "surrogateescape"))
            if isinstance(event, Bad):
                return event
        self._asked, self._leads_to = event, command.leads_to
        return event

    # Content

    def _new_content(self) -> Content:
        return Content(self.limits.line_length, self.limits.exact_line_ends)

    def _next_of_data(self) -> Event | None:
        content = self._content
        assert content is not None
        blocks, self._at, ended = content.receive(self._buffer, self._at)
        self.more = self._at < len(self._buffer)
        if ended:
            return self._end_message("DATA", content, blocks)
        return Text("DATA", blocks, content.size) if blocks else None

    def _end_message(self, verb: str, content: Content, blocks: list[Piece]) -> Event:
        self.where = "END-OF-MESSAGE"
        self.bare |= content.bare
        self.state = READY
        self._content = None
        self._chunks = 0
        return MessageEnd(verb, blocks, content.size, content.bare)

    # BDAT

    def begin_chunk(self, event: Bdat) -> None:
        """(For the verb.) The next bytes are a chunk."""
        self._chunk = event
        self._chunk_left = event.size
        self._chunk_refusal = None
        self._chunks += event.size
        self._instead = self._next_of_chunk
        self.more = True

    def _refuse_chunk(self, reply: Reply) -> None:
        self._chunk_refusal = reply
        self._content = None
        if self.limits.patience is not None and self._chunks > self.limits.patience:
            self._chunk_left = 0
            self._instead = self._long_chunk

    def _long_chunk(self) -> Event:
        self._instead = self._next_of_chunk
        return LongChunk()

    def _next_of_chunk(self) -> Event | None:
        chunk = self._chunk
        assert chunk is not None
        if self._chunk_left:
            piece = self._buffer[self._at : self._at + self._chunk_left]
            if not piece:
                return None
            self._at += len(piece)
            self._chunk_left -= len(piece)
            if self._chunk_refusal is None:
                assert self._content is not None
                return Text("BDAT", self._content.receive_chunk(piece), self._content.size)
            return self._next_of_chunk()
        self._chunk = self._instead = None
        self.more = self._at < len(self._buffer)
        if self._chunk_refusal is not None:
            return self._end_refused(chunk)
        return self._end_chunk(chunk)

    def _end_refused(self, chunk: Bdat) -> Event | None:
        assert self._chunk_refusal is not None
        self.greet(self._chunk_refusal)
        if chunk.last:
            self.state = READY
            self._chunks = 0
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
        return self._end_message("BDAT", content, content.finish_chunks())


def _nothing() -> None:
    """The session is over."""


def _printable(line: bytes, utf8: bool) -> bytes:
    """A line up to a NUL with ? for what does not print, or is no UTF-8."""
    text = line.partition(b"\0")[0].decode("utf-8" if utf8 else "ascii", "surrogateescape")
    return "".join("?" if c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" else c for c in text).encode()


NO_COMMAND = Command(lambda _, argument: Bad("UNKNOWN", BAD_SYNTAX, text=argument))
Understood = tuple[Command, Event | None, str, str]


def understood(line: bytes, utf8: bool) -> Understood:
    """A command line: its command, the event where it depends on nothing else, its verb and argument.

    NO_COMMAND has the whole line as its argument, or an event where it is not UTF-8, and must be.
    """
    try:
        text = line.partition(b"\0")[0].decode("utf-8", "strict" if utf8 else "surrogateescape")
    except UnicodeDecodeError:
        text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        return NO_COMMAND, Bad("UNKNOWN", BAD_UTF8, text=text), "", text
    text = text.rstrip("\r\n")
    word, _, argument = text.strip(SPACE).partition(" ")
    verb = word.upper()
    command = COMMANDS.get(verb)
    if command is None or not word.isascii():  # some letters have ASCII capitals
        return NO_COMMAND, None, "", text
    plain = command.plain(argument.strip(SPACE)) if command.plain is not None else None
    return command, plain, verb, argument
