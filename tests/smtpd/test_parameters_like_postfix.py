"""Odd parameters of MAIL and RCPT: a real Postfix and ours must answer, log and queue the same."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyfix.queue import records as rec
from tests.smtpd.beside_postfix import Beside, comparable, like, running

HELLO, MAIL, RCPT = b"EHLO x\r\n", b"MAIL FROM:<s@ok.test>", b"RCPT TO:<joe@example.com>"
BODY = b"BDAT 14 LAST\r\nSubject: x\r\n\r\n"
KEPT = re.compile(rb"(encoding|sasl_sender|envelope_id|ret_flags|notify_flags|dsn_orig_rcpt)=")
MAILS = [
    *(b"AUTH=a@b", b"AUTH=<a@b>", b"AUTH=<>", b"AUTH=", b"AUTH=+zz", b"AUTH=a+40b", b"auth=\xc3\xa4", b"AUTH"),
    *(b"AUTH=\x01\x7f", b"AUTH=a AUTH=b", b"AUTH=<> AUTH=a", b"AUTH=a AUTH=<>", b"AUTH= AUTH="),
    *(b"AUTH=a+2Bb@c RET=FULL ENVID=x", b"ENVID=a=b", b"ENVID=<a b>+3d", b"ENVID=\xc3\xa4", b"ENVID=+C3+A4"),
    *(b"ENVID=+80", b"ENVID=a+7Fb", b"ENVID=+2b+", b"SIZE=00000000000000000000000000000012", b"body=x"),
    b"SIZE=09223372036854775807",
]
RCPTS = [
    *(b"ORCPT=x400;/C=DE/", b"ORCPT=rfc822;+2Ba=", b"ORCPT=a+20b;x", b"ORCPT=a.b;+2b", b"ORCPT=\xc3\xa4;x"),
    *(b"ORCPT=x;<a b>", b"ORCPT=rfc822;+FF", b"ORCPT=rfc822;\xc3\xa4+41", b"ORCPT=rfc822;", b"ORCPT=rfc822;\\x{e4}"),
    *(b"ORCPT=utf-8;\\x{e4}", b"ORCPT=UTF-8;\\x{000E4}b", b"ORCPT=utf-8;\\x{zz}", b"ORCPT=utf-8;\\x{e4"),
    *(b"ORCPT=utf-8;\\x{110000}", b"ORCPT=utf-8;\\x{10FFFF}", b"ORCPT=utf-8;\\x{D800}", b"ORCPT=utf-8;\\X{e4}"),
    *(b"ORCPT=utf-8;+C3+A4", b"ORCPT=utf-8;\xc3\xa4+41", b"ORCPT=utf-8;a\\b", b"ORCPT=utf-8;\\x{5C}\\x{2B}"),
    *(b"NOTIFY=x,NEVER", b"NOTIFY=NEVER,SUCCESS,x", b"NOTIFY=<DELAY>", b"NOTIFY=SUCCESS|DELAY,y", b"NOTIFY=a\x01"),
    *(b"NOTIFY=SUCCESS NOTIFY=x", b"NOTIFY=delay,,SUCCESS"),
]


@pytest.fixture(scope="module")
def postfix() -> Iterator[Beside]:
    """Where all mail stays in the queue."""
    with running({"usual": []}, main_cf="defer_transports = discard\n") as beside:
        yield beside


def _kept(data: bytes) -> list[bytes]:
    """What a queue file says about what the client has said."""
    return sorted({text for _, kind, text in rec.iterate(data) if kind == rec.ATTR and KEPT.match(text)})


def _queued(beside: Beside) -> list[bytes]:
    """The same of the only message in the queue, which goes."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for path in (beside.directory / "queue/deferred").glob("*/*"):
            kept = _kept(path.read_bytes())
            path.unlink()
            return kept
        time.sleep(0.02)
    pytest.fail("nothing was queued")


@pytest.fixture
def compare(postfix: Beside, server: Callable[..., Any], log: list[str]) -> Callable[[list[bytes]], None]:
    """Says it to both: compare(chunks)."""

    def one(chunks: list[bytes]) -> None:
        made = server("")
        theirs = postfix.talk("usual", chunks)
        assert [like(answer) for answer in made.talk(*chunks)] == theirs
        assert comparable(log) == postfix.log("usual")
        if b"queued" in theirs[-1]:
            assert _kept(made.cleanup.messages[-1].data) == _queued(postfix)

    return one


@pytest.mark.parametrize("words", MAILS)
def test_parameters_of_mail_are_those_of_postfix(compare, words) -> None:
    compare([HELLO, MAIL + b" " + words + b"\r\n", RCPT + b"\r\n", BODY])


@pytest.mark.parametrize("words", RCPTS)
def test_parameters_of_rcpt_are_those_of_postfix(compare, words) -> None:
    compare([HELLO, MAIL + b"\r\n", RCPT + b" " + words + b"\r\n", BODY])


@pytest.mark.parametrize(
    ("first", "second"),
    [(b"RET=FULL ENVID=x", b"SMTPUTF8"), (b"AUTH=x RET=HDRS", b"AUTH=y"), (b"BODY=8BITMIME", b"")],
)
def test_what_mail_said_of_reports_is_forgotten_with_another_mail(compare, first, second) -> None:
    mails = [MAIL + b" " + words + b"\r\n" for words in (first, second)]
    compare([HELLO, *mails, RCPT + b"\r\n", BODY])


def test_who_has_submitted_it_stands_in_refusals_as_postfix_3_11_has_it(server, log) -> None:
    mail, other = MAIL + b" AUTH=a+40b\r\n", b"RCPT TO:<joe@other.test>\r\n"
    server("mynetworks = 10.0.0.0/8\n").talk(HELLO, mail, other, b"RSET\r\n", MAIL + b"\r\n", other)
    refused = [text.partition("; ")[2] for text in log if "reject: RCPT" in text]
    said = "from=<s@ok.test> to=<joe@other.test> proto=ESMTP helo=<x>"
    assert refused == [f"{said} sasl_sender=a+40b", said]


@pytest.mark.parametrize("words", [b"ORCPT=rfc822;a+0Ab", b"ORCPT=rfc822;+00", b"ORCPT=x;a\x7f", b"ORCPT=utf-8;\\x{D}"])
def test_an_original_recipient_can_not_break_a_line_of_a_report(server, words) -> None:
    answers = server("").talk(HELLO, MAIL + b"\r\n", RCPT + b" " + words + b"\r\n")
    assert answers[-1] == b"501 5.5.4 Error: Bad ORCPT parameter syntax\r\n"
