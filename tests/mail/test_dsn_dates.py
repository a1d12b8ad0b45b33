import time

import pytest

from pyfix.mail.dates import mail_date
from pyfix.mail.dsn import split_dsn, with_class, xtext_decode, xtext_encode


@pytest.fixture
def zone(monkeypatch):
    def use(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield use
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "seconds", "date"),
    [
        ("UTC0", 1795214011, "Fri, 20 Nov 2026 22:33:31 +0000 (UTC)"),
        ("CET-1", 1795214012, "Fri, 20 Nov 2026 23:33:32 +0100 (CET)"),
        ("NST3:30", 1793916000, "Thu,  5 Nov 2026 18:30:00 -0330 (NST)"),
    ],
)
def test_a_date_has_zone_and_its_name(zone, name, seconds, date):
    zone(name)
    assert mail_date(seconds) == date


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("4.7.1 try later", ("4.7.1", "try later")),
        ("try later", ("5.0.0", "try later")),
        ("  5.1.1  no", ("5.1.1", "no")),
        ("3.1.1 no", ("5.0.0", "3.1.1 no")),
        ("5.1.1x", ("5.0.0", "5.1.1x")),
        ("2.0.0", ("2.0.0", "")),
    ],
)
def test_a_text_may_begin_with_its_status(text, parts):
    assert split_dsn(text, "5.0.0") == parts


def test_a_status_gets_another_class():
    assert with_class("5.7.1", "4") == "4.7.1"


def test_xtext_hides_what_does_not_print():
    assert xtext_encode(b"a+b=c d\xff") == b"a+2Bb+3Dc+20d+FF"
    assert xtext_decode(b"a+2Bb+3Dc+20d+FF") == b"a+b=c d\xff"
    assert xtext_encode(b"plain@x") == b"plain@x"


@pytest.mark.parametrize("text", [b"a+2b", b"a b", b"a=b", b"+", b"+2", b"\xff"])
def test_what_is_no_xtext_is_told(text):
    assert xtext_decode(text) is None
