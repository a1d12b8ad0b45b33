import gc
import re
from collections.abc import Callable
from typing import Any

import pytest

from pyfix.clients.rewrite import CLASS_ALIAS, CLASS_DEFAULT, CLASS_VIRTUAL, FLAG_FAIL, Resolved
from pyfix.mail.error import Retry
from pyfix.smtpd.session import Conversation

HELLO = b"EHLO client.test\r\n"
MAIL = b"MAIL FROM:<s@ok.test>\r\n"
RCPT = b"RCPT TO:<joe@example.com>\r\n"
CONTENT = b"Subject: x\r\n\r\nbody\r\n.\r\n"
PIPED, DATA = HELLO + MAIL, b"DATA\r\n"
SEND = (HELLO, MAIL, RCPT, b"DATA\r\n", CONTENT)

Make = Callable[..., Any]


@pytest.mark.parametrize("waits", [False, True], ids=["answers at once", "answers later"])
def test_a_message_is_queued(server: Make, log: list[str], waits: bool) -> None:
    one = server("", waits=waits)
    assert one.talk(*SEND, b"QUIT\r\n")[-3:] == [
        b"354 End data with <CR><LF>.<CR><LF>\r\n",
        b"250 2.0.0 Ok: queued as 4TEST000\r\n",
        b"221 2.0.0 Bye\r\n<EOF>",
    ]
    (message,) = one.cleanup.messages
    assert message.content == [(b"N", b"Subject: x"), (b"N", b""), (b"N", b"body")]
    assert log == [
        "connect from unknown[127.0.0.1]",
        "4TEST000: client=unknown[127.0.0.1]",
        "disconnect from unknown[127.0.0.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
    ]


def test_pipelined_commands_get_one_answer(server: Make) -> None:
    one = server("", waits=True)
    answers = one.talk(HELLO, MAIL + RCPT + b"DATA\r\n", CONTENT + b"QUIT\r\n")
    assert answers[2:] == [
        b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n",
        b"250 2.0.0 Ok: queued as 4TEST000\r\n221 2.0.0 Bye\r\n<EOF>",
    ]


def test_records_are_in_postfix_order(server: Make) -> None:
    one = server("")
    mail = b"MAIL FROM:<s@ok.test> BODY=8BITMIME RET=HDRS ENVID=a+2Bb SMTPUTF8\r\n"
    rcpt = b'RCPT TO:<"q q"@example.com> NOTIFY=FAILURE\r\n'
    one.rewrite.transports['q q@example.com'] = Resolved("x", "y", "q q@example.com", CLASS_DEFAULT)
    one.talk(HELLO, mail, rcpt, b"RCPT TO:<ann> ORCPT=rfc822;x+2By\r\n", b"DATA\r\n", CONTENT)
    rows = one.cleanup.messages[0].records
    names = [kind + b" " + data.split(b"=")[0] for kind, data in rows if kind == b"A"]
    assert rows[0][0] == b"T"
    assert rows[1:6] == [
        (b"A", b"log_ident=4TEST000"),
        (b"A", b"rewrite_context=local"),
        (b"A", b"envelope_id=a+b"),
        (b"A", b"ret_flags=2"),
        (b"S", b"s@ok.test"),
    ]
    assert names[4:20] == [
        b"A " + name
        for name in (
            b"encoding log_client_name log_client_address log_client_port log_message_origin log_helo_name"
            b" log_protocol_name client_name reverse_client_name client_address client_port server_address"
            b" server_port helo_name protocol_name client_address_type"
        ).split()
    ]
    start = rows.index((b"A", b"client_address_type=2")) + 1
    assert rows[start : start + 6] == [
        (b"A", b"notify_flags=4"),
        (b"A", b'dsn_orig_rcpt=rfc822;"q q"@example.com'),
        (b"R", b"q q@example.com"),
        (b"A", b"dsn_orig_rcpt=rfc822;x+y"),
        (b"R", b"ann"),
        (b"M", b""),
    ]
    assert rows[-2:] == [(b"X", b""), (b"E", b"")]


