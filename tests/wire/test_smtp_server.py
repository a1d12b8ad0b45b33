from typing import Any

import pytest

from pyfix.wire import smtp_event as on
from pyfix.wire.smtp_command import COMMANDS, Limits

OK = b"250 2.0.0 Ok\r\n"
BEGIN = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
NOT_PIPELINED = b"EHLO x\r\n"

DIALOGS = {
    "mail": (BEGIN + b"DATA\r\nhi\r\n.\r\nQUIT\r\n", OK * 3 + b"354 Go\r\n" + OK * 2),
    "rcpt first": (b"EHLO x\r\nRCPT TO:<a@b>\r\n", OK + b"503 5.5.1 Error: need MAIL command\r\n"),
    "mail twice": (
        b"EHLO x\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n",
        OK * 2 + b"503 5.5.1 Error: nested MAIL command\r\n",
    ),
    "data without mail": (b"EHLO x\r\nDATA\r\n", OK + b"503 5.5.1 Error: need RCPT command\r\n"),
    "data without rcpt": (
        b"EHLO x\r\nMAIL FROM:<>\r\nDATA\r\n",
        OK * 2 + b"554 5.5.1 Error: no valid recipients\r\n",
    ),
    "data with argument": (BEGIN + b"DATA x\r\n", OK * 3 + b"501 5.5.4 Syntax: DATA\r\n"),
    "rset ends the transaction": (
        BEGIN + b"RSET\r\nRCPT TO:<c@d>\r\n",
        OK * 4 + b"503 5.5.1 Error: need MAIL command\r\n",
    ),
    "ehlo ends the transaction": (
        BEGIN + b"EHLO y\r\nRCPT TO:<c@d>\r\n",
        OK * 4 + b"503 5.5.1 Error: need MAIL command\r\n",
    ),
    "no hostname": (b"HELO\r\nEHLO \r\n", b"501 Syntax: HELO hostname\r\n501 Syntax: EHLO hostname\r\n"),
    "empty line": (b"EHLO x\r\n\r\n  \r\n", OK + b"500 5.5.2 Error: bad syntax\r\n" * 2),
    "bad UTF-8": (b"EHLO x\r\n\xff\r\n", OK + b"500 5.5.2 Error: bad UTF-8 syntax\r\n"),
    "bad UTF-8 behind NUL": (b"EHLO x\r\nRSET\0\xe4\r\n", OK * 2),
    "NUL ends a command": (b"EHLO x\r\nRSET\0x\r\n", OK * 2),
    "chunks": (BEGIN + b"BDAT 3\r\nab\rBDAT 4 LAST\r\n\ncd\nRSET\r\n", OK * 6),
    "chunk without recipient": (
        b"EHLO x\r\nBDAT 4\r\nabcdBDAT 2 LAST\r\nxyRSET\r\n",
        OK
        + b"503 5.5.1 Error: need RCPT command\r\n551 5.0.0 Discarded 2 bytes after earlier error\r\n"
        + OK,
    ),
    "chunk without valid recipient": (
        b"EHLO x\r\nMAIL FROM:<>\r\nBDAT 4\r\nabcdMAIL FROM:<>\r\nDATA\r\n",
        OK * 2
        + b"554 5.5.1 Error: no valid recipients\r\n503 5.5.1 Error: nested MAIL command\r\n"
        + b"503 5.5.1 Error: DATA after BDAT\r\n",
    ),
    "mail after a chunk astray": (
        b"EHLO x\r\nBDAT 1\r\naMAIL FROM:<>\r\n",
        OK + b"503 5.5.1 Error: need RCPT command\r\n503 5.5.1 Error: MAIL after BDAT\r\n",
    ),
    "null chunk": (BEGIN + b"BDAT 0\r\n", OK * 3 + b"551 5.7.1 Null BDAT request\r\n"),
    "null chunks after trouble": (
        b"EHLO x\r\nBDAT 1\r\naBDAT 0\r\nBDAT 0\r\nBDAT 0 LAST\r\n",
        OK + b"503 5.5.1 Error: need RCPT command\r\n" + b"551 5.7.1 Null BDAT request\r\n" * 2
        + b"551 5.0.0 Discarded 0 bytes after earlier error\r\n",
    ),
    "chunk syntax": (BEGIN + b"BDAT 1x\r\n", OK * 3 + b"521 5.5.4 Syntax: BDAT count [LAST]\r\n"),
    "rcpt after a chunk": (
        BEGIN + b"BDAT 1\r\naRCPT TO:<x@y>\r\n",
        OK * 4 + b"503 5.5.1 Error: RCPT after BDAT\r\n",
    ),
    "commands in a chunk are content": (BEGIN + b"BDAT 12 LAST\r\nRSET\r\nQUIT\r\nRSET\r\n", OK * 5),
}


def answer(owner: Any, *chunks: bytes) -> bytes:
    one = owner()
    return b"".join(one.feed(chunk) for chunk in chunks)


