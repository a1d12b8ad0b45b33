"""The client's side of SMTP and LMTP: what it sends, what it makes of answers, however they are cut."""

import pytest

from pyfix.wire.smtp_answer import Answer, AnswerReader, Garbage, TooLong
from pyfix.wire.smtp_client import (
    Challenge,
    Event,
    GoAhead,
    Ready,
    Refused,
    SmtpClient,
    Stage,
    mail_command,
    rcpt_command,
    stuff,
)

GREETING = b"220 mx.test ESMTP\r\n"
HELLO = b"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 8BITMIME\r\n"
PLAIN_HELLO = b"250 mx.test\r\n"
BODY = b"Subject: x\r\n\r\nhello\r\n"


class Peer:
    """Feeds a client; sends the text when asked to; remembers what was said."""

    def __init__(self, recipients: int = 2, **options) -> None:
        self.client = SmtpClient("me.test", **options)
        self.said: list[str] = []
        self.sent = b""
        self._recipients = [b"RCPT TO:<%d>" % n for n in range(recipients)]

    def feed(self, data: bytes) -> None:
        events = self.client.receive(data)
        while events:
            event = events.pop(0)
            self.said.append(self._name(event))
            if isinstance(event, Ready):
                self.client.begin(b"MAIL FROM:<>", self._recipients)
                events += self.client.receive(b"")
            elif isinstance(event, GoAhead):
                self.sent += self.client.output() + BODY
                events += self.client.end_of_text()
        self.sent += self.client.output()

    def _name(self, event) -> str:
        if not isinstance(event, Event):
            return type(event).__name__
        index = f" {event.index}" if event.index >= 0 else ""
        return f"{type(event).__name__} {event.stage.name} {event.answer.code}{index}"


TAIL = b"354 go\r\n250 2.0.0 done\r\n221 bye\r\n"
SESSIONS = {
    "pipelined": (
        GREETING + HELLO + b"250 ok\r\n" * 3 + TAIL,
        {},
        b"EHLO me.test\r\nMAIL FROM:<>\r\nRCPT TO:<0>\r\nRCPT TO:<1>\r\nDATA\r\n" + BODY + b".\r\nQUIT\r\n",
        "Ready EHLO 250|Accepted RCPT 250 0|Accepted RCPT 250 1|GoAhead DATA 354|Done DOT 250|Over DOT 250",
    ),
    "one by one": (
        GREETING + PLAIN_HELLO + b"250 ok\r\n" * 3 + b"354 go\r\n250 done\r\n",
        {},
        b"EHLO me.test\r\nMAIL FROM:<>\r\nRCPT TO:<0>\r\nRCPT TO:<1>\r\nDATA\r\n" + BODY + b".\r\n",
        "Ready EHLO 250|Accepted RCPT 250 0|Accepted RCPT 250 1|GoAhead DATA 354|Done DOT 250|Over DOT 250",
    ),
    "EHLO refused": (
        GREETING + b"502 what\r\n" + PLAIN_HELLO + b"550 no\r\n250 reset\r\n",
        {},
        b"EHLO me.test\r\nHELO me.test\r\nMAIL FROM:<>\r\nRSET\r\n",
        "Ready HELO 250|Rejected MAIL 550|Over RSET 250",
    ),
    "EHLO only where offered": (
        b"220 mx.test\r\n" + PLAIN_HELLO + b"550 no\r\n250 reset\r\n",
        {"only_if_offered": True},
        b"HELO me.test\r\nMAIL FROM:<>\r\nRSET\r\n",
        "Ready HELO 250|Rejected MAIL 550|Over RSET 250",
    ),
    "EHLO 421": (GREETING + b"421 busy\r\n", {}, b"EHLO me.test\r\n", "Refused EHLO 421"),
    "greeting refused": (b"554-no\r\n554 go away\r\n", {}, b"", "Refused GREETING 554"),
    "pipelined, all recipients refused": (
        GREETING + HELLO + b"250 ok\r\n550 no\r\n450 later\r\n" + TAIL,
        {},
        b"EHLO me.test\r\nMAIL FROM:<>\r\nRCPT TO:<0>\r\nRCPT TO:<1>\r\nDATA\r\n.\r\nQUIT\r\n",
        "Ready EHLO 250|Rejected RCPT 550 0|Rejected RCPT 450 1|Over DOT 250",
    ),
    "pipelined, DATA refused": (
        GREETING + HELLO + b"250 ok\r\n250 ok\r\n250 ok\r\n451 no\r\n250 reset\r\n221 bye\r\n",
        {},
        b"EHLO me.test\r\nMAIL FROM:<>\r\nRCPT TO:<0>\r\nRCPT TO:<1>\r\nDATA\r\nRSET\r\nQUIT\r\n",
        "Ready EHLO 250|Accepted RCPT 250 0|Accepted RCPT 250 1|Rejected DATA 451|Over RSET 250",
    ),
    "garbage": (
        GREETING + HELLO + b"250 ok\r\n" * 3 + b"354 go\r\nhuh?\r\n250 done\r\n221 bye\r\n",
        {},
        b"EHLO me.test\r\nMAIL FROM:<>\r\nRCPT TO:<0>\r\nRCPT TO:<1>\r\nDATA\r\n" + BODY + b".\r\nQUIT\r\n",
        "Ready EHLO 250|Accepted RCPT 250 0|Accepted RCPT 250 1|GoAhead DATA 354|Garbage|Done DOT 250|Over DOT 250",
    ),
    "LMTP": (
        GREETING + HELLO + b"250 ok\r\n550 no\r\n250 ok\r\n250 ok\r\n354 go\r\n250 one\r\n452 two\r\n221 bye\r\n",
        {"lmtp": True, "recipients": 3},
        b"LHLO me.test\r\nMAIL FROM:<>\r\nRCPT TO:<0>\r\nRCPT TO:<1>\r\nRCPT TO:<2>\r\nDATA\r\n"
        + BODY
        + b".\r\nQUIT\r\n",
        ("Ready LHLO 250|Rejected RCPT 550 0|Accepted RCPT 250 1|Accepted RCPT 250 2|GoAhead DATA 354"
        "|Done DOT 250 1|Rejected DOT 452 2|Over DOT 452"),
    ),
}