@pytest.mark.parametrize(
    ("path", "original"),
    [
        (b'<"joe"@example.com>', b'"joe"@example.com'),
        (b"<@a.test:joe@example.com>", b"@a.test:joe@example.com"),
        (b"<<joe@example.com>>", b"<joe@example.com>"),
        (b"joe@example.com", b"joe@example.com"),
    ],
)
def test_a_recipient_is_called_in_dsn_what_the_client_called_it(server: Make, path: bytes, original: bytes) -> None:
    one = server("")
    one.talk(HELLO, MAIL, b"RCPT TO:%b\r\n" % path, b"DATA\r\n", CONTENT)
    assert (b"A", b"dsn_orig_rcpt=rfc822;" + original) in one.cleanup.messages[0].records


def test_received_header_names_a_lone_recipient(server: Make) -> None:
    one = server("")
    one.talk(*SEND)
    rows = one.cleanup.messages[0].records
    start = rows.index((b"M", b"")) + 1
    first, second, third = (data for _, data in rows[start : start + 3])
    assert first == b"Received: from client.test (unknown [127.0.0.1])"
    assert second == b"\tby mx.example.com (Postfix) with ESMTP id 4TEST000"
    assert third.startswith(b"\tfor <joe@example.com>; ")


def test_received_header_of_several_recipients_and_no_hello(server: Make) -> None:
    one = server("")
    one.talk(MAIL, RCPT, RCPT, b"DATA\r\n", CONTENT)
    rows = one.cleanup.messages[0].records
    start = rows.index((b"M", b"")) + 1
    assert rows[start][1] == b"Received: from unknown (unknown [127.0.0.1])"
    assert rows[start + 1][1] == b"\tby mx.example.com (Postfix) with SMTP id 4TEST000;"


DECISIONS = {
    "unknown local recipient": (
        b"RCPT TO:<no@example.com>\r\n",
        b"550 5.1.1 <no@example.com>: Recipient address rejected: User unknown in local recipient table\r\n",
    ),
    "relaying": (b"RCPT TO:<x@other.test>\r\n", b"454 4.7.1 <x@other.test>: Relay access denied\r\n"),
    "routed": (
        b"RCPT TO:<joe%other.test@example.com>\r\n",
        b"454 4.7.1 <joe%other.test@example.com>: Relay access denied\r\n",
    ),
    "postmaster": (b"RCPT TO:<PostMaster>\r\n", b"250 2.1.5 Ok\r\n"),
    "virtual mailbox": (
        b"RCPT TO:<no@vm.test>\r\n",
        b"550 5.1.1 <no@vm.test>: Recipient address rejected: User unknown in virtual mailbox table\r\n",
    ),
    "virtual alias": (
        b"RCPT TO:<no@va.test>\r\n",
        b"550 5.1.1 <no@va.test>: Recipient address rejected: User unknown in virtual alias table\r\n",
    ),
    "known alias": (b"RCPT TO:<yes@va.test>\r\n", b"250 2.1.5 Ok\r\n"),
    "error transport": (
        b"RCPT TO:<old@vm.test>\r\n",
        b"550 5.1.6 <old@vm.test>: Recipient address rejected: User has moved to new@vm.test\r\n",
    ),
    "lookup trouble": (
        b"RCPT TO:<trouble@vm.test>\r\n",
        b"451 4.3.0 <trouble@vm.test>: Temporary lookup failure\r\n",
    ),
}
ELSEWHERE = """
mynetworks = 192.0.2.0/24
virtual_mailbox_maps = inline:{{known@vm.test=x}}
virtual_alias_maps = inline:{{yes@va.test=joe}}
"""


@pytest.mark.parametrize("name", DECISIONS)
def test_recipient_of_a_stranger(server: Make, log: list[str], name: str) -> None:
    command, expected = DECISIONS[name]
    one = server(ELSEWHERE)
    one.rewrite.transports |= {
        "no@vm.test": Resolved("virtual", "vm.test", "no@vm.test", CLASS_VIRTUAL),
        "no@va.test": Resolved("error", "5.1.1 x", "no@va.test", CLASS_ALIAS),
        "yes@va.test": Resolved("error", "5.1.1 x", "yes@va.test", CLASS_ALIAS),
        "old@vm.test": Resolved("error", "5.1.6 User has moved to new@vm.test", "old@vm.test", CLASS_VIRTUAL),
        "trouble@vm.test": Resolved("virtual", "vm.test", "trouble@vm.test", FLAG_FAIL),
    }
    if name == "virtual alias":
        one.rewrite.transports["no@va.test"] = Resolved("smtp", "va.test", "no@va.test", CLASS_ALIAS)
    assert one.talk(HELLO, MAIL, command)[-1] == expected
    if not expected.startswith(b"250"):
        address = command.decode()[9:-3]
        assert (
            f"NOQUEUE: reject: RCPT from unknown[127.0.0.1]: {expected.decode().rstrip()};"
            f" from=<s@ok.test> to=<{address}> proto=ESMTP helo=<client.test>"
        ) in log