@pytest.mark.parametrize("name", DIALOGS)
def test_dialog_in_one_read(owner: Any, name: str) -> None:
    data, expected = DIALOGS[name]
    start = data.index(b"\n") + 1
    assert answer(owner, data[:start], data[start:]) == expected


@pytest.mark.parametrize("name", DIALOGS)
def test_dialog_one_byte_at_a_time(owner: Any, name: str) -> None:
    data, expected = DIALOGS[name]
    assert answer(owner, *(data[at : at + 1] for at in range(len(data)))) == expected


@pytest.mark.parametrize("name", DIALOGS)
def test_dialog_at_every_split(owner: Any, name: str) -> None:
    data, expected = DIALOGS[name]
    start = data.index(b"\n") + 1
    for at in range(start, len(data)):
        assert answer(owner, data[:start], data[start:at], data[at:]) == expected


@pytest.mark.parametrize(
    ("data", "verb"),
    [
        (b"NOOP\r\nNOOP\r\n", "NOOP"),
        (b"RSET\r\nRSET\r\n", "RSET"),
        (b"HELO x\r\nMAIL FROM:<>\r\n", "HELO"),
        (b"QUIT\r\nx", "QUIT"),
    ],
)
def test_nothing_may_be_pipelined_without_ehlo(owner: Any, data: bytes, verb: str) -> None:
    one = owner()
    one.feed(data)
    assert [(type(event), event.verb) for event in one.events[:1]] == [(on.Pipelined, verb)]


@pytest.mark.parametrize("verb", ["EHLO y", "HELO y", "DATA", "NOOP", "VRFY a@b"])
def test_these_end_a_group_of_commands(owner: Any, verb: str) -> None:
    one = owner()
    one.feed(b"EHLO x\r\n")
    one.feed(verb.encode() + b"\r\nRSET\r\n")
    assert isinstance(one.events[1], on.Pipelined)
    assert one.events[1].text == b"RSET\r\n"


@pytest.mark.parametrize("verb", ["RSET", "MAIL FROM:<>", "QUIT", "HELP", "ETRN a.b", "FOO", "STARTTLS"])
def test_these_may_be_followed(owner: Any, verb: str) -> None:
    one = owner()
    one.feed(b"EHLO x\r\n")
    one.feed(verb.encode() + b"\r\nRSET\r\n")
    assert not any(isinstance(event, on.Pipelined) for event in one.events)


def test_long_command_is_cut_and_its_rest_ignored(owner: Any) -> None:
    one = owner()
    one.feed(b"EHLO " + b"a" * 3000)
    one.feed(b"b" * 100 + b"\r\n")
    one.feed(b"RSET\r\n")
    notice, hello, rset = one.events
    assert isinstance(notice, on.LongLine)
    assert isinstance(hello, on.Hello)
    assert (len(notice.text), len(hello.name), rset.verb) == (2048, 2043, "RSET")
    assert not notice.endless


def test_command_longer_than_two_lines_ends_there_and_the_client_should_not_be_heard_any_more(owner: Any) -> None:
    one = owner(Limits(line_length=10))
    one.feed(b"FOO  " + b"a" * 15 + b"RSET\r\n")
    notice, foo, rset = one.events
    assert (notice.text, notice.endless, foo.word, rset.verb) == (b"FOO  aaaaa", True, "FOO", "RSET")


def test_refused_chunk_beyond_patience_is_not_read(owner: Any) -> None:
    one = owner(Limits(patience=15))
    one.feed(b"EHLO x\r\n")
    one.events.clear()
    one.feed(b"BDAT 15\r\n123456789012345RSET\r\n")
    assert [type(event) for event in one.events] == [on.Bad, on.Dropped, on.Simple]
    one.feed(b"BDAT 10\r\n1234567890BDAT 6\r\nNOOP\r\n")
    kinds = [type(event) for event in one.events[3:]]
    assert kinds == [on.Bad, on.Dropped, on.Bad, on.LongChunk, on.Dropped, on.Simple]


def test_command_of_exactly_the_limit_is_whole(owner: Any) -> None:
    one = owner(Limits(line_length=10))
    assert one.feed(b"EHLO abcd\r\n") == OK
    assert [type(event) for event in one.events] == [on.Hello]


@pytest.mark.parametrize(
    ("line", "header"),
    [(b"Subject: x", True), (b"Foo:", True), (b":x", False), (b"FOO x", False), (b"GET /", False)],
)
def test_headers_are_told_from_other_nonsense(owner: Any, line: bytes, header: bool) -> None:
    one = owner()
    event = one.session.receive(line + b"\r\n")
    assert isinstance(event, on.Unknown)
    assert event.header is header


def test_mail_parameters_are_typed(owner: Any) -> None:
    one = owner()
    one.feed(b"EHLO x\r\n")
    one.feed(b"MAIL FROM:<a@b> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2b AUTH=<>\r\n")
    mail = one.events[-1]
    assert isinstance(mail, on.Mail)
    params = mail.params
    assert (params.size, params.body, params.smtputf8, params.ret, params.envid) == (12, "8bit", True, 2, "a+2b")


