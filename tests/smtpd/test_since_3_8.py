"""What Postfix 3.11 says and logs where the 3.7 that the other tests compare with does otherwise (seen with 3.11.7)."""

import re

import pytest

from pyfix.smtpd.log import no_more_input
from tests.dns.conftest import NameServer

HELLO, MAIL, RCPT = b"EHLO x\r\n", b"MAIL FROM:<s@ok.test>\r\n", b"RCPT TO:<joe@example.com>\r\n"
DATA, TEXT, NOOP = b"DATA\r\n", b"Subject: x\r\n\r\nhi\r\n.\r\n", b"NOOP\r\n"
CLIENT = "unknown[127.0.0.1]"


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("reject_maps_rbl", '"reject_rbl_client domain-name"'),
        ("permit_naked_ip_address", '"permit_mynetworks" or "permit_sasl_authenticated"'),
        ("check_relay_domains", '"reject_unauth_destination"'),
    ],
)
def test_words_that_were_removed_fail_and_name_what_is_in_their_place(server, log, word, instead) -> None:
    ours = server(f"smtpd_relay_restrictions = {word}, reject\n")
    assert ours.talk(HELLO, MAIL, RCPT)[-1] == b"451 4.3.5 Server configuration error\r\n"
    assert (
        f'warning: support for restriction "{word}" has been removed in Postfix 3.9; instead, specify {instead}'
    ) in log


def test_a_list_of_only_check_relay_domains_refuses_to_relay(server) -> None:
    assert server("smtpd_relay_restrictions = check_relay_domains\n").talk(HELLO)[0].startswith(b"220 ")


def test_the_reply_of_a_dns_list_is_that_of_its_domain_where_it_has_none_with_addresses(server) -> None:
    records = {("1.0.0.127.rbl.test", "A"): ["127.0.0.2"], ("1.0.0.127.rbl.test", "TXT"): ['"x" " y"']}
    dns = NameServer(records)
    settings = (
        f"pyfix_dns_nameservers = 127.0.0.1:{dns.port}\n"
        "rbl_reply_maps = inline:{{rbl.test=521 4.7.1 mine: $$rbl_reason}}\n"
        "smtpd_client_restrictions = reject_rbl_client rbl.test=127.0.0.2\n"
    )
    try:
        assert server(settings).talk(HELLO, MAIL, RCPT, patient=True)[-1] == b"521 5.7.1 mine: x y\r\n<EOF>"
    finally:
        dns.close()


def test_what_stands_behind_nul_need_not_be_utf8(server) -> None:
    assert server("").talk(HELLO, b"NOOP\0\xe4\r\n")[-1] == b"250 2.0.0 Ok\r\n"


@pytest.mark.parametrize("line", [b"\r\n", b"\xff\r\n", b"FOO\r\n"])
def test_what_is_no_command_is_the_last_thing_that_was_said(server, log, line) -> None:
    server("").talk(HELLO, line)
    assert log[-2:] == [
        f"NOQUEUE: lost connection after UNKNOWN from {CLIENT}",
        f"disconnect from {CLIENT} ehlo=1 unknown=0/1 commands=1/2",
    ]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"GET x\r\r\n", "GET x\\r"),
        (b"Subject: x\r\r\r\n", "Subject: x\\r\\r"),
        (b"GET x\0y\r\n", "GET x\\000y"),
        (b"GET xx" + b"\1" * 40 + b"\r\n", "GET xx" + "\\001" * 23 + "\\0"),
    ],
)
def test_what_is_no_smtp_command_is_shown_as_it_came_up_to_100_characters(server, log, line, shown) -> None:
    server("smtpd_forbidden_commands = GET\n").talk(HELLO, line)
    assert f"warning: non-SMTP command from {CLIENT}: {shown}" in log