def test_a_refused_recipient_of_an_open_message_is_logged_with_its_queue_id(server: Make, log: list[str]) -> None:
    server(ELSEWHERE).talk(HELLO, MAIL, RCPT, b"RCPT TO:<no@example.com>\r\n")
    assert any(line.startswith("4TEST000: reject: RCPT from ") for line in log)


def test_cleanup_away_is_a_temporary_error(server: Make) -> None:
    one = server("")
    one.cleanup.trouble = Retry("queue file write error")
    answers = one.talk(HELLO, MAIL, RCPT, b"DATA\r\n")
    assert answers[-2:] == [
        b"451 4.3.0 Error: queue file write error\r\n",
        b"554 5.5.1 Error: no valid recipients\r\n",
    ]


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (2, "", b"451 4.3.0 Error: queue file write error\r\n"),
        (8, "5.7.1 no thanks", b"550 5.7.1 no thanks\r\n"),
        (16, "", b"554 5.4.0 Error: too many hops\r\n"),
        (4, "", b"552 5.3.4 Error: message file too big\r\n"),
    ],
)
def test_verdict_of_cleanup(server: Make, log: list[str], status: int, reason: str, expected: bytes) -> None:
    one = server("")
    one.cleanup.answer = (status, reason)
    assert one.talk(*SEND)[-1] == expected
    (last,) = [line for line in log if line.startswith("disconnect from ")]
    assert last.endswith("data=0/1 commands=3/4")


def test_a_message_over_the_limit_is_refused_at_its_end(server: Make, log: list[str]) -> None:
    one = server("message_size_limit = 1000\n")
    answers = one.talk(*SEND[:-1], b"x\r\n" * 500 + b".\r\n", MAIL)
    assert answers[-2:] == [b"552 5.3.4 Error: message file too big\r\n", b"250 2.1.0 Ok\r\n"]
    assert one.cleanup.messages[0].cancelled
    assert log[2] == "warning: 4TEST000: queue file size limit exceeded"


def test_a_message_of_exactly_the_limit_is_taken(server: Make) -> None:
    one = server("message_size_limit = 1000\n")
    answers = one.talk(*SEND[:-1], b"12345678\r\n" * 100 + b".\r\n", *SEND[1:-1], b"12345678\r\n" * 100 + b"\r\n.\r\n")
    assert [answer[:3] for answer in answers[5:]] == [b"250", b"250", b"250", b"354", b"552"]


@pytest.mark.parametrize(
    ("chunks", "line"),
    [
        ((), "NOQUEUE: lost connection after CONNECT from unknown[127.0.0.1]"),
        ((HELLO,), "NOQUEUE: lost connection after EHLO from unknown[127.0.0.1]"),
        ((HELLO, MAIL, RCPT), "4TEST000: lost connection after RCPT from unknown[127.0.0.1]"),
        (SEND[:4], "4TEST000: lost connection after DATA (0 bytes) from unknown[127.0.0.1]"),
        ((*SEND[:4], b"abc\r\nx"), "4TEST000: lost connection after DATA (5 bytes) from unknown[127.0.0.1]"),
        ((b"FOO\r\n",), "NOQUEUE: lost connection after UNKNOWN from unknown[127.0.0.1]"),
    ],
)
def test_lost_connection_is_logged_and_leaves_nothing(
    server: Make, log: list[str], chunks: tuple[bytes, ...], line: str
) -> None:
    one = server("")
    one.talk(*chunks)
    assert log[-2] == line
    assert all(message.cancelled for message in one.cleanup.messages) or chunks == SEND


def test_too_many_errors_end_the_session(server: Make, log: list[str]) -> None:
    one = server("smtpd_hard_error_limit = 3\n")
    answers = one.talk(b"FOO\r\n", b"BAR\r\n", b"DATA\r\n")
    assert answers[-1] == (
        b"503 5.5.1 Error: need RCPT command\r\n421 4.7.0 mx.example.com Error: too many errors\r\n<EOF>"
    )
    assert log[1:] == [
        "NOQUEUE: too many errors after DATA from unknown[127.0.0.1]",
        "disconnect from unknown[127.0.0.1] data=0/1 unknown=0/2 commands=0/3",
    ]


