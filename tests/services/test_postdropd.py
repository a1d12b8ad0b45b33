"""The postdrop service, over socket pairs."""

import asyncio
import os
import socket

import pytest

from pyfix.clients.flush import decode
from pyfix.config.main_cf import MainCf
from pyfix.queue import records as rec
from pyfix.server.context import Context
from pyfix.services.postdropd import Postdropd
from pyfix.unix import msg

GOOD = b"S\1sR\1rM\0N\4textX\0E\0"


@pytest.fixture
def spool(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maildrop").mkdir()
    lines = []
    before = msg.to(lambda _, text: lines.append(text))
    yield lines
    msg.to(*before)


def say(*inputs, main_cf=""):
    """What the service answers to clients that come at once and hang up after their input; and the triggers."""

    async def sessions():
        program = Postdropd(Context("postdrop", "postdropd", MainCf.from_text(main_cf)))
        await program.start()
        triggers = []
        program._pickup.send = triggers.append
        pairs = [socket.socketpair() for _ in inputs]
        for (ours, theirs), data in zip(pairs, inputs, strict=True):
            theirs.setblocking(False)
            ours.sendall(data)
            ours.shutdown(socket.SHUT_WR)
        await asyncio.gather(*(program.serve(theirs) for _, theirs in pairs))
        answers = []
        for ours, _ in pairs:
            with ours:
                answers.append(ours.recv(9999))
        return answers, triggers

    return asyncio.run(sessions())


def verdict(answer):
    """The last attribute list."""
    while answer:
        last, answer = decode(answer)
    return last


def test_submission_is_on_disk_when_the_answer_comes(spool):
    (answer,), triggers = say(GOOD)
    (queue_id,) = os.listdir("maildrop")
    assert answer == (
        f"protocol\0postdrop_protocol\0queue_id\0{queue_id}\0\0".encode() + b"status\x000\0reason\0\0\0"
    )
    assert os.stat(f"maildrop/{queue_id}").st_mode & 0o777 == 0o744
    with open(f"maildrop/{queue_id}", "rb") as file:
        records = [(kind, data) for _, kind, data in rec.iterate(file.read())]
    assert records[0][0] == rec.TIME
    assert records[1] == (rec.ATTR, f"submitter_uid={os.getuid()}".encode())
    assert rec.encode_all(records[2:]) == GOOD
    assert triggers == [b"W"]


def test_many_at_once_all_get_their_turn(spool):
    answers, _ = say(*[GOOD] * 50)
    assert all(b"status\x000\0" in answer for answer in answers)
    assert len(os.listdir("maildrop")) == 50


@pytest.mark.parametrize("cut", [0, 1, 5, len(GOOD) - 1])
def test_client_that_hangs_up_early_has_cancelled(spool, cut):
    (answer,), triggers = say(GOOD[:cut])
    assert b"status" not in answer
    assert (os.listdir("maildrop"), triggers) == ([], [])


@pytest.mark.parametrize(
    ("data", "main_cf", "status", "reason"),
    [
        (b"D\1x", "", "1", "unexpected record type: 68"),
        (GOOD.replace(b"R\1r", b""), "", "1", "no recipients"),
        (GOOD, "message_size_limit = 50", "4", "message file too big"),
        (GOOD, "authorized_submit_users =", "512", None),
    ],
    ids=["record", "recipient", "size", "user"],
)
def test_what_is_refused_leaves_nothing(spool, data, main_cf, status, reason):
    (answer,), triggers = say(data, main_cf=main_cf)
    said = verdict(answer)
    assert said["status"] == status
    assert reason is None or said["reason"] == reason
    assert (os.listdir("maildrop"), triggers) == ([], [])
    assert len(spool) == 1
    assert spool[0].startswith(f"warning: uid={os.getuid()}: ")


def test_full_disk_is_told(spool, monkeypatch):
    def full(fd, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyfix.services.postdropd.os.write", full)
    (answer,), _ = say(GOOD)
    assert b"status\x002\0reason\0queue file write error\0" in answer
    assert os.listdir("maildrop") == []
    assert spool == [f"warning: uid={os.getuid()}: No space left on device"]