@pytest.mark.parametrize("line", [b"MAIL FROM:<a@b\r\n", b'MAIL FROM:"a@b c\r\n', b"MAIL FROM:<a@b SIZE=1\r\n"])
def test_an_address_that_is_not_closed_is_refused_without_a_warning(server, log, line) -> None:
    assert server("").talk(HELLO, line)[-1] == b"501 5.1.7 Bad sender address syntax\r\n"
    assert not [text for text in log if "Illegal address" in text]


def test_a_wrong_address_is_reported_rather_than_a_wrong_parameter(server, log) -> None:
    answers = server("").talk(HELLO, b"MAIL FROM:<a@b..c> FOO\r\n", MAIL, b"RCPT TO:<joe@b..c> NOTIFY=x\r\n")
    assert answers[2] == b"501 5.1.7 Bad sender address syntax\r\n"
    assert answers[4] == b"501 5.1.3 Bad recipient address syntax\r\n"
    assert f"warning: Illegal address syntax from {CLIENT} in MAIL command: <a@b..c>" in log
    assert f"warning: Illegal address syntax from {CLIENT} in RCPT command: <joe@b..c>" in log


@pytest.mark.parametrize(("size", "end", "long"), [(2048, b"\n", 1), (2047, b"\n", 0), (2047, b"\r\n", 0)])
def test_a_command_of_the_greatest_length_needs_its_cr(server, log, size, end, long) -> None:
    server("smtpd_forbid_bare_newline = no\n").talk(HELLO, b"NOOP ".ljust(size, b"x") + end)
    assert len([text for text in log if "request longer than 2048: NOOP xxx" in text]) == long


@pytest.mark.parametrize(("size", "endless"), [(4096, 1), (4094, 0)])
def test_input_that_is_no_longer_read_is_told_before_the_line_that_does_not_end(server, log, size, endless) -> None:
    server("").talk(HELLO, b"x" * size + b"\r\n")
    warnings = [text for text in log if text.startswith("warning: ")]
    assert warnings[-1] == f"warning: {CLIENT}: request longer than 2048: {'x' * 30}..."
    assert len(warnings) == 1 + endless
    if endless:
        assert re.fullmatch(r"warning: disabling input from 127\.0\.0\.1:\d+ socket", warnings[0])


def test_asking_for_help_is_no_junk(server, log) -> None:
    server("smtpd_hard_error_limit = 3\n").talk(HELLO, *[b"HELP\r\n"] * 115)
    assert log[-1] == f"disconnect from {CLIENT} ehlo=1 help=115 commands=116"


def test_where_input_is_no_longer_read_with_an_ipv6_address() -> None:
    assert no_more_input("::1", "25") == "disabling input from [::1]:25 socket"


def test_a_client_that_is_gone_after_its_message_is_not_reported_lost(server, log) -> None:
    server("").talk(HELLO, MAIL, RCPT, DATA, TEXT)
    assert log[-2:] == [
        f"4TEST000: client={CLIENT}",
        f"disconnect from {CLIENT} ehlo=1 mail=1 rcpt=1 data=1 commands=4",
    ]


@pytest.mark.parametrize(
    ("last", "lost", "counted"),
    [
        ([DATA, b"Subject: x\r\n"], "DATA (12 bytes)", "data=0/1 commands=3/4"),
        ([b"BDAT 10\r\nx"], "BDAT (1 bytes)", "bdat=0/1 commands=3/4"),
        ([b"BDAT 10\r\n0123456789BDAT 10\r\nx"], "BDAT (11 bytes)", "bdat=1/2 commands=4/5"),
        ([b"BDAT 10\r\n0123456789"], "BDAT (10 bytes)", "bdat=1 commands=4"),
        ([b"DATA x\r\n"], "DATA", "data=0/1 commands=3/4"),
    ],
)
def test_content_that_did_not_come_to_its_end_counts_as_failed(server, log, last, lost, counted) -> None:
    server("").talk(HELLO, MAIL, RCPT, *last)
    assert log[-2:] == [
        f"4TEST000: lost connection after {lost} from {CLIENT}",
        f"disconnect from {CLIENT} ehlo=1 mail=1 rcpt=1 {counted}",
    ]