def test_a_chunk_that_is_refused_has_its_reply_before_too_many_errors_end_the_session(server: Make) -> None:
    answers = server("smtpd_hard_error_limit = 1\n").talk(HELLO, b"BDAT 5\r\nab", b"cde")
    assert answers[2:] == [
        b"",
        b"503 5.5.1 Error: need RCPT command\r\n421 4.7.0 mx.example.com Error: too many errors\r\n<EOF>",
    ]


def test_what_came_before_the_client_stopped_talking_is_done_after_a_wait_too(server: Make, log: list[str]) -> None:
    one = server("", waits=True)
    one.cleanup.late = 0.1  # seconds: both the second message and the end come while the first is waited for
    message = b"MAIL FROM:<a@b>\r\nRCPT TO:<joe>\r\nBDAT 5 LAST\r\nhello"
    answers = one.talk(HELLO, message, message + b"QUIT\r\n", end="shut")
    said = b"".join(answers[2:])
    assert said.count(b"queued as 4TEST") == 2
    assert said.endswith(b"221 2.0.0 Bye\r\n<EOF>")
    assert not [line for line in log if "lost connection" in line]


def test_junk_commands_become_errors(server: Make) -> None:
    one = server("smtpd_hard_error_limit = 2\nsmtpd_junk_command_limit = 3\n")
    answers = one.talk(*[b"NOOP\r\n"] * 20)
    assert answers[-1].endswith(b"Error: too many errors\r\n<EOF>")
    assert len(answers) == 7


def test_pipelining_without_leave_ends_the_session(server: Make, log: list[str]) -> None:
    one = server("")
    assert one.talk(b"EHLO x\r\nMAIL FROM:<a@b>\r\n")[-1] == (
        b"554 5.5.0 Error: SMTP protocol synchronization\r\n<EOF>"
    )
    assert log[1:] == [
        "improper command pipelining after EHLO from unknown[127.0.0.1]: MAIL FROM:<a@b>\\r\\n",
        "disconnect from unknown[127.0.0.1] ehlo=0/1 commands=0/1",
    ]


def test_pipelining_may_be_tolerated(server: Make) -> None:
    one = server("smtpd_forbid_unauth_pipelining = no\n")
    assert one.talk(b"NOOP\r\nNOOP\r\n")[-1] == b"250 2.0.0 Ok\r\n" * 2


@pytest.mark.parametrize("mode", ["normalize", "yes", "note", "reject", "no"])
def test_bare_newlines(server: Make, log: list[str], mode: str) -> None:
    one = server(f"smtpd_forbid_bare_newline = {mode}\n")
    answer = one.talk(*SEND[:-1], b"a\nb\r\n.\r\n")[-1]
    rejected = b"550 5.5.2 mx.example.com Error: bare <LF> received\r\n"
    assert answer == (rejected if mode == "reject" else b"250 2.0.0 Ok: queued as 4TEST000\r\n")
    assert log[-1].endswith(" notes=bare_lf") is (mode == "note")
    assert any(line.startswith("4TEST000: reject: END-OF-MESSAGE") for line in log) is (mode == "reject")


def test_trusted_clients_may_end_messages_with_bare_newlines(server: Make) -> None:
    one = server("smtpd_forbid_bare_newline_exclusions = $mynetworks\n")
    assert one.talk(*SEND[:-1], b"a\n.\n")[-1] == b"250 2.0.0 Ok: queued as 4TEST000\r\n"


@pytest.mark.parametrize("line", [b"Subject: x\r\n", b"GET / HTTP/1.0\r\n", b"1x\r\n"])
def test_other_protocols_are_left(server: Make, log: list[str], line: bytes) -> None:
    assert server("").talk(line)[-1] == b"221 2.7.0 Error: I can break rules, too. Goodbye.\r\n<EOF>"
    assert log[1] == f"warning: non-SMTP command from unknown[127.0.0.1]: {line.decode().strip()}"


