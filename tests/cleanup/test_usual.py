"""What smtpd says first is taken in one piece, and the file is what it is when it comes byte by byte."""

import re

import pytest

from pyfix.cleanup import envelope as cleanup_envelope
from pyfix.cleanup.envelope import CLIENTS, Envelope
from pyfix.cleanup.usual import beginning
from pyfix.config.main_cf import MainCf
from tests.cleanup.peer import BODY, Ours, R, comparable, stream

BASE = "myhostname = mx.example.com\nmyorigin = example.com\nmydestination = example.com\nappend_dot_mydomain = yes\n"
USUAL = (
    ("T", "1795214011 702396"),
    ("A", "log_ident=00001123456"),
    ("A", "rewrite_context=local"),
    ("S", "s@example.net"),
    ("A", "log_client_name=unknown"),
    ("A", "log_client_address=127.0.0.1"),
    ("A", "log_client_port=30001"),
    ("A", "log_message_origin=unknown[127.0.0.1]"),
    ("A", "log_helo_name=vm"),
    ("A", "client_port=30001"),
    ("A", "server_port=25"),
    ("A", "client_address_type=2"),
    ("A", "dsn_orig_rcpt=rfc822;r@x.test"),
    ("R", "r@x.test"),
)


def envelope(changes=()):
    """The usual one with records replaced (by number), or put in before others: what stands for one may be several."""
    rows = [[row] for row in USUAL]
    for number, *row in changes:
        rows[number] = row
    return b"".join([R(kind.encode(), data.encode()) for row in rows for kind, data in row])


@pytest.fixture
def both(tmp_path, monkeypatch):
    """A stream put at once and byte by byte: (verdict, records, log) of each."""
    monkeypatch.setattr("pyfix.cleanup.envelope.time.time", lambda: 1764100000.0)

    def put(data, main_cf=""):
        results = []
        for step in (0, 1):
            cleanup = Ours(MainCf.from_text(BASE + main_cf), tmp_path)
            verdict, file, queue_id = cleanup.put(data, flags=48, step=step)
            log = [re.sub(r"\d{14}\.Q", "#", line.replace(queue_id, "Q")) for line in cleanup.log]
            results.append((verdict, comparable(file, queue_id), log))
        return results

    return put


@pytest.fixture
def recognised(monkeypatch):
    """Whether each envelope was; the first of each client is too."""
    seen = []

    def noted(buf, clients):
        found = beginning(buf, clients)
        if len(buf) > 1:
            seen.append(found is not None)
        return found

    monkeypatch.setattr(cleanup_envelope, "beginning", noted)
    return seen