@pytest.mark.parametrize("case", SESSIONS, ids=lambda case: case.replace(" ", "-"))
def test_sessions_whole_byte_by_byte_and_at_every_split(case: str) -> None:
    data, options, sent, said = SESSIONS[case]
    ways = [[data], [data[n : n + 1] for n in range(len(data))]]
    ways += [[data[:at], data[at:]] for at in range(1, len(data))]
    for pieces in ways:
        peer = Peer(**options)
        for piece in pieces:
            peer.feed(piece)
        assert peer.sent == sent
        assert "|".join(peer.said) == said


def test_a_kept_connection_is_probed_and_used_again() -> None:
    client = SmtpClient("me.test")
    client.receive(GREETING + HELLO)
    client.output()
    client.keep = True
    client.begin(b"MAIL FROM:<>", [b"RCPT TO:<a>"])
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    client.output()
    client.end_of_text()
    assert client.output() == b".\r\n"
    client.receive(b"250 ok\r\n")
    assert client.stage is Stage.IDLE
    client.probe()
    assert client.output() == b"RSET\r\n"
    (event,) = client.receive(b"250 ok\r\n")
    assert isinstance(event, Ready)
    client.probe()
    (event,) = client.receive(b"421 too late\r\n")
    assert isinstance(event, Refused)


def test_a_probe_of_addresses_ends_before_data() -> None:
    client = SmtpClient("me.test")
    client.receive(GREETING + HELLO)
    client.output()
    client.probe_only = True
    client.begin(b"MAIL FROM:<>", [b"RCPT TO:<a>"])
    client.receive(b"250 ok\r\n250 ok\r\n")
    assert client.output() == b"MAIL FROM:<>\r\nRCPT TO:<a>\r\nRSET\r\nQUIT\r\n"


