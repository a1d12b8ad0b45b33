"""The queue report, over a socket and in its client."""

import asyncio
import socket

import pytest

from pyfix.clients import showq
from pyfix.clients.showq import MalformedReport, QueuedMessage, QueuedRecipient, read_report
from pyfix.config.main_cf import MainCf
from pyfix.queue import records as rec
from pyfix.queue.logs import LogEntry, Recipient, append_log
from pyfix.server.context import Context
from pyfix.services.showq import Showq
from pyfix.unix import msg
from tests.queue.build import TIME, file_bytes, message, put, spool


@pytest.fixture
def queue(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return spool(tmp_path)


@pytest.fixture
def warnings():
    lines = []
    before = msg.to(lambda _, line: lines.append(line))
    yield lines
    msg.to(*before)


def served() -> bytes:
    """Everything that one session sends."""

    async def session() -> bytes:
        service = Showq(Context("showq", "showq", MainCf.from_text("")))
        await service.start()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        serving = asyncio.create_task(service.serve(theirs))
        data = b""
        while piece := await asyncio.get_running_loop().sock_recv(ours, 65536):
            data += piece
        await serving
        ours.close()
        await service.retire()
        return data

    return asyncio.run(session())


def report() -> list[QueuedMessage]:
    """What the client makes of it, a byte at a time."""
    data = iter(served())
    return list(read_report(lambda _: _one(data)))


def _one(data) -> bytes:
    number = next(data, None)
    return b"" if number is None else bytes((number,))


def test_an_empty_queue_is_a_greeting_and_an_empty_list(queue):
    assert served() == b"protocol\0mail_queue_list_protocol\0\0\0"


def test_a_message_is_one_list_as_postfix_sends_it(queue):
    data = file_bytes(
        TIME,
        rec.encode(rec.FROM, b"s p@x"),
        rec.encode(rec.ORCP, b"alias@x"),
        rec.encode(rec.RCPT, b"a@x"),
        rec.encode(rec.DONE, b"done@x"),
    )
    queue_id = put(queue, "hold", data).encode()
    assert served() == (
        b"protocol\0mail_queue_list_protocol\0\0"
        b"queue_name\0hold\0queue_id\0" + queue_id + b"\0time\x001795214011\0size\x0032\0forced_expire\x000\0"
        b'sender\0"s p"@x\0original_recipient\0alias@x\0recipient\0a@x\0log_class\0\0reason\0\0\0\0'
    )


def test_messages_come_queue_by_queue(queue):
    for name in ("hold", "incoming", "maildrop", "deferred", "active"):
        put(queue, name, message(size=name != "maildrop"))
    assert [m.queue_name for m in report()] == ["maildrop", "active", "incoming", "deferred", "hold"]


def test_logged_recipients_come_first_with_their_reasons(queue):
    queue_id = put(queue, "deferred", message(b"", b"a@x", b"b@x", b"c@x"))
    for log, address, reason in (("defer", "b@x", "try later"), ("bounce", "gone@x", "no such user")):
        append_log(queue, log, queue_id, LogEntry(Recipient(1, address), "4.0.0", "delayed", reason))
    (listed,) = report()
    assert listed.sender == "MAILER-DAEMON"
    assert [(r.address, r.log_class, r.reason) for r in listed.recipients] == [
        ("b@x", "defer", "try later"),
        ("gone@x", "bounce", "no such user"),
        ("a@x", "", ""),
        ("c@x", "", ""),
    ]


def test_incomplete_files_are_not_told_of(queue):
    put(queue, "incoming", message(), mode=0o600)
    assert report() == []


def test_a_message_that_shall_expire_says_so(queue):
    put(queue, "hold", message(), mode=0o710)
    assert report()[0].forced_expire


def test_broken_files_are_cut_short_and_the_rest_goes_on(queue, warnings):
    sender, one = rec.encode(rec.FROM, b"s@x"), rec.encode(rec.RCPT, b"a@x")
    put(queue, "maildrop", message())
    no_sender = put(queue, "incoming", file_bytes(TIME, one))
    two = put(queue, "active", file_bytes(TIME, sender, one, sender))
    size = put(queue, "deferred", rec.encode(rec.SIZE, b"x") + message(size=False))
    cut = put(queue, "hold", message()[:-20])
    found = {m.queue_name: [r.address for r in m.recipients] for m in report()}
    assert found == {
        "maildrop": ["r@example.com"],
        "active": ["a@x"],
        "deferred": ["r@example.com"],
        "hold": ["r@example.com"],
    }
    assert warnings == [
        f"warning: {two}: duplicate sender address: s@x -- skipping remainder of this file",
        f"warning: {no_sender}: missing sender address: a@x -- skipping remainder of this file",
        f"warning: {size}: malformed size record: x -- using file size instead",
        f"warning: {cut}: unexpected EOF reading length",
    ]


def test_the_loop_is_not_held_up_by_a_long_queue(queue):
    for _ in range(100):
        put(queue, "hold", message())

    async def turns() -> int:
        service = Showq(Context("showq", "showq", MainCf.from_text("")))
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        serving = asyncio.create_task(service.serve(theirs))
        count = 0
        while not serving.done():
            await asyncio.sleep(0)
            count += 1
        ours.close()
        return count

    assert asyncio.run(turns()) >= 5


def test_a_reader_that_leaves_is_no_trouble(queue):
    for _ in range(50):
        put(queue, "hold", message())

    async def session() -> None:
        service = Showq(Context("showq", "showq", MainCf.from_text("")))
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        ours.close()
        await service.serve(theirs)

    asyncio.run(session())


def encode(m: QueuedMessage) -> bytes:
    recipients = [(r.original, r.address, r.log_class, r.reason) for r in m.recipients]
    return showq.encode(m.queue_name, m.queue_id, m.time, m.size, m.forced_expire, m.sender, recipients)


LISTED = QueuedMessage("deferred", "ABCDEF", 1795214011, 300, False, "s@x", [QueuedRecipient("r@x", "o@x")])
GREETING = b"protocol\0mail_queue_list_protocol\0\0"
OLD = encode(LISTED).replace(b"original_recipient\0o@x\0", b"").replace(b"log_class\0\0", b"")


def read(data: bytes) -> list[QueuedMessage]:
    pieces = iter([data])
    return list(read_report(lambda _: next(pieces, b"")))


def test_a_report_of_postfix_3_7_is_understood():
    (listed,) = read(GREETING + OLD.replace(b"reason\0", b"reason\0why") + b"\0")
    (recipient,) = listed.recipients
    assert (recipient.address, recipient.original, recipient.log_class, recipient.reason) == ("r@x", "", "defer", "why")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"hello",
        GREETING,
        GREETING + encode(LISTED),
        GREETING + encode(LISTED)[:-1],
        GREETING + encode(LISTED).replace(b"size", b"sise") + b"\0",
        GREETING + encode(LISTED).replace(b"300", b"3x0") + b"\0",
        GREETING + encode(LISTED).replace(b"log_class", b"log_klass") + b"\0",
        b"protocol\0other\0\0\0",
    ],
)
def test_what_is_no_report_is_refused(data):
    with pytest.raises(MalformedReport, match="malformed showq server response"):
        read(data)
