from pyfix.smtpd import log
from pyfix.unix import msg


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