def test_a_chunk_is_refused_at_once_where_the_session_ends(server, log) -> None:
    ours = server("smtpd_discard_ehlo_keywords = chunking\n")
    answers = ours.talk(HELLO, MAIL, RCPT, b"BDAT 5\r\nhello")
    assert answers[-1] == b"521 5.5.1 Error: command not implemented\r\n<EOF>"
    assert log[-1] == f"disconnect from {CLIENT} ehlo=1 mail=1 rcpt=1 bdat=0/1 commands=3/4"


def test_strict_smtputf8_holds_for_recipients_and_vrfy(server) -> None:
    refusal = b"553 5.6.7 Must declare SMTPUTF8 to send unicode address\r\n"
    lines = ["RCPT TO:<ä@example.com>", "VRFY ä@example.com", "VRFY ä@example.com SMTPUTF8"]
    answers = server("strict_smtputf8 = yes\n").talk(HELLO, MAIL, *[f"{line}\r\n".encode() for line in lines])
    assert answers[3:5] == [refusal, refusal]
    assert answers[5].startswith(b"550 5.1.1 ")


def _notices(server, *chunks: bytes) -> list[list[str]]:
    """The transcripts that the postmaster gets."""
    ours = server("notify_classes = protocol\nsmtpd_history_flush_threshold = 6\nsmtpd_hard_error_limit = 5\n")
    ours.talk(*chunks, patient=True)
    texts = [[line for kind, line in message.records if kind == b"N"] for message in ours.cleanup.messages]
    return [[line.decode() for line in text if line[:5] in {b" In: ", b" Out:"}] for text in texts]


def test_a_session_is_told_as_soon_as_it_is_long(server) -> None:
    foo = [" In:  FOO", " Out: 500 5.5.2 Error: command not recognized"]
    noop = [" In:  NOOP", " Out: 250 2.0.0 Ok"]
    assert _notices(server, *[b"FOO\r\n"] * 6) == [
        [" Out: 220 mx.example.com ESMTP Postfix", *foo * 3],
        [*foo * 2, " Out: 421 4.7.0 mx.example.com Error: too many errors"],
    ]
    assert _notices(server, b"FOO\r\n", *[NOOP] * 6, b"QUIT\r\n") == [
        [" Out: 220 mx.example.com ESMTP Postfix", *foo, *noop * 2]
    ]


BIG = "message_size_limit = 1000\n"
CHUNK_TOO_BIG = b"552 5.3.4 Chunk exceeds message size limit\r\n"
TOO_BIG = b"552 5.3.4 Error: message file too big\r\n"
DEAF = "too much BDAT content -- disabling further input from"


def test_chunk_far_over_the_limit_is_not_read_and_nothing_more_is(server, log) -> None:
    answers = server(BIG).talk(HELLO, MAIL, RCPT, b"BDAT 1501\r\n", NOOP)
    assert answers[-1] == CHUNK_TOO_BIG + b"<EOF>"
    assert log[-4:] == [
        f"warning: 4TEST000: BDAT request from {CLIENT} exceeds message size limit",
        f"warning: 4TEST000: {DEAF} {CLIENT}",
        f"4TEST000: lost connection after BDAT from {CLIENT}",
        f"disconnect from {CLIENT} ehlo=1 mail=1 rcpt=1 bdat=0/1 commands=3/4",
    ]


def test_chunk_a_little_over_the_limit_is_read_before_it_is_refused(server, log) -> None:
    answers = server(BIG).talk(HELLO, MAIL, RCPT, b"BDAT 1500 LAST\r\n", b"x" * 1500, b"BDAT 3\r\nabc", NOOP)
    assert answers[4:] == [b"", CHUNK_TOO_BIG, b"503 5.5.1 Error: need RCPT command\r\n", b"250 2.0.0 Ok\r\n"]
    assert not any(DEAF in line for line in log)


