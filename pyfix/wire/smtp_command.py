"""smtp_command - the verbs of SMTP: what each needs, where it is allowed, what it leads to

Each verb has a function from its argument to an event, or to the Reply that says what is
wrong with it. Where a verb is out of place stands beside it in COMMANDS, so an order error
comes out of the table.

Sources: RFC 5321, RFC 3030 (BDAT), RFC 1985 (ETRN).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Protocol

from pyfix.wire.smtp_event import Bad, BadParameter, Bdat, Data, Etrn, Event, Hello, Mail, Rcpt, Simple, Verify
from pyfix.wire.smtp_params import NO_MAIL_PARAMS, NO_RCPT_PARAMS, mail_params, rcpt_params
from pyfix.wire.smtp_path import PLAIN_PATH, Unclosed, blank_words, parse_path, split_words
from pyfix.wire.smtp_reply import Reply

KEYWORDS = frozenset({"DSN", "SMTPUTF8", "CHUNKING"})  # those that change what commands mean
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
IPV4 = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
LITERAL = rf"\[{IPV4}(?:\.{IPV4}){{3}}\]|\[[Ii][Pp][Vv]6:[0-9A-Fa-f:.]+\]"
DOMAIN = re.compile(rf"(?![0-9.]+$){LABEL}(?:\.{LABEL})*|{LITERAL}", re.ASCII)
REMEMBERED = 1000  # command lines
BIGGEST = (1 << 63) - 1  # chunk size; more is no size


class State(Enum):
    """Where a session stands."""

    __hash__ = object.__hash__  # Enum's is Python code, and tables are asked for each command

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
    strict_paths: addresses as RFC 5321 has them only; hello_required: HELO before MAIL; patience: bytes of a
    message in chunks up to which refused ones are read, None: all; usual: command lines that were said lately, for
    all sessions that have these limits.
    """

    line_length: int = 2048
    exact_line_ends: bool = True
    tell_bare_lines: bool = False
    utf8: bool = True
    strict_paths: bool = False
    hello_required: bool = False
    patience: int | None = None
    offered: frozenset[str] = field(default=KEYWORDS)
    usual: dict[bytes, Usual] = field(default_factory=dict, compare=False, repr=False)

    def remember(self, line: bytes, usual: Usual) -> None:
        """A command line with its end, which means the same whenever it is in its place."""
        if len(self.usual) >= REMEMBERED:
            self.usual.clear()
        self.usual[line] = usual


class Usual:
    """A command line that is known: its event, the state that it leads to (None: the same), the states where it
    is in its place; last: it must end a group of pipelined commands."""

    __slots__ = ("event", "last", "leads_to", "states")

    def __init__(self, event: Event, leads_to: State | None, states: frozenset[State], *, last: bool) -> None:
        self.event = event
        self.leads_to = leads_to
        self.states = states
        self.last = last


class Asker(Protocol):
    """What a verb may know of its session."""

    limits: Limits
    state: State

    def begin_chunk(self, event: Bdat) -> None:
        """The next bytes are a chunk."""


# The verbs: each gives an event, or the Reply to what is wrong


def _plain_hello(verb: str) -> Callable[[str], Event | None]:
    return lambda argument: Hello(verb, " ".join(blank_words(argument))) if argument else None


def _hello(verb: str) -> Callable[[Asker, str], Event | Reply]:
    """Of one that names nobody."""
    syntax = Reply(501, "", f"Syntax: {verb} hostname")
    return lambda _, __: syntax


def _plain_mail(argument: str) -> Event | None:
    plain = PLAIN_PATH.fullmatch(argument, 5) if argument[:5].upper() == "FROM:" else None
    return Mail(plain[1] or "", argument[5:], NO_MAIL_PARAMS) if plain is not None else None


def _mail(session: Asker, argument: str) -> Event | Reply:
    words = split_words(argument)
    if len(words) < 2 or words[0].upper() != "FROM:":
        return MAIL_SYNTAX
    given = words[1]
    if isinstance(given, Unclosed):
        return BAD_SENDER
    address = parse_path(given, strict=session.limits.strict_paths)
    if address is None:
        return Bad("MAIL", BAD_SENDER, address=given)
    params = mail_params(words[2:], session.limits.offered)
    if isinstance(params, Reply):
        utf8 = any(word.upper() == "SMTPUTF8" for word in words[2:])
        return BadParameter("MAIL", params, argument, address, given, smtputf8=utf8)
    return Mail(address, given, params)


def _plain_rcpt(argument: str) -> Event | None:
    plain = PLAIN_PATH.fullmatch(argument, 3) if argument[:3].upper() == "TO:" else None
    return Rcpt(plain[1], argument[3:], NO_RCPT_PARAMS) if plain is not None and plain[1] else None


def _rcpt(session: Asker, argument: str) -> Event | Reply:
    words = split_words(argument)
    if len(words) < 2 or words[0].upper() != "TO:":
        return RCPT_SYNTAX
    given = words[1]
    if isinstance(given, Unclosed):
        return BAD_RECIPIENT
    address = parse_path(given, strict=session.limits.strict_paths)
    if not address:
        return Bad("RCPT", BAD_RECIPIENT, address=given)
    params = rcpt_params(words[2:], session.limits.offered)
    if isinstance(params, Reply):
        return BadParameter("RCPT", params, argument, address, given)
    return Rcpt(address, given, params)


def _data(_: Asker, argument: str) -> Event | Reply:
    return DATA_SYNTAX if argument else Data()


