"""smtp_server - the server's side of SMTP: bytes in, events out

    session = Session(Limits())
    for event in session.receive(data):
        session.reply(policy(event))
    sock.send(session.output())

Decides what belongs to the protocol: syntax, the order of commands, what content is and
where it ends. The owner decides the rest. Between an event that wants a reply and its
reply nothing else happens, so the owner may wait as long as it likes; what the client
sends meanwhile goes into the next receive().

State changes stand in the table COMMANDS: a command that the owner accepts leads to
`leads_to`; one that is out of place meets a complaint from `complaints`.

Sources: RFC 5321, RFC 2920 (pipelining), RFC 3030 (BDAT), RFC 6531 (UTF-8).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from pyfix.wire.smtp_data import Content
from pyfix.wire.smtp_event import (
    Bad,
    BareLine,
    Bdat,
    ChunkEnd,
    Data,
    Dropped,
    Etrn,
    Event,
    Hello,
    LongLine,
    Mail,
    MessageEnd,
    Pipelined,
    Rcpt,
    Simple,
    Text,
    Unknown,
    Verify,
)
from pyfix.wire.smtp_params import NO_MAIL_PARAMS, NO_RCPT_PARAMS, mail_params, rcpt_params
from pyfix.wire.smtp_path import PLAIN_PATH, parse_path, split_words
from pyfix.wire.smtp_reply import Reply

KEYWORDS = frozenset({"DSN", "SMTPUTF8", "CHUNKING"})  # those that change what commands mean
HEADER = re.compile(r"[!-9;-~]+[ \t]*:")
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
IPV4 = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
LITERAL = rf"\[{IPV4}(?:\.{IPV4}){{3}}\]|\[IPv6:[0-9A-Fa-f:.]+\]"
DOMAIN = re.compile(rf"(?![0-9.]+$){LABEL}(?:\.{LABEL})*|{LITERAL}", re.ASCII)
CHUNK_DIGITS = 18  # of a chunk size; more is no size
SPACE = " \t\v\f\r\n"


class State(Enum):
    """Where a session stands."""

    READY = "ready"
    MAIL = "MAIL accepted"
    RCPT = "a recipient accepted"
    CHUNKS = "between the chunks of a message"
    LOST = "between the chunks of a message that was refused"
    ASTRAY = "between chunks that belong to no message"
    DATA = "in the content"
    CLOSED = "over"


IN_TRANSACTION = (State.MAIL, State.RCPT, State.CHUNKS, State.LOST)
AFTER_BDAT = (State.CHUNKS, State.LOST, State.ASTRAY)


@dataclass(frozen=True)
class Limits:
    """What a session allows.

    line_length: bytes of a command line, and of content that is one record; exact_line_ends: only
    CR LF ends a message; tell_bare_lines: BareLine events; utf8: commands must be UTF-8;
    strict_paths: addresses as RFC 5321 has them only; hello_required: HELO before MAIL.
    """

    line_length: int = 2048
    exact_line_ends: bool = True
    tell_bare_lines: bool = False
    utf8: bool = True
    strict_paths: bool = False
    hello_required: bool = False
    offered: frozenset[str] = field(default=KEYWORDS)


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
        self._buffer = b""
        self._at = 0
        self._out: list[bytes] = []
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
        while self.state is not State.CLOSED:
            event = self._next()
            if event is None:
                return
            yield event

    def _next(self) -> Event | None:
        if self._chunk is not None:
            return self._next_of_chunk(self._chunk)
        if self.state is State.DATA:
            return self._next_of_data()
        if self._held is not None:
            held, self._held = self._held, None
            return held()
        return self._next_command()

    @property
    def pending(self) -> bytes:
        """What was received and is not used yet."""
        return self._buffer[self._at :]

    # Output

    def reply(self, reply: Reply) -> None:
        """Answer the last event; a positive answer moves the session on."""
        if self._chunk is not None:
            self._chunk_refusal = reply.data
            return
        self._out.append(reply.data)
        if reply.ok:
            self._accepted()
        self._leads_to = self._hello = None

    def _accepted(self) -> None:
        if self._hello is not None:
            self.hello = self._hello
            self.extended = self.extended or self.hello.extended
        if self._leads_to is not None:
            self.state = self._leads_to
            self._content = self._new_content() if self.state is State.DATA else None

    def greet(self, reply: Reply) -> None:
        """Say something unasked: the greeting, a 421."""
        self._out.append(reply.data)

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
        out, self._out = self._out, []
        return b"".join(out)

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
        if not line.endswith(b"\r"):
            self.bare = True
            if self.limits.tell_bare_lines:
                self._held = lambda: self._line(line)
                return BareLine("UNKNOWN")
        return self._line(line)

    def _long_line(self, at: int, end: int) -> Event:
        line = self._buffer[at : at + self.limits.line_length]
        self._skipping = end < 0
        self._at = end + 1 if end >= 0 else len(self._buffer)
        self._held = lambda: self._line(line)
        return LongLine(line)

    def _line(self, line: bytes) -> Event:
        try:
            text = line.decode("utf-8", "strict" if self.limits.utf8 else "surrogateescape")
        except UnicodeDecodeError:
            return self._bad(BAD_UTF8, line.decode("utf-8", "surrogateescape"))
        if "\0" in text:
            text = text[: text.index("\0")]
        text = text.rstrip("\r")
        word, _, argument = text.strip(SPACE).partition(" ")
        verb = word.upper()
        command = COMMANDS.get(verb)
        if command is None:
            return self._not_a_command(text)
        self.where = verb
        if (command.last or not self.extended) and self._at < len(self._buffer) and not self._told_pipelining:
            self._told_pipelining = True
            self._held = lambda: self._command(command, verb, argument)
            return Pipelined(verb, self._buffer[self._at :])
        return self._command(command, verb, argument)

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

    def _command(self, command: Command, verb: str, argument: str) -> Event:
        complaint = command.complaints.get(self.state)
        if command.hello is not None and self.limits.hello_required and self.hello is None:
            complaint = command.hello
        event = complaint or command.parse(self, argument.strip(SPACE))
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
            return self._next()
        self._chunk = None
        if self._chunk_refusal is not None:
            return self._end_refused(chunk)
        return self._end_chunk(chunk)

    def _end_refused(self, chunk: Bdat) -> Event | None:
        assert self._chunk_refusal is not None
        self._out.append(self._chunk_refusal)
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


# The verbs: each gives an event, or the Reply to what is wrong


def _hello(verb: str) -> Callable[[Session, str], Event | Reply]:
    syntax = Reply(501, "", f"Syntax: {verb} hostname")

    def parse(_: Session, argument: str) -> Event | Reply:
        return Hello(verb, " ".join(argument.split())) if argument else syntax

    return parse


def _mail(session: Session, argument: str) -> Event | Reply:
    if argument[:5].upper() == "FROM:" and (plain := PLAIN_PATH.fullmatch(argument, 5)) is not None:
        return Mail(plain[1] or "", argument[5:], NO_MAIL_PARAMS)
    words = split_words(argument)
    if len(words) < 2 or words[0] is None or words[0].upper() != "FROM:":
        return MAIL_SYNTAX
    address = _address(session, words[1])
    if address is None:
        return Bad("MAIL", BAD_SENDER, address=words[1] or argument)
    params = mail_params(words[2:], session.limits.offered)
    if isinstance(params, Reply):
        return params
    return Mail(address, words[1] or "", params)


def _rcpt(session: Session, argument: str) -> Event | Reply:
    plain = PLAIN_PATH.fullmatch(argument, 3) if argument[:3].upper() == "TO:" else None
    if plain is not None and plain[1]:
        return Rcpt(plain[1], argument[3:], NO_RCPT_PARAMS)
    words = split_words(argument)
    if len(words) < 2 or words[0] is None or words[0].upper() != "TO:":
        return RCPT_SYNTAX
    address = _address(session, words[1])
    if not address:
        return Bad("RCPT", BAD_RECIPIENT, address=words[1] or argument)
    params = rcpt_params(words[2:], session.limits.offered)
    if isinstance(params, Reply):
        return params
    return Rcpt(address, words[1] or "", params)


def _address(session: Session, word: str | None) -> str | None:
    return None if word is None else parse_path(word, strict=session.limits.strict_paths)


def _data(_: Session, argument: str) -> Event | Reply:
    return DATA_SYNTAX if argument else Data()


def _bdat(session: Session, argument: str) -> Event | Reply:
    words = argument.split()
    last = len(words) == 2 and words[1].upper() == "LAST"
    if len(words) not in {1, 2} or (len(words) == 2 and not last) or not _is_size(words[0]):
        return BDAT_SYNTAX
    event = Bdat(int(words[0]), last=last, first=session.state is not State.CHUNKS)
    session.begin_chunk(event)
    if session.state in (State.LOST, State.ASTRAY):
        return Reply(551, "5.0.0", f"Discarded {event.size} bytes after earlier error")
    if not event.size and not last:
        return NULL_BDAT
    return BDAT_COMPLAINTS.get(session.state) or event


def _is_size(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= CHUNK_DIGITS


def _vrfy(session: Session, argument: str) -> Event | Reply:
    words = split_words(argument)
    utf8 = "SMTPUTF8" in session.limits.offered
    if utf8 and len(words) > 1 and (words[-1] or "").upper() == "SMTPUTF8":
        words.pop()
    if not words:
        return VRFY_SYNTAX_UTF8 if utf8 else VRFY_SYNTAX
    given = argument if None in words else " ".join(word for word in words if word is not None)
    address = parse_path(given)
    return Verify(address, given) if address else Bad("VRFY", BAD_RECIPIENT, address=given)


def _etrn(_: Session, argument: str) -> Event | Reply:
    words = argument.split()
    if len(words) != 1:
        return ETRN_SYNTAX
    domain = words[0][1:] if words[0][0] in "@#" else words[0]
    return Etrn(domain) if DOMAIN.fullmatch(domain) else ETRN_PARAMETER


def _simple(verb: str) -> Callable[[Session, str], Event | Reply]:
    def parse(_: Session, argument: str) -> Event | Reply:
        return Simple(verb, argument)

    return parse


def _attributes(verb: str) -> Callable[[Session, str], Event | Reply]:
    syntax = Reply(501, "5.5.4", f"Syntax: {verb} attribute=value...")

    def parse(_: Session, argument: str) -> Event | Reply:
        return Simple(verb, argument) if argument else syntax

    return parse


def _rset(_: Session, argument: str) -> Event | Reply:
    return RSET_SYNTAX if argument else Simple("RSET", "")


def _starttls(_: Session, argument: str) -> Event | Reply:
    return STARTTLS_SYNTAX if argument else Simple("STARTTLS", "")


BAD_UTF8 = Reply(500, "5.5.2", "Error: bad UTF-8 syntax")
BAD_SYNTAX = Reply(500, "5.5.2", "Error: bad syntax")
MAIL_SYNTAX = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
RCPT_SYNTAX = Reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
DATA_SYNTAX = Reply(501, "5.5.4", "Syntax: DATA")
RSET_SYNTAX = Reply(501, "5.5.4", "Syntax: RSET")
BDAT_SYNTAX = Reply(521, "5.5.4", "Syntax: BDAT count [LAST]")
NULL_BDAT = Reply(551, "5.7.1", "Null BDAT request")
VRFY_SYNTAX = Reply(501, "5.5.4", "Syntax: VRFY address")
VRFY_SYNTAX_UTF8 = Reply(501, "5.5.4", "Syntax: VRFY address [SMTPUTF8]")
ETRN_SYNTAX = Reply(500, "", "Syntax: ETRN domain")
ETRN_PARAMETER = Reply(501, "", "Error: invalid parameter syntax")
STARTTLS_SYNTAX = Reply(501, "5.5.4", "Syntax: STARTTLS")
BAD_SENDER = Reply(501, "5.1.7", "Bad sender address syntax")
BAD_RECIPIENT = Reply(501, "5.1.3", "Bad recipient address syntax")
HELLO_FIRST = Reply(503, "5.5.1", "Error: send HELO/EHLO first")
NEED_RCPT = Reply(503, "5.5.1", "Error: need RCPT command")
NO_RECIPIENTS = Reply(554, "5.5.1", "Error: no valid recipients")
BDAT_COMPLAINTS = {State.READY: NEED_RCPT, State.MAIL: NO_RECIPIENTS}


@dataclass(frozen=True)
class Command:
    """One verb.

    leads_to: the state when it is accepted (None: the same); complaints: what it hears where it
    is out of place; hello: what it hears when HELO is missing; last: it must end a group of
    pipelined commands; junk: too many of them are errors.
    """

    parse: Callable[[Session, str], Event | Reply]
    leads_to: State | None = None
    complaints: Mapping[State, Reply] = field(default_factory=dict)
    hello: Reply | None = None
    last: bool = False
    junk: bool = False


def _in(states: tuple[State, ...], code: int, status: str, text: str) -> dict[State, Reply]:
    return dict.fromkeys(states, Reply(code, status, text))


MAIL_IN_PROGRESS = _in(IN_TRANSACTION, 503, "5.5.1", "Error: MAIL transaction in progress")

COMMANDS: dict[str, Command] = {
    "HELO": Command(_hello("HELO"), State.READY, last=True, junk=True),
    "EHLO": Command(_hello("EHLO"), State.READY, last=True, junk=True),
    "XCLIENT": Command(_attributes("XCLIENT"), complaints=MAIL_IN_PROGRESS),
    "XFORWARD": Command(_attributes("XFORWARD"), complaints=MAIL_IN_PROGRESS),
    "STARTTLS": Command(_starttls),
    "AUTH": Command(_simple("AUTH")),
    "MAIL": Command(
        _mail,
        State.MAIL,
        _in((State.ASTRAY,), 503, "5.5.1", "Error: MAIL after BDAT")
        | _in(IN_TRANSACTION, 503, "5.5.1", "Error: nested MAIL command"),
        hello=HELLO_FIRST,
    ),
    "RCPT": Command(
        _rcpt,
        State.RCPT,
        _in((State.READY, State.ASTRAY), 503, "5.5.1", "Error: need MAIL command")
        | _in((State.CHUNKS, State.LOST), 503, "5.5.1", "Error: RCPT after BDAT"),
    ),
    "DATA": Command(
        _data,
        State.DATA,
        _in(AFTER_BDAT, 503, "5.5.1", "Error: DATA after BDAT")
        | {State.READY: NEED_RCPT, State.MAIL: NO_RECIPIENTS},
        last=True,
    ),
    "BDAT": Command(_bdat),
    "RSET": Command(_rset, State.READY, junk=True),
    "NOOP": Command(_simple("NOOP"), last=True, junk=True),
    "VRFY": Command(_vrfy, last=True, junk=True),
    "ETRN": Command(
        _etrn,
        complaints=_in(IN_TRANSACTION, 503, "", "Error: MAIL transaction in progress"),
        hello=Reply(503, "", "Error: send HELO/EHLO first"),
        junk=True,
    ),
    "QUIT": Command(_simple("QUIT")),
    "HELP": Command(_simple("HELP"), junk=True),
}
