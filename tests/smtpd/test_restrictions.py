from collections.abc import Callable
from typing import Any

import pytest

from pyfix.unix.msg import Fatal

HELLO = b"EHLO client\r\n"
MAIL = b"MAIL FROM:<s@ok.test>\r\n"
RCPT = b"RCPT TO:<joe@example.com>\r\n"
Make = Callable[..., Any]

CASES = {
    "client reject": (
        "smtpd_client_restrictions = reject",
        b"554 5.7.1 <unknown[127.0.0.1]>: Client host rejected: Access denied",
    ),
    "client defer": (
        "smtpd_client_restrictions = defer",
        b"450 4.3.2 <unknown[127.0.0.1]>: Client host rejected: Try again later",
    ),
    "permit ends its own list only": (
        "smtpd_client_restrictions = permit\nsmtpd_helo_restrictions = reject",
        b"554 5.7.1 <client>: Helo command rejected: Access denied",
    ),
    "helo not fully qualified": (
        "smtpd_helo_restrictions = reject_non_fqdn_helo_hostname",
        b"504 5.5.2 <client>: Helo command rejected: need fully-qualified hostname",
    ),
    "sender reject": (
        "smtpd_sender_restrictions = reject",
        b"554 5.7.1 <s@ok.test>: Sender address rejected: Access denied",
    ),
    "recipient reject": (
        "smtpd_recipient_restrictions = reject",
        b"554 5.7.1 <joe@example.com>: Recipient address rejected: Access denied",
    ),
    "network first": ("smtpd_recipient_restrictions = permit_mynetworks, reject", b"250 2.1.5 Ok"),
    "warning only": ("smtpd_sender_restrictions = warn_if_reject reject", b"250 2.1.5 Ok"),
    "defer_if_permit": (
        "smtpd_sender_restrictions = defer_if_permit",
        b"450 4.7.0 <s@ok.test>: Sender address rejected: defer_if_permit requested",
    ),
    "class": (
        "smtpd_restriction_classes = mine\nmine = reject\nsmtpd_sender_restrictions = mine",
        b"554 5.7.1 <s@ok.test>: Sender address rejected: Access denied",
    ),
    "unknown word": ("smtpd_sender_restrictions = frobnicate", b"451 4.3.5 Server configuration error"),
    "network pattern trouble": (
        "mynetworks = 127.0.0.1/8\nsmtpd_sender_restrictions = permit_mynetworks",
        b"451 4.3.0 <s@ok.test>: Temporary lookup failure",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_restriction_at_rcpt(server: Make, name: str) -> None:
    settings, expected = CASES[name]
    assert server(settings + "\n").talk(HELLO, MAIL, RCPT)[-1] == expected + b"\r\n"


def test_warn_if_reject_is_logged(server: Make, log: list[str]) -> None:
    server(CASES["warning only"][0] + "\n").talk(HELLO, MAIL, RCPT)
    assert (
        "NOQUEUE: reject_warning: RCPT from unknown[127.0.0.1]: 554 5.7.1 <s@ok.test>: Sender address rejected: "
        "Access denied; from=<s@ok.test> to=<joe@example.com> proto=ESMTP helo=<client>"
    ) in log


def test_unknown_word_is_logged(server: Make, log: list[str]) -> None:
    server(CASES["unknown word"][0] + "\n").talk(HELLO, MAIL, RCPT)
    assert 'warning: unknown smtpd restriction: "frobnicate"' in log


def test_words_behind_a_final_one_are_reported(server: Make, log: list[str]) -> None:
    server("smtpd_sender_restrictions = permit, reject\n")
    assert "warning: restriction `reject' after `permit' is ignored" in log


def test_without_delay_the_greeting_is_the_refusal(server: Make) -> None:
    one = server("smtpd_delay_reject = no\nsmtpd_client_restrictions = reject\n")
    assert one.talk(HELLO, b"QUIT\r\n") == [
        b"554 5.7.1 <unknown[127.0.0.1]>: Client host rejected: Access denied\r\n",
        b"503 5.7.0 Error: access denied for unknown[127.0.0.1]\r\n",
        b"221 2.0.0 Bye\r\n<EOF>",
    ]


def test_data_restrictions(server: Make) -> None:
    one = server("smtpd_data_restrictions = reject\n")
    answer = one.talk(HELLO, MAIL, RCPT, b"DATA\r\n")[-1]
    assert answer == b"554 5.7.1 <DATA>: Data command rejected: Access denied\r\n"


def test_end_of_data_restrictions(server: Make) -> None:
    one = server("smtpd_end_of_data_restrictions = reject\n")
    answer = one.talk(HELLO, MAIL, RCPT, b"DATA\r\n", b"x\r\n.\r\n")[-1]
    assert answer == b"554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied\r\n"
    assert one.cleanup.messages[0].cancelled


def test_smtpd_does_not_start_as_an_open_relay(server: Make, log: list[str]) -> None:
    with pytest.raises(Fatal):
        server("smtpd_relay_restrictions = permit_mynetworks\n")
    (line,) = log
    assert line == (
        "fatal: in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one"
        " working instance of: reject_unauth_destination, defer_unauth_destination, reject, defer,"
        " defer_if_permit or check_relay_domains"
    )