def _bdat(session: Asker, argument: str) -> Event | Reply:
    words = blank_words(argument)
    last = len(words) == 2 and words[1].upper() == "LAST"
    if len(words) not in {1, 2} or (len(words) == 2 and not last) or not _is_size(words[0]):
        return BDAT_SYNTAX
    event = Bdat(int(words[0]), last=last, first=session.state is not State.CHUNKS)
    session.begin_chunk(event)
    if not event.size and not last:
        return NULL_BDAT
    if session.state in (State.LOST, State.ASTRAY):
        return Reply(551, "5.0.0", f"Discarded {event.size} bytes after earlier error")
    return BDAT_COMPLAINTS.get(session.state) or event


def _is_size(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= 100 and int(word) <= BIGGEST


def _vrfy(session: Asker, argument: str) -> Event | Reply:
    words = split_words(argument)
    utf8 = "SMTPUTF8" in session.limits.offered
    told = utf8 and len(words) > 1 and words[-1].upper() == "SMTPUTF8"
    if told:
        words.pop()
    if not words:
        return VRFY_SYNTAX_UTF8 if utf8 else VRFY_SYNTAX
    given = " ".join(words)
    address = parse_path(given)
    return Verify(address, given, smtputf8=told) if address else Bad("VRFY", BAD_RECIPIENT, address=given)


def _etrn(_: Asker, argument: str) -> Event | Reply:
    words = blank_words(argument)
    if len(words) != 1:
        return ETRN_SYNTAX
    domain = words[0][1:] if words[0][0] in "@#" else words[0]
    return Etrn(domain) if DOMAIN.fullmatch(domain) else ETRN_PARAMETER


def _simple(verb: str) -> Callable[[Asker, str], Event | Reply]:
    return lambda _, argument: Simple(verb, argument)


def _plain_simple(verb: str) -> Callable[[str], Event | None]:
    return lambda argument: Simple(verb, argument)


def _attributes(verb: str) -> Callable[[Asker, str], Event | Reply]:
    syntax = Reply(501, "5.5.4", f"Syntax: {verb} attribute=value...")

    def parse(_: Asker, argument: str) -> Event | Reply:
        return Simple(verb, argument) if argument else syntax

    return parse


def _rset(_: Asker, argument: str) -> Event | Reply:
    return RSET_SYNTAX if argument else Simple("RSET", "")


def _starttls(_: Asker, argument: str) -> Event | Reply:
    return STARTTLS_SYNTAX if argument else Simple("STARTTLS", "")


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

    parse: the event of an argument, or what is wrong with it; plain: the same where nothing else counts
    (None: parse must be asked); leads_to: the state when it is accepted (None: the same); complaints: what
    it hears where it is out of place; hello: what it hears when HELO is missing; last: it must end a
    group of pipelined commands; junk: too many of them are errors.
    """

    parse: Callable[[Asker, str], Event | Reply]
    leads_to: State | None = None
    complaints: Mapping[State, Reply] = field(default_factory=dict)
    hello: Reply | None = None
    last: bool = False
    junk: bool = False
    plain: Callable[[str], Event | None] | None = None

    @cached_property
    def in_place(self) -> frozenset[State]:
        """The states without a complaint."""
        return frozenset(State) - self.complaints.keys()


def _in(states: tuple[State, ...], code: int, status: str, text: str) -> dict[State, Reply]:
    return dict.fromkeys(states, Reply(code, status, text))


MAIL_IN_PROGRESS = _in(IN_TRANSACTION, 503, "5.5.1", "Error: MAIL transaction in progress")

COMMANDS: dict[str, Command] = {
    "HELO": Command(_hello("HELO"), State.READY, last=True, junk=True, plain=_plain_hello("HELO")),
    "EHLO": Command(_hello("EHLO"), State.READY, last=True, junk=True, plain=_plain_hello("EHLO")),
    "XCLIENT": Command(_attributes("XCLIENT"), complaints=MAIL_IN_PROGRESS),
    "XFORWARD": Command(_attributes("XFORWARD"), complaints=MAIL_IN_PROGRESS),
    "STARTTLS": Command(_starttls),
    "AUTH": Command(_simple("AUTH"), hello=HELLO_FIRST),
    "MAIL": Command(
        _mail,
        State.MAIL,
        _in((State.ASTRAY,), 503, "5.5.1", "Error: MAIL after BDAT")
        | _in(IN_TRANSACTION, 503, "5.5.1", "Error: nested MAIL command"),
        hello=HELLO_FIRST,
        plain=_plain_mail,
    ),
    "RCPT": Command(
        _rcpt,
        State.RCPT,
        _in((State.READY, State.ASTRAY), 503, "5.5.1", "Error: need MAIL command")
        | _in((State.CHUNKS, State.LOST), 503, "5.5.1", "Error: RCPT after BDAT"),
        plain=_plain_rcpt,
    ),
    "DATA": Command(
        _data,
        State.DATA,
        _in(AFTER_BDAT, 503, "5.5.1", "Error: DATA after BDAT")
        | {State.READY: NEED_RCPT, State.MAIL: NO_RECIPIENTS},
        last=True,
        plain=lambda argument: None if argument else Data(),
    ),
    "BDAT": Command(_bdat),
    "RSET": Command(_rset, State.READY, junk=True, plain=lambda argument: None if argument else Simple("RSET", "")),
    "NOOP": Command(_simple("NOOP"), last=True, junk=True, plain=_plain_simple("NOOP")),
    "VRFY": Command(_vrfy, last=True, junk=True),
    "ETRN": Command(
        _etrn,
        complaints=_in(IN_TRANSACTION, 503, "", "Error: MAIL transaction in progress"),
        hello=Reply(503, "", "Error: send HELO/EHLO first"),
        junk=True,
    ),
    "QUIT": Command(_simple("QUIT"), plain=_plain_simple("QUIT")),
    "HELP": Command(_simple("HELP")),
}