@pytest.mark.parametrize(
    ("before", "answer"),
    [
        ([], b"503 5.5.1 Error: need RCPT command\r\n"),
        ([b"BDAT 3\r\nabc"], b"551 5.0.0 Discarded 1499 bytes after earlier error\r\n"),
    ],
)
def test_chunks_of_no_message_count_together(server, log, before, answer) -> None:
    size = 1499 if before else 1501
    assert server(BIG).talk(HELLO, *before, b"BDAT %d\r\n" % size)[-1] == answer + b"<EOF>"
    assert f"warning: NOQUEUE: {DEAF} {CLIENT}" in log


def test_chunks_may_be_endless_where_messages_may(server) -> None:
    assert server("message_size_limit = 0\n").talk(HELLO, b"BDAT 9223372036854775807\r\n")[-1] == b""
    refused = server("").talk(HELLO, b"BDAT 9223372036854775808\r\n")[-1]
    assert refused == b"521 5.5.4 Syntax: BDAT count [LAST]\r\n<EOF>"


def test_chunk_whose_lines_make_it_too_big_is_refused_at_its_end(server, log) -> None:
    # A line of 100,000 bytes is 49 records, and each counts as if a line end followed.
    chunk = b"x" * 99998 + b"\r\n"
    answers = server("").talk(HELLO, MAIL, RCPT, b"BDAT 100000\r\n", chunk, b"BDAT 1 LAST\r\nx", NOOP)
    assert answers[5:] == [TOO_BIG, b"551 5.0.0 Discarded 1 bytes after earlier error\r\n", b"250 2.0.0 Ok\r\n"]
    assert "warning: 4TEST000: queue file size limit exceeded" in log


def test_what_makes_a_message_too_large_is_not_counted(server, log) -> None:
    server("message_size_limit = 100").talk(HELLO, MAIL, RCPT, b"DATA\r\n", b"A: b\r\n" + b"x" * 98 + b"\r\ny\r\n")
    assert "warning: 4TEST000: queue file size limit exceeded" in log
    assert f"4TEST000: lost connection after DATA (6 bytes) from {CLIENT}" in log


def test_chunk_of_nothing_is_warned_of(server, log) -> None:
    assert server("").talk(HELLO, MAIL, RCPT, b"BDAT 0\r\n")[-1] == b"551 5.7.1 Null BDAT request\r\n"
    assert f"warning: 4TEST000: null BDAT request from {CLIENT}" in log
    assert f"4TEST000: lost connection after BDAT from {CLIENT}" in log


def test_line_longer_than_two_is_cut_in_commands_and_nothing_more_is_read(server, log) -> None:
    unknown = b"500 5.5.2 Error: command not recognized\r\n"
    answers = server("").talk(HELLO, b"FOO " + b"x" * 5000 + b"\r\nRSET\r\n", NOOP)
    assert answers[2:] == [unknown * 2 + b"250 2.0.0 Ok\r\n<EOF>"]
    assert f"warning: {CLIENT}: request longer than 2048: FOO xxxxxxxxxxxxxxxxxxxxxxxxxx..." in log


@pytest.mark.parametrize(
    ("line", "shown", "answer"),
    [
        (b"\xff" * 2100, "?" * 30, b"221 2.7.0 Error: I can break rules, too. Goodbye.\r\n<EOF>"),
        (b"N" + b"\xff\x01" * 1100, "N" + "?" * 29, b"500 5.5.2 Error: command not recognized\r\n"),
        (b"N\0" + b"x" * 2100, "N", b"500 5.5.2 Error: command not recognized\r\n"),
    ],
)
def test_long_line_is_made_printable_before_it_is_looked_at(server, log, line, shown, answer) -> None:
    assert server("").talk(HELLO, line + b"\r\n")[-1] == answer
    assert f"warning: {CLIENT}: request longer than 2048: {shown}..." in log
