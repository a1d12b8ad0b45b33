"""The log line of a recipient, to the letter."""

import pytest

from pyfix.clients.deliver import Dsn, Stats
from pyfix.clients.log_adhoc import delivery_status, format_delay
from pyfix.queue.file import Recipient


@pytest.mark.parametrize(
    ("seconds", "limit", "text"),
    [
        (0, 2, "0"),
        (0.004, 2, "0"),
        (0.005, 2, "0.01"),
        (0.05, 2, "0.05"),
        (0.1, 2, "0.1"),
        (0.914, 2, "0.91"),
        (0.996, 2, "1"),
        (1.24, 2, "1.2"),
        (5.05, 2, "5.1"),
        (9.96, 2, "10"),
        (10.4, 2, "10"),
        (10.5, 2, "11"),
        (38.2, 2, "38"),
        (86400.4, 2, "86400"),
        (0.6, 0, "1"),
        (0.05, 1, "0.1"),
        (1.24, 1, "1.2"),
        (0.000123, 6, "0.00012"),
        (0.0051234, 6, "0.0051"),
        (-3, 2, "0"),
    ],
)
def test_delays_have_two_significant_digits(seconds: float, limit: int, text: str) -> None:
    assert format_delay(seconds, limit) == text


def line(recipient: Recipient, stats: Stats) -> str:
    return delivery_status(
        "4D1F22A", recipient, "virtual", stats, Dsn("2.0.0", "delivered to maildir"), "sent", now=1010.5
    )


def test_a_local_delivery_has_no_connection_time() -> None:
    stats = Stats(1000, 1000.25, 1010.25)
    assert line(Recipient(5, "u@d.test", "U@D.test", "", 0), stats) == (
        "4D1F22A: to=<u@d.test>, relay=virtual, delay=11, delays=0.25/10/0/0.25, "
        "dsn=2.0.0, status=sent (delivered to maildir)"
    )


def test_the_original_address_is_told_when_it_differs_and_both_are_quoted() -> None:
    stats = Stats(1010, 1010.1, 1010.2, 1010.3, 1010.4, 1)
    assert line(Recipient(5, "q q@d.test", "alias@d.test", "", 0), stats) == (
        '4D1F22A: to=<"q q"@d.test>, orig_to=<alias@d.test>, relay=virtual, conn_use=2, delay=0.4, '
        "delays=0.1/0.1/0.1/0.1, dsn=2.0.0, status=sent (delivered to maildir)"
    )


def test_what_qmgr_decides_itself_spent_its_time_in_qmgr() -> None:
    assert "delay=11, delays=2.5/8/0/0," in line(Recipient(5, "a@b", "", "", 0), Stats(1000, 1002.5))
