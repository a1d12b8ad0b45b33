"""What most messages have in common is recognised in one piece, and says the same as record by record."""

import os
from collections.abc import Iterator

import pytest

from pyfix.queue import client_attributes, scan, usual
from pyfix.queue import records as rec
from pyfix.queue.envelope import Envelope
from pyfix.queue.file import CorruptQueueFile, read_envelope
from pyfix.queue.usual import split_file, usual_envelope
from tests.queue.build import CLIENT, NOTED, RECIPIENT, TEXT, usual_file


@pytest.fixture
def fd() -> Iterator[int]:
    fd = os.memfd_create("queue file")
    yield fd
    os.close(fd)


def values(envelope: Envelope) -> dict[str, object]:
    return {name: getattr(envelope, name) for name in Envelope.__slots__}


def by_records(fd: int, data: bytes, monkeypatch: pytest.MonkeyPatch) -> dict[str, object] | None:
    """The envelope without what is under test; None: it is corrupt."""
    os.ftruncate(fd, 0)
    os.pwrite(fd, data, 0)
    with monkeypatch.context() as patch:
        patch.setattr(scan, "usual_envelope", lambda *_: None)
        try:
            return values(read_envelope(fd))
        except CorruptQueueFile:
            return None


@pytest.mark.parametrize(
    "data",
    [
        usual_file(),
        usual_file(client=CLIENT | {"log_client_port": "30002", "client_port": "30002"}),
        usual_file(client=CLIENT | {"log_client_port": "7", "client_port": "7"}),
        usual_file(client=CLIENT | {"log_helo_name": "other.test", "helo_name": "other.test"}),
        usual_file(client=CLIENT | {"helo_name": "third.test"}),
        usual_file(client=CLIENT),
        usual_file(client={"encoding": "8bit"} | CLIENT),
        usual_file(client={"encoding": "8bit"} | CLIENT, noted=NOTED + rec.attribute("encoding", "7bit")),
        usual_file(client=CLIENT | {"server_port": "log_client_port=1"}),
        usual_file(noted=b""),
        usual_file(noted=rec.attribute("encoding", "8bit")),
        usual_file(context="remote", before="log_ident=4xbBLZ1k7Yz9Ab", sender=""),
        usual_file(sender="\xe4@b.test", recipient=rec.encode(rec.RCPT, "ä@d.test".encode())),
        usual_file(recipient=rec.encode(rec.ORCP, b"") + rec.encode(rec.RCPT, b"")),
    ],
)
def test_a_usual_message_is_recognised(fd: int, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):  # the first time its client is new
        found = usual_envelope(*split_file(data))
        assert found is not None
        assert values(found) == by_records(fd, data, monkeypatch)
        assert values(read_envelope(fd)) == values(found)


@pytest.mark.parametrize(
    "data",
    [
        usual_file(opts=1),
        usual_file(count=2, recipient=RECIPIENT * 2),
        usual_file(recipient=b""),
        usual_file(recipient=rec.attribute("notify_flags", "4") + RECIPIENT),
        usual_file(recipient=rec.encode(rec.DONE, b"u@d.test")),
        usual_file(recipient=RECIPIENT + rec.encode(rec.WARN, b"%15d" % 5)),
        usual_file(recipient=rec.encode(rec.FILT, b"smtp:x") + RECIPIENT),
        usual_file(recipient=rec.encode(rec.ORCP, b"x") + RECIPIENT),
        usual_file(client=CLIENT | {"log_ident": "X"}),
        usual_file(client={"trace_flags": "512"} | CLIENT),
        usual_file(client={"ret_flags": "1"} | CLIENT),
        usual_file(client={"a": "b" * 200} | CLIENT),
        usual_file(client={"a": " b"} | CLIENT | {"log_client_port": " 300"}),
        usual_file(client=CLIENT | {"log_client_address": "log_client_port=300"}),
        usual_file(client={}),
        usual_file(before="sasl_method=plain"),
        usual_file(time="0 5"),
        usual_file(time="1795684802"),
        usual_file(sender="s" * 130),
        usual_file(noted=rec.encode(rec.RCPT, b"more@d.test")),
        usual_file(noted=rec.encode(rec.FILT, b"smtp:x")),
        usual_file(noted=rec.attribute("dsn_orig_rcpt", "rfc822;x")),
        usual_file(noted=NOTED * 2),
        usual_file() + b"x",
        usual_file()[:-2],
        usual_file()[:400],
        b"",
    ],
)
def test_what_is_not_usual_is_read_by_records(data: bytes) -> None:
    assert usual_envelope(*split_file(usual_file())) is not None
    assert usual_envelope(*split_file(data)) is None


def test_no_byte_that_is_another_makes_it_say_something_else(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = usual_file()
    head, _ = split_file(whole)
    places = [*range(len(head)), *range(len(head) + len(TEXT), len(whole))]
    for at in places:
        for byte in {0, 1, 32, 65, 82, 127, 200, whole[at] ^ 1, (whole[at] + 2) % 256}:
            data = whole[:at] + bytes((byte,)) + whole[at + 1 :]
            found = usual_envelope(*split_file(data))
            if found is not None:
                assert values(found) == by_records(fd, data, monkeypatch), (at, byte)


def test_only_so_many_clients_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_attributes, "REMEMBERED", 3)
    for number in range(10):
        data = usual_file(client=CLIENT | {"log_client_address": f"10.0.0.{number}"})
        assert usual_envelope(*split_file(data)) is not None
        assert len(usual._clients._known) <= 3
