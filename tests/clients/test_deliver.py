"""Requests to delivery agents, there and back."""

import base64

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
    stats=Stats(1795214011.25, 1795214011.5),
    log_client_name="localhost",
    rewrite_context="remote",
)


def test_a_request_is_postfix_s_list() -> None:
    attrs, body = REQUEST.encode()
    assert attrs.startswith(
        b"flags\x003\x00queue_name\0active\0queue_id\0C198A220046\0offset\x00766\0size\x00295\0"
        b"nexthop\0d.test\0encoding\0\0sendopts\x000\0sender\0\0envelope_id\0\0ret_flags\x000\0time\0"
    )
    assert attrs.endswith(b"rewrite_context\0remote\0recipient_count\x002\0\0")
    assert body.startswith(
        b"original_recipient\0alias@d.test\0recipient\0u@d.test\0offset\x00300\0"
        b"dsn_orig_rcpt\0rfc822;alias@d.test\0notify_flags\x004\0\0original_recipient\0\0"
    )
    time = attrs.split(b"\0time\0")[1].split(b"\0")[0]
    assert len(time) == 120
    assert base64.b64decode(time)[:32] == b"".join(
        n.to_bytes(8, "little") for n in (1795214011, 250000, 1795214011, 500000)
    )


def test_a_request_arrives_as_it_was() -> None:
    back = decode_request(*REQUEST.encode())
    for name in Request._fields:
        if name != "stats":
            assert getattr(back, name) == getattr(REQUEST, name)
    assert back.stats.incoming_arrival == 1795214011.25
    assert back.stats.agent_handoff == 0


def test_recipients_must_be_as_many_as_promised() -> None:
    attrs, _ = REQUEST.encode()
    with pytest.raises(AttrError, match="0 recipients instead of 2"):
        decode_request(attrs, b"")


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