REFUSAL = "smtpd_recipient_restrictions = check_recipient_access static:REJECT\n"
RELAY = "smtpd_relay_restrictions = {}permit_mynetworks, reject\n"


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    ("settings", "code"),
    [
        pytest.param(RELAY.format(""), b"250", id="one list"),
        pytest.param(RELAY.format("") + REFUSAL, b"554", id="the other list asks something else first"),
        pytest.param(RELAY.format("check_client_access static:REJECT, "), b"554", id="the same list does"),
        pytest.param(RELAY.format("") + "smtpd_client_restrictions = reject\n", b"554", id="a list of another stage"),
        pytest.param(RELAY.format("") + "mynetworks = 10.0.0.0/8\n", b"554", id="a stranger"),
    ],
)
def test_trusted_clients_are_asked_what_comes_before_their_permit(
    server: Make, settings: str, code: bytes, waits: bool
) -> None:
    one = server(settings, waits)
    for _ in range(2):  # the second time mynetworks is known to have the client
        answer = one.talk(HELLO, MAIL, b"RCPT TO:<joe@elsewhere.test>\r\n")[-1]
        assert answer[:3] == code, answer


@pytest.mark.parametrize("waits", [False, True])
def test_trusted_clients_too_must_give_addresses(server: Make, waits: bool) -> None:
    one = server("smtpd_reject_unlisted_recipient = no\n", waits)
    for _ in range(2):
        good, bad = b"RCPT TO:<joe@elsewhere.test>\r\n", b"RCPT TO:<joe@-a.test>\r\n"
        answers = one.talk(HELLO, b"MAIL FROM:<a@-b.test>\r\n", MAIL, good, bad)
        assert [answer[:9] for answer in answers[-4:]] == [b"501 5.1.7", b"250 2.1.0", b"250 2.1.5", b"501 5.1.3"]


@pytest.mark.parametrize("waits", [False, True])
def test_trusted_clients_too_have_a_limit_of_recipients(server: Make, waits: bool) -> None:
    rcpt = b"RCPT TO:<joe@elsewhere.test>\r\n"
    one = server("", waits)
    for _ in range(2):
        answers = one.talk(HELLO, MAIL, *[rcpt] * 6)
        assert [answer[:9] for answer in answers[-6:]] == [b"250 2.1.5"] * 5 + [b"452 4.5.3"]


def test_no_space_is_temporary(server: Make) -> None:
    one = server(f"queue_minfree = {2**62}\n")
    assert one.talk(HELLO, MAIL)[-1] == b"452 4.3.1 Insufficient system storage\r\n"


def test_ehlo_without_keywords_that_are_discarded(server: Make, log: list[str]) -> None:
    one = server("smtpd_discard_ehlo_keywords = chunking, DSN etrn\ndisable_vrfy_command = yes\n")
    answers = one.talk(HELLO, b"BDAT 1\r\n")
    assert answers[1] == (
        b"250-mx.example.com\r\n250-PIPELINING\r\n250-SIZE 100000\r\n250-ENHANCEDSTATUSCODES\r\n"
        b"250-8BITMIME\r\n250 SMTPUTF8\r\n"
    )
    assert "discarding EHLO keywords: ETRN, DSN, CHUNKING" in log


def test_soft_bounce_makes_refusals_temporary(server: Make) -> None:
    one = server("soft_bounce = yes\n" + ELSEWHERE)
    assert one.talk(HELLO, MAIL, b"RCPT TO:<no@example.com>\r\n")[-1].startswith(b"450 4.1.1 <no@example.com>: ")


def test_footer_of_refusals(server: Make) -> None:
    one = server("smtpd_reject_footer = call us\\nor not\n")
    assert one.talk(b"DATA\r\n")[-1] == (
        b"503-5.5.1 Error: need RCPT command\r\n503-5.5.1 call us\r\n503 5.5.1 or not\r\n"
    )


@pytest.mark.parametrize(
    ("settings", "said", "answer"),
    [
        ("", PIPED, b"554-5.5.0 Error: SMTP protocol synchronization\r\n554 5.5.0 bye\r\n<EOF>"),
        ("soft_bounce = yes", PIPED, b"454-4.5.0 Error: SMTP protocol synchronization\r\n454 4.5.0 bye\r\n<EOF>"),
        ("smtpd_hard_error_limit = 1", DATA, b" Error: too many errors\r\n421 4.7.0 bye\r\n<EOF>"),
    ],
)
def test_the_end_of_a_session_has_a_footer_too(server: Make, settings: str, said: bytes, answer: bytes) -> None:
    assert server(f"smtpd_reject_footer = bye\n{settings}\n").talk(said)[-1].endswith(answer)