def test_an_answer_before_the_end_of_the_text_waits_for_it() -> None:
    peer = Peer()
    peer.client.receive(GREETING + HELLO)
    peer.client.begin(b"MAIL FROM:<>", [b"RCPT TO:<a>"])
    events = peer.client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n552 too much\r\n")
    assert isinstance(events[-1], GoAhead)
    assert peer.client.receive(b"") == []
    assert [event.answer.code for event in peer.client.end_of_text()] == [552, 552]


def test_discarded_keywords_are_not_seen() -> None:
    client = SmtpClient("me.test", discard=frozenset({"PIPELINING"}))
    client.receive(GREETING + HELLO)
    assert client.features == {"SIZE": "1000", "8BITMIME": ""}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"250 2.1.0 Ok\r\n", (250, "2.1.0", "250 2.1.0 Ok")),
        (b"250\r\n", (250, "2.0.0", "250")),
        (b"550 4.1.1 odd\n", (550, "5.0.0", "550 4.1.1 odd")),
        (b"354 go\r\n", (354, "", "354 go")),
        (b"550-5.1.1 a\r\n550 5.7.1 b\r\n", (550, "5.7.1", "550-5.1.1 a\n550 5.7.1 b")),
        (b"250 \x07\x01\xff\r\n", (250, "2.0.0", "250 ??\udcff")),
        (b"250 2.1.0 Ok\x00 more\r\n", (250, "2.1.0", "250 2.1.0 Ok")),
        (b"999 what\r\n", (999, "", "999 what")),
    ],
)
def test_replies(data: bytes, expected: tuple[int, str, str]) -> None:
    reader = AnswerReader()
    reader.receive(data)
    answer = reader.next()
    assert isinstance(answer, Answer)
    assert (answer.code, answer.status, answer.text) == expected
    assert reader.next() is None


def test_long_lines_are_cut_and_their_rest_is_skipped() -> None:
    reader = AnswerReader(50)
    for _ in range(100):
        reader.receive(b"250 " + b"x" * 30)
    reader.receive(b"\r\n251 next\r\n")
    found = [reader.next() for _ in range(4)]
    assert [type(one) for one in found] == [TooLong, Answer, Answer, type(None)]
    assert len(found[1].text) == 50
    assert found[2].text == "251 next"


def test_many_lines_do_not_fill_memory() -> None:
    reader = AnswerReader(100)
    for _ in range(1000):
        reader.receive(b"250-" + b"x" * 20 + b"\r\n")
    reader.receive(b"250 2.1.0 end\r\n")
    told = reader.next()
    assert isinstance(told, TooLong)
    assert told.lines
    answer = reader.next()
    assert isinstance(answer, Answer)
    assert answer.status == "2.1.0"
    assert len(answer.text) < 250


def test_garbage_is_told() -> None:
    reader = AnswerReader()
    reader.receive(b"hello there\r\n25 what\r\n220 mx\r\n")
    assert [type(reader.next()) for _ in range(3)] == [Garbage, Garbage, Answer]


ALL = {"SIZE": "", "8BITMIME": "", "DSN": "", "SMTPUTF8": ""}


@pytest.mark.parametrize(
    ("features", "options", "expected"),
    [
        ({}, {"size": 5, "encoding": "8bit", "envelope_id": "x", "ret_flags": 1, "utf8": True}, b"MAIL FROM:<a@b>"),
        (ALL, {"size": 5}, b"MAIL FROM:<a@b> SIZE=5"),
        (ALL, {"size": 5, "encoding": "8bit"}, b"MAIL FROM:<a@b> SIZE=5 BODY=8BITMIME"),
        (ALL, {"size": 5, "encoding": "7bit"}, b"MAIL FROM:<a@b> SIZE=5 BODY=7BIT"),
        (ALL, {"envelope_id": "a+b c", "ret_flags": 2}, b"MAIL FROM:<a@b> SIZE=0 ENVID=a+2Bb+20c RET=HDRS"),
        (ALL, {"ret_flags": 1, "utf8": True}, b"MAIL FROM:<a@b> SIZE=0 RET=FULL SMTPUTF8"),
    ],
)
def test_mail_has_the_parameters_that_the_server_knows(features, options, expected: bytes) -> None:
    assert mail_command("a@b", features, **options) == expected


