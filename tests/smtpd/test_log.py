import re

import pytest

from pyfix.smtpd import log
from pyfix.unix import msg
from tests.smtpd.beside_postfix import comparable, ours, running

CHARACTERS = (
    0x01, 0x1F, 0x7F, 0x80, 0x85, 0x9F, 0xA0, 0xAD, 0x300, 0x378, 0x61C, 0x1680, 0x2003, 0x200B, 0x200D, 0x2028, 0x202E,
    0x2066, 0x3000, 0xD7FF, 0xE000, 0xFDD0, 0xFEFF, 0xFFFD, 0xFFFF, 0x1F600, 0xE0001, 0xF0000, 0x10FFFF,
)  # fmt: skip


def test_disconnect_counts_in_postfix_order() -> None:
    counts = {"QUIT": 1, "RCPT": 2, "EHLO": 2, "UNKNOWN": 2}
    assert log.disconnect("a[1.2.3.4]", counts, {"RCPT": 1, "UNKNOWN": 2}) == (
        "disconnect from a[1.2.3.4] ehlo=2 rcpt=1/2 quit=1 unknown=0/2 commands=4/7"
    )


def test_disconnect_without_commands() -> None:
    assert log.disconnect("a[1.2.3.4]", {}, {}) == "disconnect from a[1.2.3.4] commands=0/0"


def test_policy_line_has_what_is_known() -> None:
    line = log.policy(
        "NOQUEUE", "reject", "RCPT", "a[1.2.3.4]", "554 5.7.1 no",
        sender='q q@a.test', recipient=None, protocol="SMTP", helo=None, sasl_sender=None,
    )  # fmt: skip
    assert line == 'NOQUEUE: reject: RCPT from a[1.2.3.4]: 554 5.7.1 no; from=<"q q"@a.test> proto=SMTP'


def test_client_input_is_made_printable() -> None:
    assert msg.printable("a\nb\x7f\udcffä") == "a?b??ä"
    assert log.escaped(b"a\r\n\x16\xff\\") == "a\\r\\n\\026\\377\\\\"


def test_lost_connection_with_content() -> None:
    line = log.lost_connection("4Q", "DATA", "a[1.2.3.4]", 0)
    assert line == "4Q: lost connection after DATA (0 bytes) from a[1.2.3.4]"


@pytest.mark.parametrize("utf8", ["yes", "no"])
def test_characters_are_logged_as_postfix_logs_them(server, utf8: str) -> None:
    """But Postfix lets controls of eight bits through."""
    settings = [f"smtputf8_enable = {utf8}", "smtpd_recipient_restrictions = reject"]
    recipients = [f"RCPT TO:<x{chr(code)}y@example.com>\r\n".encode() for code in CHARACTERS]
    chunks = [b"EHLO a\r\n", b"MAIL FROM:<a@b.test>" + b" SMTPUTF8" * (utf8 == "yes") + b"\r\n", *recipients]
    lines: list[str] = []
    before = msg.to(lambda _, text: lines.append(text))
    msg.ascii_only = utf8 == "no"
    try:
        ours(server, settings, chunks)
    finally:
        msg.to(*before)
        msg.ascii_only = False
    with running({"x": settings}) as postfix:
        postfix.talk("x", chunks)
        expected = [re.sub("[\x80-\x9f]", "?", line) for line in postfix.log("x")]
    assert len(expected) >= len(CHARACTERS)
    assert comparable(lines) == expected