PARAMETERS = [
    ("SIZE=x", b"501 5.5.4 Bad message size syntax"),
    ("SIZE=", b"501 5.5.4 Bad message size syntax"),
    ("SIZE=99999999999999999999", b"552 5.3.4 Message size exceeds file system imposed limit"),
    ("BODY=BINARYMIME", b"555 5.5.4 Unsupported option: BODY=BINARYMIME"),
    ("FOO=bar", b"555 5.5.4 Unsupported option: FOO=bar"),
    ("RET=x", b"501 5.5.4 Bad RET parameter syntax"),
    ("RET=FULL RET=FULL", b"501 5.5.4 Bad RET parameter syntax"),
    ("ENVID=", b"501 5.5.4 Bad ENVID parameter syntax"),
    ("ENVID=a+", b"501 5.5.4 Bad ENVID parameter syntax"),
    ("ENVID=a+0A", b"501 5.5.4 Bad ENVID parameter syntax"),
]


@pytest.mark.parametrize(("text", "expected"), PARAMETERS, ids=[text for text, _ in PARAMETERS])
def test_wrong_mail_parameter(owner: Any, text: str, expected: bytes) -> None:
    one = owner()
    assert one.feed(f"MAIL FROM:<a@b> {text}\r\n".encode()) == expected + b"\r\n"


RCPT_PARAMETERS = [
    ("NOTIFY=NEVER", 1, ""),
    ("NOTIFY=success,Failure,DELAY", 14, ""),
    ("NOTIFY=never,", 1, ""),
    ("ORCPT=rfc822;a+2Bb", 0, "rfc822;a+b"),
    ("ORCPT=utf-8;ä", 0, "utf-8;ä"),
    ("ORCPT=rfc822;", 0, "rfc822;"),
]


@pytest.mark.parametrize(("text", "notify", "orcpt"), RCPT_PARAMETERS)
def test_recipient_parameters_are_typed(owner: Any, text: str, notify: int, orcpt: str) -> None:
    one = owner()
    one.feed(BEGIN[: BEGIN.index(b"RCPT")])
    one.feed(f"RCPT TO:<c@d> {text}\r\n".encode())
    rcpt = one.events[-1]
    assert isinstance(rcpt, on.Rcpt)
    assert (rcpt.params.notify, rcpt.params.orcpt) == (notify, orcpt)


@pytest.mark.parametrize("text", ["NOTIFY=", "NOTIFY=x", "NOTIFY=NEVER,DELAY", "NOTIFY=DELAY NOTIFY=DELAY"])
def test_wrong_notify(owner: Any, text: str) -> None:
    one = owner()
    one.feed(b"EHLO x\r\n")
    one.feed(b"MAIL FROM:<>\r\n")
    got = one.feed(f"RCPT TO:<c@d> {text}\r\n".encode())
    assert got == b"501 5.5.4 Error: Bad NOTIFY parameter syntax\r\n"


@pytest.mark.parametrize("name", DIALOGS)
def test_what_sessions_before_have_said_changes_nothing(owner: Any, name: str) -> None:
    said, _ = DIALOGS[name]
    limits = Limits()
    dialogs = []
    for _ in range(2):
        whole, piecemeal = owner(limits), owner(limits)
        answers = [whole.feed(said), b"".join([piecemeal.feed(line) for line in said.splitlines(keepends=True)])]
        dialogs.append((answers, repr(whole.events), repr(piecemeal.events)))
    assert dialogs[0] == dialogs[1]


def test_hello_is_required_of_the_next_session_too(owner: Any) -> None:
    limits = Limits(hello_required=True)
    one = owner(limits)
    one.feed(b"HELO x\r\n")
    assert one.feed(b"MAIL FROM:<>\r\n") == OK
    assert owner(limits).feed(b"MAIL FROM:<>\r\n") == b"503 5.5.1 Error: send HELO/EHLO first\r\n"


def test_hello_can_be_required(owner: Any) -> None:
    one = owner(Limits(hello_required=True))
    assert one.feed(b"MAIL FROM:<>\r\n") == b"503 5.5.1 Error: send HELO/EHLO first\r\n"
    assert one.feed(b"ETRN a.b\r\n") == b"503 Error: send HELO/EHLO first\r\n"


def test_content_behind_an_abandoned_chunk_starts_anew(owner: Any) -> None:
    one = owner()
    one.feed(b"EHLO x\r\n")
    one.feed(b"MAIL FROM:<>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nabcRSET\r\n")
    one.feed(b"MAIL FROM:<>\r\nRCPT TO:<c@d>\r\nBDAT 3 LAST\r\nxyz")
    end = one.events[-1]
    assert isinstance(end, on.MessageEnd)
    assert (end.size, one.messages) == (5, [[b"xyz"]])


def test_every_complaint_is_for_a_command_out_of_place() -> None:
    for command in COMMANDS.values():
        assert all(not reply.ok for reply in command.complaints.values())
