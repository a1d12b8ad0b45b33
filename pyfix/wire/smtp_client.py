"""smtp_client - the client's side of SMTP and LMTP, bytes in, events out

    client = SmtpClient("mail.example.com")
    events = client.receive(data)          # Ready: the greetings are over, client.features are known
    client.begin(mail_command(...), [rcpt_command(...)])
    sock.send(client.output())
    # GoAhead: send the text, dot-stuffed, then client.end_of_text()
    # Rejected, Accepted, Done, Over: what became of it

Between the greetings and the first transaction the client may log in: authenticate(), then respond() to each
Challenge, until Ready or Refused comes.

| stage    | waits for the answer to | what else than the wanted kind means            |
|----------|-------------------------|-------------------------------------------------|
| GREETING | the connection          | Refused                                         |
| EHLO     | EHLO                    | 421: Refused; else HELO is tried                |
| HELO     | HELO                    | Refused                                         |
| LHLO     | LHLO                    | Refused                                         |
| AUTH     | AUTH, and what follows  | 3xx: Challenge; else Refused                    |
| XFORWARD | XFORWARD                | Ignored: it is not sent again                   |
| MAIL     | MAIL                    | Rejected: the message                           |
| RCPT     | each RCPT               | Rejected: that recipient                        |
| DATA     | DATA                    | Rejected: the message                           |
| DOT      | the end of the text     | Rejected: the message; LMTP: that recipient     |
| RSET     | RSET                    |                                                 |
| QUIT     | QUIT                    |                                                 |

With PIPELINING commands up to DATA leave together, and QUIT right behind the text. When nobody is
left to send to, a transaction ends with RSET, or, when DATA has left already and was accepted, with
an empty text. Order and number of the answers alone say what they belong to.

Sources: RFC 5321, RFC 2033 (LMTP), RFC 2920 (PIPELINING), RFC 4954 (AUTH), RFC 1870, 6152, 3461, 6531.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import ClassVar

from pyfix.mail.dsn import xtext_encode
from pyfix.wire.smtp_answer import Answer, AnswerReader, Garbage, TooLong


class Stage(Enum):
    """What is waited for: (while ..., in reply to ...) in Postfix's words."""

    GREETING = ("receiving the initial server greeting", "")
    EHLO = ("performing the EHLO handshake", "EHLO command")
    HELO = ("performing the HELO handshake", "HELO command")
    LHLO = ("performing the LHLO handshake", "LHLO command")
    AUTH = ("performing the EHLO handshake", "AUTH command")
    IDLE = ("sending QUIT", "")
    XFORWARD_NAME = ("sending XFORWARD name/address", "XFORWARD name/address command")
    XFORWARD_HELO = ("sending XFORWARD helo/protocol", "XFORWARD helo/protocol command")
    MAIL = ("sending MAIL FROM", "MAIL FROM command")
    RCPT = ("sending RCPT TO", "RCPT TO command")
    DATA = ("sending DATA command", "DATA command")
    TEXT = ("sending message body", "")
    DOT = ("sending end of data -- message may be sent more than once", "end of DATA command")
    RSET = ("sending final RSET", "final RSET command")
    PROBE = ("sending RSET probe", "")
    QUIT = ("sending QUIT", "QUIT command")
    OVER = ("closing the connection", "")

    __hash__ = object.__hash__  # Enum's is Python code, and tables are asked for each answer

    @property
    def doing(self) -> str:
        """What the client is doing, for `lost connection with H while ...`."""
        return self.value[0]

    @property
    def command(self) -> str:
        """The command, for `in reply to ...`."""
        return self.value[1]


class Event:
    """Something that the owner is told. answer: of the server; index: of the recipient, -1: of the message."""

    __slots__ = ("answer", "index", "stage")

    def __init__(self, stage: Stage, answer: Answer, index: int = -1) -> None:
        self.stage = stage
        self.answer = answer
        self.index = index

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.stage.name}, {self.answer!r}, {self.index})"


class Refused(Event):
    """The server does not talk to us."""


class Ready(Event):
    """A transaction may begin."""


class Challenge(Event):
    """While logging in: the server wants to hear more."""


class Ignored(Event):
    """The server does not want to know; the transaction goes on."""


class Rejected(Event):
    """A recipient (index), or the whole message."""


class Accepted(Event):
    """A recipient may get the message."""


class GoAhead(Event):
    """The text may be sent."""


class Done(Event):
    """The server has taken the message (LMTP: for that recipient)."""


class Over(Event):
    """The transaction is over; with keep another may begin."""


Heard = Event | Garbage | TooLong