def test_who_is_silent_is_told_with_a_footer(server: Make) -> None:
    answer = server("smtpd_reject_footer = bye\nsmtpd_timeout = 1s\n").talk(HELLO, end="keep")[-1]
    assert answer == b"421-4.4.2 mx.example.com Error: timeout exceeded\r\n421 4.4.2 bye\r\n<EOF>"


def test_footer_says_when_and_to_which_port_it_was_said(server: Make) -> None:
    answer = server("smtpd_reject_footer = \\c ($localtime, $client_port)\n").talk(b"DATA\r\n")[-1]
    assert re.fullmatch(rb"503 .* command \([A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d, [1-9]\d+\)\r\n", answer)


def test_silent_client_is_told_and_left(server: Make, log: list[str]) -> None:
    one = server("smtpd_timeout = 1s\n")
    assert one.talk(HELLO, end="keep")[-1] == b"421 4.4.2 mx.example.com Error: timeout exceeded\r\n<EOF>"
    assert log[-2] == "NOQUEUE: timeout after EHLO from unknown[127.0.0.1]"


@pytest.mark.parametrize("waits", [False, True])
def test_a_bug_ends_the_session_and_is_told(server: Make, waits: bool) -> None:
    one = server("", waits=waits)
    one.cleanup.trouble = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        one.talk(HELLO, MAIL, RCPT)


ASKS_AT_THE_END = "smtpd_end_of_data_restrictions = permit_mynetworks\n"


@pytest.mark.parametrize("settings", ["", ASKS_AT_THE_END], ids=["without a question", "after a question"])
@pytest.mark.parametrize("waits", [False, True])
def test_cleanup_that_goes_before_its_verdict_is_trouble_for_a_while(
    server: Make, log: list[str], waits: bool, settings: str
) -> None:
    one = server(settings, waits=waits)
    one.cleanup.answer = Retry("service unavailable", detail="lost connection with public/cleanup: closed")
    assert one.talk(*SEND, MAIL)[-2:] == [
        b"451 4.3.0 Error: queue file write error\r\n",
        b"250 2.1.0 Ok\r\n",
    ]
    assert any(line.startswith("warning: 4TEST000: ") and "lost connection with public/cleanup" in line for line in log)


@pytest.mark.parametrize("settings", ["", ASKS_AT_THE_END], ids=["without a question", "after a question"])
@pytest.mark.parametrize("waits", [False, True])
def test_a_bug_after_the_verdict_ends_the_session_and_is_told(server: Make, waits: bool, settings: str) -> None:
    one = server(settings, waits=waits)
    one.cleanup.answer = "no verdict"
    with pytest.raises(ValueError, match="too many values"):
        one.talk(*SEND)


def test_a_client_that_goes_before_the_verdict_has_left_its_message(server: Make, log: list[str]) -> None:
    one = server("", waits=True)
    one.cleanup.late = 0.05
    one.talk(*SEND)
    (message,) = one.cleanup.messages
    assert not message.cancelled
    assert log[1:] == [
        "4TEST000: client=unknown[127.0.0.1]",
        "disconnect from unknown[127.0.0.1] ehlo=1 mail=1 rcpt=1 data=1 commands=4",
    ]


@pytest.mark.parametrize("waits", [False, True])
def test_a_session_that_is_over_leaves_nothing_for_the_collector(server: Make, waits: bool) -> None:
    one = server("", waits=waits)
    gc.collect()
    gc.disable()
    try:
        one.talk(*SEND, b"QUIT\r\n")
        assert not [thing for thing in gc.get_objects() if issubclass(type(thing), Conversation)]
    finally:
        gc.enable()


def test_chunk_over_the_limit_goes_by(server: Make, log: list[str]) -> None:
    one = server("message_size_limit = 1000\n")
    answers = one.talk(HELLO, MAIL, RCPT, b"BDAT 1001 LAST\r\n" + b"x" * 1001 + b"RSET\r\n")
    assert answers[-1] == b"552 5.3.4 Chunk exceeds message size limit\r\n250 2.0.0 Ok\r\n"
    assert one.cleanup.messages[0].cancelled


def test_client_that_says_nothing_is_told_and_left(server: Make, log: list[str]) -> None:
    assert server("smtpd_timeout = 1\n").talk(b"HELO a.test\r\n", end="keep")[2:] == [
        b"421 4.4.2 mx.example.com Error: timeout exceeded\r\n<EOF>"
    ]
    assert "timeout after HELO from unknown[127.0.0.1]" in log[-2]