LONG = "x" * 200
VARIANTS = {
    "usual": ((), True),
    "another port": (((6, ("A", "log_client_port=31122")), (9, ("A", "client_port=31122"))), True),
    "a short port": (((6, ("A", "log_client_port=99")), (9, ("A", "client_port=99"))), True),
    "remote": (((2, ("A", "rewrite_context=remote")),), True),
    "encoding": (((4, ("A", "encoding=8bit"), ("A", "log_client_name=a.test")),), True),
    "no sender": (((3, ("S", "")),), True),
    "names like attributes": (
        ((4, ("A", "log_client_name=log_client_port=1A")), (8, ("A", "log_helo_name=client_address_type="))),
        False,
    ),
    "attribute in an attribute": (((4, ("A", "log_client_name=A\x15log_client_port=30001A\x01x")),), False),
    "two recipients": (((13, ("R", "r@x.test"), ("A", "dsn_orig_rcpt=rfc822;q@x.test"), ("R", "q@x.test")),), True),
    "the same recipient again": (((13, ("R", "r@x.test"), USUAL[12], USUAL[13]),), True),
    "the recipient without original": (((12,),), True),
    "an empty original": (((12, ("A", "dsn_orig_rcpt=")),), True),
    "a long original": (((12, ("A", f"dsn_orig_rcpt=rfc822;{LONG}@x.test")),), True),
    "a long recipient": (((13, ("R", f"{LONG}@x.test")),), True),
    "other recipient records": (((12, ("A", "notify_flags=2"), USUAL[12], ("O", "first@x.test")),), True),
    "original without recipient": (((13,),), True),
    "recipient records before the sender": (
        ((3, ("A", "dsn_orig_rcpt=rfc822;q@x.test"), ("S", "s@example.net")),),
        False,
    ),
    "no attributes of a client": (tuple((number,) for number in range(4, 12)), False),
    "an attribute behind the recipient": (((13, USUAL[13], ("A", "x=y")),), True),
    "no port": (((6, ("A", "log_client_port=")),), False),
    "no helo name": (((8, ("A", "log_helo_name=")),), False),
    "no helo": (((8,),), True),
    "no log_ident": (((1,),), False),
    "an empty log_ident": (((1, ("A", "log_ident=")),), False),
    "a long log_ident": (((1, ("A", f"log_ident={LONG}")),), False),
    "a bad context": (((2, ("A", "rewrite_context=here")),), False),
    "no time": (((0,),), False),
    "another time": (((0, ("T", "1795214011")),), True),
    "a bad time": (((0, ("T", "now 1")),), False),
    "time 0": (((0, ("T", "0 1")),), True),
    "two times": (((0, USUAL[0], USUAL[0]),), False),
    "a filter": (((0, USUAL[0], ("L", "smtp:x")),), False),
    "no sender record": (((3,),), False),
    "two senders": (((13, ("S", "t@x.test"), USUAL[13]),), True),
    "a long sender": (((3, ("S", f"{LONG}@x.test")),), False),
    "a sender to be completed": (((3, ("S", "s")),), True),
    "DSN": (((2, USUAL[2], ("A", "envelope_id=x"), ("A", "ret_flags=1")),), False),
    "DSN later": (((4, ("A", "ret_flags=1")),), False),
    "bad DSN later": (((4, ("A", "ret_flags=7")),), False),
    "a malformed attribute": (((4, ("A", "x")),), False),
    "a name twice": (((8, ("A", "log_helo_name=a"), ("A", "log_helo_name=b")),), False),
    "another record": (((8, ("I", "x")),), False),
    "a recipient among attributes": (((8, ("R", "first@x.test")),), False),
}


@pytest.mark.parametrize(("changes", "usual"), VARIANTS.values(), ids=VARIANTS)
def test_how_it_comes_makes_no_difference(both, recognised, changes, usual):
    data = stream(envelope(changes), BODY)
    at_once, in_steps = both(data)
    assert at_once == in_steps
    assert recognised[0] is usual
    assert both(data)[0] == at_once  # with what is known now


@pytest.mark.parametrize(
    "main_cf",
    [
        "delay_warning_time = 4h\n",
        "queue_file_attribute_count_limit = 5\n",
        "sender_bcc_maps = inline:{s@example.net=copy@x.test}\n",
        "canonical_maps = inline:{s@example.net=t@example.net}\n",
        "recipient_bcc_maps = inline:{r@x.test=copy@x.test}\n",
    ],
)
def test_nor_under_other_rules(both, main_cf):
    at_once, in_steps = both(stream(envelope(), BODY), main_cf)
    assert at_once == in_steps


@pytest.mark.parametrize("changes", [(), VARIANTS["a filter"][0], VARIANTS["DSN"][0]])
@pytest.mark.parametrize("main_cf", ["", "canonical_maps = inline:{s@example.net=t@example.net}\n"])
def test_attributes_of_a_client_are_known_behind_any_sender(tmp_path, monkeypatch, changes, main_cf):
    data = stream(envelope(changes), BODY)
    single = []
    real = Envelope.attribute

    def attribute(self, data, whole):
        single.append(data)
        real(self, data, whole)

    monkeypatch.setattr(Envelope, "attribute", attribute)
    Ours(MainCf.from_text(BASE + main_cf), tmp_path).put(data)
    assert not [data for data in single if b"client" in data]


@pytest.mark.parametrize("cut", range(1, len(envelope()) + 2, 7))
def test_half_an_envelope_is_not_recognised(tmp_path, recognised, cut):
    data = stream(envelope(), BODY)
    beginning(data, CLIENTS)
    recognised.clear()
    verdict, _, _ = Ours(MainCf.from_text(BASE), tmp_path).put(data, step=cut)
    assert verdict == (0, "")
    assert len(recognised) <= 1


def test_a_thousand_clients_are_remembered():
    for number in range(2500):
        data = stream(envelope(((5, ("A", f"log_client_address=10.0.{number}")),)), BODY)
        assert beginning(data, CLIENTS) is not None
        assert len(CLIENTS._known) <= 1000