class SmtpClient:
    """One connection. name: what EHLO says; extended: say EHLO at all; discard: keywords not to see;
    plain_if_masked: say HELO where a firewall has put stars in place of the greeting.
    """

    def __init__(
        self,
        name: str,
        *,
        lmtp: bool = False,
        extended: bool = True,
        only_if_offered: bool = False,
        discard: frozenset[str] = frozenset(),
        plain_if_masked: bool = False,
        line_limit: int = 2048,
    ) -> None:
        self.stage = Stage.GREETING
        self.lmtp = lmtp
        self.discard = discard
        self.features: dict[str, str] = {}
        """EHLO keywords in capitals, and what follows them."""
        self.auth: list[str] = []
        """What follows AUTH in the answer to EHLO, for each time that it is there."""
        self.greeted_as = ""
        """The first word of the greeting: the server's name, mostly."""
        self.helloed_as = ""
        """The first word of the answer to EHLO."""
        self.masked = False
        """A firewall has put stars in place of the greeting."""
        self.bad_sizes: list[str] = []
        """What followed SIZE and is no number."""
        self.keep = False
        """Leave the connection open after a transaction."""
        self.probe_only = False
        """End transactions before DATA (address probes)."""
        self._name = name
        self._extended = extended
        self._only_if_offered = only_if_offered
        self._plain_if_masked = plain_if_masked
        self._reader = AnswerReader(line_limit)
        self._output: list[bytes] = []
        self._expected: deque[tuple[Stage, int]] = deque()  # in the order of what was sent
        self._waiting: deque[tuple[Stage, int, bytes]] = deque()  # to be sent one at a time
        self._good: list[int] = []
        self._failed = False

    @property
    def pipelining(self) -> bool:
        """Several commands may leave at once."""
        return "PIPELINING" in self.features

    @property
    def quiet(self) -> bool:
        """No transaction is under way, and the server has not said more than it was asked."""
        return self.stage is Stage.IDLE and self._reader.empty

    @property
    def unread(self) -> bool:
        """Something has come that was not looked at yet."""
        return not self._reader.empty

    def output(self) -> bytes:
        """What is to be sent; it is forgotten here."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    def receive(self, data: bytes) -> list[Heard]:
        """What the server says. Where no answer is due, input waits for the next command."""
        self._reader.receive(data)
        events: list[Heard] = []
        while self.stage not in _DEAF:
            found = self._reader.next()
            if found is None:
                break
            if isinstance(found, Answer):
                self._answered(found, events)
            else:
                events.append(found)
        return events

    # Logging in

    def authenticate(self, mechanism: str, response: str = "") -> None:
        """Log in. mechanism: its name; response: in base64, what is said without being asked, if something is."""
        self._send(Stage.AUTH, f"AUTH {mechanism} {response}".rstrip().encode())
        self._look()

    def respond(self, response: str) -> None:
        """Answer a Challenge, in base64."""
        self._send(Stage.AUTH, response.encode())
        self._look()

    # Transactions

    def begin(self, mail: bytes, recipients: list[bytes], forward: Sequence[tuple[Stage, bytes]] = ()) -> None:
        """Start a transaction. mail, recipients: whole commands without CRLF; forward: of smtp_forward."""
        self._good = []
        self._failed = False
        commands = [(stage, -1, command) for stage, command in forward]
        commands.append((Stage.MAIL, -1, mail))
        commands += [(Stage.RCPT, at, command) for at, command in enumerate(recipients)]
        if not self.probe_only:
            commands.append((Stage.DATA, -1, b"DATA"))
        self._waiting.extend(commands)
        self._send_more()
        self._look()

    def end_of_text(self) -> list[Heard]:
        """All text has been sent, with CRLF at its end. What the server said meanwhile."""
        self._end_text()
        self._look()
        return self.receive(b"")

    def _end_text(self) -> None:
        self._output.append(b".\r\n")
        answers = list(self._good) if self.lmtp else [-1]
        self._expected.extend([(Stage.DOT, at) for at in answers])
        if self.pipelining and not self.keep:
            self._send(Stage.QUIT, b"QUIT")

    def probe(self) -> None:
        """Ask a kept connection whether it is still alive: RSET. Ready or Refused comes back."""
        self._send(Stage.PROBE, b"RSET")
        self._look()

    def quit(self) -> None:
        """Say goodbye."""
        self._send(Stage.QUIT, b"QUIT")
        self._look()

    def _send(self, stage: Stage, command: bytes, index: int = -1) -> None:
        self._output.append(command + b"\r\n")
        self._expected.append((stage, index))

    def _send_more(self) -> None:
        """What may leave now: all, or one when answers are still to come."""
        while self._waiting and (self.pipelining or not self._expected):
            stage, index, command = self._waiting.popleft()
            self._send(stage, command, index)

    def _look(self) -> None:
        """What is waited for now."""
        self.stage = self._expected[0][0] if self._expected else Stage.IDLE

    # Answers

    def _answered(self, answer: Answer, events: list[Heard]) -> None:
        if self.stage in self._HANDSHAKE:
            self._HANDSHAKE[self.stage](self, answer, events)
            return
        stage, index = self._expected.popleft()
        self._TRANSACTION[stage](self, answer, index, events)
        if self.stage is not Stage.TEXT:
            self._send_more()
            self._look()
            if stage is Stage.QUIT:
                self.stage = Stage.OVER

    def _greeting(self, answer: Answer, events: list[Heard]) -> None:
        if answer.kind != 2:
            events.append(Refused(Stage.GREETING, answer))
            self.stage = Stage.IDLE
            return
        words = answer.text.partition("\n")[0][4:].replace("\t", " ").split(" ")
        self.greeted_as = words[0]
        self.masked = not answer.text.strip("20* ")
        offered = any(word.upper() == "ESMTP" for word in answer.text.split()[1:])
        if self.lmtp:
            self._hello(Stage.LHLO)
        elif self.masked and self._plain_if_masked:
            self._hello(Stage.HELO)
        elif self._extended and (offered or not self._only_if_offered):
            self._hello(Stage.EHLO)
        else:
            self._hello(Stage.HELO)

    def _hello(self, stage: Stage) -> None:
        self._output.append(f"{stage.name} {self._name}\r\n".encode())
        self.stage = stage

    def _hello_answered(self, answer: Answer, events: list[Heard]) -> None:
        if answer.kind == 2:
            if self.stage is not Stage.HELO:
                self._learn(answer.text.split("\n"))
            events.append(Ready(self.stage, answer))
            self.stage = Stage.IDLE
        elif self.stage is Stage.EHLO and answer.code != 421:
            self._hello(Stage.HELO)
        else:
            events.append(Refused(self.stage, answer))
            self.stage = Stage.IDLE

    def _learn(self, lines: list[str]) -> None:
        """The first line that says something names the server, as Postfix has it."""
        found = [match for line in lines if (match := _KEYWORD.match(line))]
        self.helloed_as = found[0][1] if found else ""
        for match in found[1:]:
            keyword, rest = match[1].upper(), match[2]
            if keyword in self.discard:
                continue
            if keyword == "AUTH":
                self.auth.append(rest)
            elif keyword == "SIZE":
                self._learn_size(rest.strip(" ").partition(" ")[0])
            else:
                self.features.setdefault(keyword, rest.strip(" "))
        if "SMTPUTF8" in self.features:  # RFC 6531 section 3.1: has 8BITMIME with it
            self.features.setdefault("8BITMIME", "")

    def _learn_size(self, limit: str) -> None:
        if limit and not (limit.isascii() and limit.isdecimal()):
            self.bad_sizes.append(limit)
            limit = self.features.get("SIZE", "")
        self.features["SIZE"] = limit

    def _auth(self, answer: Answer, _index: int, events: list[Heard]) -> None:
        kinds = {2: Ready, 3: Challenge}
        events.append(kinds.get(answer.kind, Refused)(Stage.AUTH, answer))

    def _forward(self, answer: Answer, _index: int, events: list[Heard]) -> None:
        if answer.kind != 2:
            self.features.pop("XFORWARD", None)
            events.append(Ignored(self.stage, answer))

    def _mail(self, answer: Answer, _index: int, events: list[Heard]) -> None:
        if answer.kind != 2:
            self._failed = True
            events.append(Rejected(Stage.MAIL, answer))
            self._give_up_unless_sent()

    def _rcpt(self, answer: Answer, index: int, events: list[Heard]) -> None:
        if self._failed:
            pass  # refused with the sender
        elif answer.kind == 2:
            self._good.append(index)
            events.append(Accepted(Stage.RCPT, answer, index))
        else:
            events.append(Rejected(Stage.RCPT, answer, index))
        if not self._more_recipients():
            if self.probe_only:
                self._abort()
            elif not self._good:
                self._give_up_unless_sent()

    def _more_recipients(self) -> bool:
        in_order = [*self._expected, *[(stage, index) for stage, index, _ in self._waiting]]
        return bool(in_order) and in_order[0][0] is Stage.RCPT

    def _give_up_unless_sent(self) -> None:
        """Nobody is left: what has not left stays here."""
        if self._waiting:
            self._waiting.clear()
            self._abort()

    def _abort(self) -> None:
        self._send(Stage.RSET, b"RSET")
        if self.pipelining and not self.keep:
            self._send(Stage.QUIT, b"QUIT")

    def _data(self, answer: Answer, _index: int, events: list[Heard]) -> None:
        if answer.kind != 3:
            if self._good:
                events.append(Rejected(Stage.DATA, answer))
            self._good = []
            self._abort()
        elif self._good:
            self.stage = Stage.TEXT
            events.append(GoAhead(Stage.DATA, answer))
        else:
            self._end_text()
            if self.lmtp:  # has nothing to say when there is no recipient
                events.append(Over(Stage.DOT, answer))

    def _dot(self, answer: Answer, index: int, events: list[Heard]) -> None:
        if self._good:
            events.append((Done if answer.kind == 2 else Rejected)(Stage.DOT, answer, index))
        if not self._expected or self._expected[0][0] is not Stage.DOT:
            events.append(Over(Stage.DOT, answer))

    def _rset(self, answer: Answer, _index: int, events: list[Heard]) -> None:
        events.append(Over(Stage.RSET, answer))

    def _probed(self, answer: Answer, _index: int, events: list[Heard]) -> None:
        events.append((Ready if answer.kind == 2 else Refused)(Stage.PROBE, answer))

    def _quit(self, answer: Answer, _index: int, events: list[Heard]) -> None:
        """The end, whatever it says."""

    _HANDSHAKE: ClassVar[Mapping[Stage, Callable[[SmtpClient, Answer, list[Heard]], None]]] = {
        Stage.GREETING: _greeting,
        Stage.EHLO: _hello_answered,
        Stage.HELO: _hello_answered,
        Stage.LHLO: _hello_answered,
    }
    _TRANSACTION: ClassVar[Mapping[Stage, Callable[[SmtpClient, Answer, int, list[Heard]], None]]] = {
        Stage.AUTH: _auth,
        Stage.XFORWARD_NAME: _forward,
        Stage.XFORWARD_HELO: _forward,
        Stage.MAIL: _mail,
        Stage.RCPT: _rcpt,
        Stage.DATA: _data,
        Stage.DOT: _dot,
        Stage.RSET: _rset,
        Stage.PROBE: _probed,
        Stage.QUIT: _quit,
    }


_KEYWORD = re.compile(r"[^ -]*[ -][ =]*([^ =]+)[ =]?(.*)", re.DOTALL)
"""A line of the answer to EHLO. Some servers write `KEYWORD=more`."""
_DEAF = frozenset({Stage.TEXT, Stage.IDLE, Stage.OVER})

NOTIFY = {1: "NEVER", 2: "SUCCESS", 4: "FAILURE", 8: "DELAY"}
RET = {1: "FULL", 2: "HDRS"}
BODIES = {"8bit": "8BITMIME", "7bit": "7BIT"}


def mail_command(
    sender: str,
    features: dict[str, str],
    *,
    size: int | None = 0,
    encoding: str = "",
    envelope_id: str = "",
    ret_flags: int = 0,
    utf8: bool = False,
    authenticated: bool = False,
) -> bytes:
    """MAIL with the parameters that the server understands.

    sender: external form; size: bytes, None: not known; encoding: "7bit", "8bit" or "" (unknown); envelope_id:
    decoded; ret_flags: 1 the whole message, 2 headers, 0 nothing said; authenticated: say that nobody is known to
    have sent it.
    """
    words = [b"MAIL FROM:<" + _encode(sender) + b">"]
    if size is not None and "SIZE" in features:
        words.append(b"SIZE=%d" % size)
    if "8BITMIME" in features and encoding in BODIES:
        words.append(b"BODY=" + BODIES[encoding].encode())
    if "DSN" in features:
        if envelope_id:
            words.append(b"ENVID=" + xtext_encode(_encode(envelope_id)))
        if ret_flags in RET:
            words.append(b"RET=" + RET[ret_flags].encode())
    if utf8 and "SMTPUTF8" in features:
        words.append(b"SMTPUTF8")
    if authenticated:
        words.append(b"AUTH=<>")
    return b" ".join(words)


def rcpt_command(address: str, features: dict[str, str], *, orcpt: str = "", notify: int = 0) -> bytes:
    """RCPT with the parameters that the server understands.

    address: external form; orcpt: "type;address", decoded; notify: DSN bits, 0 nothing said.
    """
    words = [b"RCPT TO:<" + _encode(address) + b">"]
    if "DSN" in features:
        if orcpt:
            kind, _, original = orcpt.partition(";")
            encoded = _encode(original) if kind.lower() == "utf-8" else xtext_encode(_encode(original))
            words.append(b"ORCPT=" + _encode(kind) + b";" + encoded)
        if notify:
            words.append(b"NOTIFY=" + ",".join([word for bit, word in NOTIFY.items() if notify & bit]).encode())
    return b" ".join(words)


def stuff(text: bytes, before: bytes = b"\n") -> bytes:
    """Double the dots that lines begin with. before: the byte in front of the text."""
    if b"\n." in text:
        text = text.replace(b"\n.", b"\n..")
    return b"." + text if before == b"\n" and text[:1] == b"." else text


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