@pytest.mark.parametrize(
    ("features", "options", "expected"),
    [
        ({}, {"orcpt": "rfc822;a@b", "notify": 1}, b"RCPT TO:<a@b>"),
        (ALL, {"orcpt": "rfc822;a+b@c", "notify": 6}, b"RCPT TO:<a@b> ORCPT=rfc822;a+2Bb@c NOTIFY=SUCCESS,FAILURE"),
        (ALL, {"notify": 1}, b"RCPT TO:<a@b> NOTIFY=NEVER"),
    ],
)
def test_rcpt_has_the_parameters_that_the_server_knows(features, options, expected: bytes) -> None:
    assert rcpt_command("a@b", features, **options) == expected


@pytest.mark.parametrize(
    ("before", "text", "expected"),
    [
        (b"\n", b".\r\n", b"..\r\n"),
        (b"\n", b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n"),
        (b"a", b".b\r\n", b".b\r\n"),
        (b"\n", b"a.b\r\n", b"a.b\r\n"),
        (b"\n", b"", b""),
    ],
)
def test_dots_are_doubled_at_the_beginning_of_lines(before: bytes, text: bytes, expected: bytes) -> None:
    assert stuff(text, before) == expected


def test_an_empty_line_is_part_of_the_next_reply_and_of_no_other() -> None:
    reader = AnswerReader()
    reader.receive(b"250 Ok\r\n\r\n250 Ok\r\n250 Ok\r\n")
    assert [getattr(reader.next(), "text", None) for _ in range(5)] == ["250 Ok", "", "\n250 Ok", "250 Ok", None]


AUTH_HELLO = b"250-mx.test\r\n250-AUTH LOGIN PLAIN \r\n250-AUTH=LOGIN\r\n250-AUTHX y\r\n250 auth = Z\r\n"


def login(*answers: bytes, **options) -> tuple[bytes, list[str]]:
    """What a client sends that logs in with these answers to AUTH and responses, and what it is told."""
    client = SmtpClient("me.test", **options)
    client.receive(GREETING)
    client.receive(AUTH_HELLO)
    client.output()
    client.authenticate("X", "first")
    said, sent = [], client.output()
    for answer in answers:
        for event in client.receive(answer):
            said.append(f"{type(event).__name__} {event.stage.name} {event.answer.code} {client.stage.name}")
            if isinstance(event, Challenge):
                client.respond(event.answer.text[4:].upper())
        sent += client.output()
    return sent, said


def test_logins_are_offered_in_both_forms() -> None:
    client = SmtpClient("me.test")
    client.receive(GREETING + AUTH_HELLO)
    assert client.auth == ["LOGIN PLAIN ", "LOGIN", "= Z"]


def test_logins_are_not_offered_where_that_is_not_to_be_seen() -> None:
    client = SmtpClient("me.test", discard=frozenset({"AUTH"}))
    client.receive(GREETING + AUTH_HELLO)
    assert client.auth == []


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_login_is_a_dialog(size: int) -> None:
    data = b"334 a\r\n334 b\r\n235 in\r\n"
    sent, said = login(*[data[at : at + size] for at in range(0, len(data), size)])
    assert sent == b"AUTH X first\r\nA\r\nB\r\n" if size < 7 else sent.startswith(b"AUTH X first\r\nA\r\n")
    assert said[0] == "Challenge AUTH 334 IDLE"
    if size < 7:
        assert said == ["Challenge AUTH 334 IDLE", "Challenge AUTH 334 IDLE", "Ready AUTH 235 IDLE"]


@pytest.mark.parametrize("answer", [b"535 no\r\n", b"454 later\r\n", b"100 eh\r\n", b"600 eh\r\n"])
def test_a_login_may_be_refused(answer: bytes) -> None:
    sent, said = login(answer)
    assert (sent, said) == (b"AUTH X first\r\n", [f"Refused AUTH {answer[:3].decode()} IDLE"])


def test_mail_may_be_said_to_come_from_nobody_known() -> None:
    assert mail_command("", {"SIZE": ""}, size=3, authenticated=True) == b"MAIL FROM:<> SIZE=3 AUTH=<>"
