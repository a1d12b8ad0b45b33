"""Requests to delivery agents, there and back."""

import struct

import pytest

from pyfix.clients.deliver import Answer, Dsn, Request, Stats, decode_answer, decode_request
from pyfix.queue.file import Recipient
from pyfix.wire.attr import AttrError
from tests.delivery_request import request

RECIPIENTS = [
    Recipient(300, "u@d.test", "alias@d.test", "rfc822;alias@d.test", 4),
    Recipient(350, "\udcff@d.test"),
]
REQUEST = request(
    "C198A220046",
    "d.test",
    "",
    RECIPIENTS,
    offset=766,
    size=295,
    stats=Stats(1795214011.250001, 1795214011.5),
    log_client_name="localhost",
    log_client_port="25",
    log_ident="ident",
    rewrite_context="remote",
)


def test_a_request_is_a_list_of_what_is_common_and_numbers_and_words_of_what_differs() -> None:
    attrs, body = REQUEST.encode()
    assert attrs == (
        b"queue_name\0active\0flags\x003\0encoding\0\0sendopts\x000\0ret_flags\x000\0log_client_name\0localhost\0"
        b"log_client_address\0\0log_protocol_name\0\0log_helo_name\0\0"
        b"sasl_method\0\0sasl_username\0\0sasl_sender\0\0rewrite_context\0remote\0\0"
    )
    numbers = struct.pack(">qqddIqiqi", 766, 295, 1795214011.250001, 1795214011.5, 2, 300, 4, 350, 0)
    assert body == numbers + (
        b"C198A220046\0d.test\0\0\x0025\0ident\0alias@d.test\0u@d.test\0rfc822;alias@d.test\0\0\xff@d.test\0"
    )


def test_a_request_arrives_as_it_was() -> None:
    back = decode_request(*REQUEST.encode())
    for name in Request._fields:
        if name != "stats":
            assert getattr(back, name) == getattr(REQUEST, name)
    assert back.stats.incoming_arrival == 1795214011.250001
    assert back.stats.agent_handoff == 0


def test_what_is_no_request_is_refused() -> None:
    attrs, body = REQUEST.encode()
    last = body.rindex(b"\0")
    for size in range(last):  # the last word is empty: it is not there at the last size
        with pytest.raises(AttrError, match="bad body"):
            decode_request(attrs, body[:size])
    for count in (0, 1, 3, 1 << 31):
        with pytest.raises(AttrError, match="bad body"):
            decode_request(attrs, body[:32] + struct.pack(">I", count) + body[36:])
    with pytest.raises(AttrError, match="bad body"):
        decode_request(attrs, body + b"\0more")
    with pytest.raises(AttrError, match="missing attribute rewrite_context"):
        decode_request(attrs.replace(b"rewrite_context\0remote\0", b""), body)


def test_nul_in_a_value_can_not_forge_another() -> None:
    address = Recipient(300, "u@d.test\0" + "400")
    for forged in (REQUEST._replace(sender="x\0y"), REQUEST._replace(recipients=[address])):
        with pytest.raises(AttrError, match="NUL"):
            forged.encode()


def test_numbers_are_as_large_as_those_of_queue_files_and_no_larger() -> None:
    most = 10**18 - 1  # eighteen digits are read
    large = REQUEST._replace(offset=most, size=most, stats=Stats(float(most), -float(most)))
    back = decode_request(*large.encode())
    assert (back.offset, back.size) == (most, most)
    assert (back.stats.incoming_arrival, back.stats.active_arrival) == (float(most), -float(most))
    for other in (REQUEST._replace(size=1 << 63), REQUEST._replace(recipients=[Recipient(1 << 63, "u@d.test")])):
        with pytest.raises(AttrError, match="bad number"):
            other.encode()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(),
        Answer(-1, Dsn("4.4.1", "connect to x: refused", "delayed", mta_type="dns", mta_mname="x"), 0),
        Answer(0, None, 3),
    ],
    ids=["all well", "site in trouble", "bounced"],
)
def test_answers(answer: Answer) -> None:
    back = decode_answer(answer.encode())
    assert (back.status, back.bounced) == (answer.status, answer.bounced)
    assert back.site.fields() == answer.site.fields()
