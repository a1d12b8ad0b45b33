"""What Postfix 3.11 says and logs where the 3.7 that the other tests compare with does otherwise (seen with 3.11.7)."""

import pytest

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


def test_a_chunk_is_refused_at_once_where_the_session_ends(server) -> None:
    ours = server("smtpd_discard_ehlo_keywords = chunking\n")
    answers = ours.talk(HELLO, MAIL, RCPT, b"BDAT 5\r\nhello")
    assert answers[-1] == b"521 5.5.1 Error: command not implemented\r\n<EOF>"


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
