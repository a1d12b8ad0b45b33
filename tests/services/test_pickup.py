"""Submissions on their way from maildrop to incoming."""

import asyncio
import errno
import os
import time
from pathlib import Path

import pytest

from pyfix.queue import records as rec
from pyfix.queue.directory import QueueDirectory
from pyfix.services.pickup import cleanup_flags
from tests.cleanup.conftest import suite  # noqa: F401 - a fixture
from tests.cleanup.peer import R, lines

BODY = lines(b"From: me@example.com\nSubject: x\n\nhello") + R(b"L", b"more")
SUBMISSION = (
    R(rec.TIME, b"1795214053 891774")
    + rec.attribute("rewrite_context", "local")
    + R(rec.FULL, b"Full Name")
    + R(rec.FROM, b"me@example.com")
    + R(rec.RCPT, b"you@example.org")
    + R(rec.MESG)
    + BODY
    + R(rec.XTRA)
    + R(rec.END)
)


def drop(data, name="ABC123", mode=0o744):
    path = Path("maildrop", name)
    path.write_bytes(data)
    path.chmod(mode)


def taken(suite, main_cf="", mail_owner="nobody"):  # noqa: F811 - a fixture
    """Look once; (records of the one new file, log)."""

    async def main():
        async with suite(f"mail_owner = {mail_owner}\n{main_cf}").running() as processes:
            await processes.look()
            files = os.listdir("incoming")
            data = Path("incoming", files[0]).read_bytes() if files else b""
            return [(kind, value) for _, kind, value in rec.iterate(data)], processes.log

    return asyncio.run(main())


def test_a_file_that_can_not_be_read_holds_up_nobody(suite, monkeypatch):  # noqa: F811 - a fixture
    drop(SUBMISSION, name="AAAAAA")
    drop(SUBMISSION, name="BBBBBB")
    real, bad = os.pread, os.stat("maildrop/AAAAAA").st_ino

    def pread(fd, *more):
        if os.fstat(fd).st_ino == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, *more)

    monkeypatch.setattr(os, "pread", pread)
    _, log = taken(suite)
    assert "warning: maildrop/AAAAAA: Input/output error" in log
    assert os.listdir("maildrop") == ["AAAAAA"]
    assert len(os.listdir("incoming")) == 1


def test_a_file_that_can_not_be_removed_is_sent_once(suite, monkeypatch):  # noqa: F811 - a fixture
    def kept(self, queue, queue_id):
        if queue == "maildrop":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        real(self, queue, queue_id)

    async def main():
        async with suite("mail_owner = nobody\n").running() as processes:
            with monkeypatch.context() as patch:
                patch.setattr(QueueDirectory, "remove", kept)
                for _ in range(3):
                    await processes.look()
                    os.chmod("maildrop/ABC123", 0o744)  # as when somebody puts right what is below maildrop
            assert processes.log.count("warning: maildrop/ABC123: Read-only file system") == 3
            assert len(os.listdir("incoming")) == 1
            assert processes.programs["public/pickup"].holds()  # another process would send it again
            os.unlink("maildrop/ABC123")
            drop(SUBMISSION)
            await processes.look()  # another one of that name
            assert not processes.programs["public/pickup"].holds()
            assert os.listdir("maildrop") == []
            assert len(os.listdir("incoming")) == 2

    real = QueueDirectory.remove
    drop(SUBMISSION)
    asyncio.run(main())


def test_who_asks_as_a_look_ends_is_heard(suite, monkeypatch):  # noqa: F811 - a fixture
    async def main():
        async with suite("mail_owner = nobody\n").running() as processes:
            pickup, tried = processes.programs["public/pickup"], []
            gates = [asyncio.get_running_loop().create_future() for _ in range(2)]

            async def take(queue_id):
                tried.append(queue_id)
                await gates[len(tried) - 1]

            async def ask():
                await gates[0]
                pickup.look()  # the one before is over, and the loop has not turned since

            with monkeypatch.context() as patch:
                patch.setattr(pickup, "_try", take)
                pickup.look()
                await asyncio.sleep(0)
                asking = asyncio.create_task(ask())
                await asyncio.sleep(0)
                gates[0].set_result(None)
                await asking
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert tried == ["ABC123", "ABC123"]
                pickup.look()  # while that one goes on: no other beside it
                await asyncio.sleep(0)
                assert len(tried) == 2
                os.unlink("maildrop/ABC123")
                gates[1].set_result(None)
                await asyncio.sleep(0)

    drop(SUBMISSION)
    asyncio.run(main())


def test_a_submission_becomes_a_message(suite):  # noqa: F811 - a fixture
    drop(SUBMISSION)
    records, log = taken(suite)
    queue_id = os.listdir("incoming")[0]
    content = [value for kind, value in records if kind in {rec.NORM, rec.CONT}]
    assert content[0] == f"Received: by mx.example.com (Postfix, from userid {os.getuid()})".encode()
    assert content[1].startswith(f"\tid {queue_id}; ".encode())
    assert content[2:4] == [b"From: me@example.com", b"Subject: x"]
    assert content[-3:] == [b"hello", b"more", b""]
    assert (rec.RCPT, b"you@example.org") in records
    assert (rec.FULL, b"Full Name") in records
    assert os.listdir("maildrop") == []
    assert log[0] == f"{queue_id}: uid={os.getuid()} from=<me@example.com>"


def test_a_sender_is_told_as_it_is_written_in_mail(suite):  # noqa: F811 - a fixture
    drop(SUBMISSION.replace(R(rec.FROM, b"me@example.com"), R(rec.FROM, b"m e@example.com")))
    _, log = taken(suite)
    assert log[0].endswith(' from=<"m e"@example.com>')


def test_a_queue_file_that_was_requeued_goes_through_again(suite):  # noqa: F811 - a fixture
    if os.getuid() != 0:
        pytest.skip("needs root: the file belongs to mail_owner")
    drop(
        rec.size_record(1, 2, 1)
        + R(rec.TIME, b"1795214053 891774")
        + rec.attribute("create_time", "1795214053")
        + R(rec.FROM, b"me@example.com")
        + R(rec.ORCP, b"done@example.org")
        + R(rec.DONE, b"done@example.org")
        + R(rec.ORCP, b"alias@example.org")
        + R(rec.RCPT, b"you@example.org")
        + R(rec.MESG)
        + BODY
        + R(rec.XTRA)
        + rec.attribute("message_id", "<x@y>")
        + R(rec.END),
        mode=0o700,
    )
    records, log = taken(suite, mail_owner="root")
    assert log[0].endswith("uid=0 from=<me@example.com> orig_id=ABC123")
    assert [value for kind, value in records if kind == rec.RCPT] == [b"you@example.org"]
    assert [value for kind, value in records if kind == rec.ORCP] == [b"alias@example.org"]
    assert [value for kind, value in records if value.startswith(b"create_time=")] == [
        b"create_time=1795214053"
    ]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (R(rec.TIME, b"1 1") + R(b"Z", b""), "warning: uid={uid}: unexpected or malformed record type 90"),
        (b"T\xff", "warning: uid={uid}: unexpected EOF reading length, record type 84"),
        (
            R(rec.TIME, b"1 1") + R(rec.RCPT, b"x") + R(rec.MESG),
            "warning: {id}: uid={uid}: no envelope sender",
        ),
        (
            R(rec.TIME, b"1 1") + R(rec.FROM, b"x@y") + R(rec.MESG) + R(rec.XTRA) + R(rec.END),
            "{id}: removed (canceled)",
        ),
    ],
    ids=["type", "cut off", "no sender", "no recipient"],
)
def test_what_can_never_be_mail_is_removed(suite, data, line):  # noqa: F811 - a fixture
    drop(data)
    records, log = taken(suite)
    assert records == []
    assert os.listdir("maildrop") == []
    expected = line.replace("{uid}", str(os.getuid())).partition("{id}")[2] or line
    assert any(text.endswith(expected.replace("{uid}", str(os.getuid()))) for text in log), log


def test_an_unfinished_submission_is_left_alone(suite):  # noqa: F811 - a fixture
    drop(SUBMISSION, mode=0o644)
    records, log = taken(suite)
    assert (records, log) == ([], [])
    assert os.listdir("maildrop") == ["ABC123"]


@pytest.mark.parametrize(("maps", "told"), [("canonical_maps", True), ("virtual_alias_maps", False)])
def test_a_refused_submission_waits(suite, maps, told):  # noqa: F811 - a fixture
    """It is told of here only where cleanup has given no reason."""
    drop(SUBMISSION)
    records, log = taken(suite, f"{maps} = fail:x")
    assert records == []
    assert os.listdir("maildrop") == ["ABC123"]
    assert any("error writing" in line for line in log) is told


def test_a_content_filter_comes_first(suite):  # noqa: F811 - a fixture
    drop(SUBMISSION)
    records, _ = taken(suite, "content_filter = scan:[127.0.0.1]:10025")
    assert (rec.FILT, b"scan:[127.0.0.1]:10025") in records


def test_an_empty_line_keeps_white_space_out_of_our_header(suite):  # noqa: F811 - a fixture
    drop(
        R(rec.FROM, b"me@example.com")
        + R(rec.RCPT, b"you@example.org")
        + R(rec.MESG)
        + lines(b" body\nmore")
        + R(rec.XTRA)
        + R(rec.END)
    )
    os.utime("maildrop/ABC123", (time.time() - 60, time.time() - 60))
    records, _ = taken(suite)
    content = [value for kind, value in records if kind == rec.NORM]
    assert content[-3:] == [b"", b" body", b"more"]


@pytest.mark.parametrize(
    ("option", "flags"),
    [("", 114), ("no_milters", 50), ("no_address_mappings, no_header_body_checks", 64)],
)
def test_receive_override_options(option, flags):
    assert cleanup_flags(option) == flags


SAID = SUBMISSION.replace(rec.attribute("rewrite_context", "local"), rec.attribute(rec.SUBMITTER, "4711"))


def test_file_of_mail_owners_says_itself_who_handed_it_in(suite):  # noqa: F811 - a fixture
    if os.getuid() != 0:
        pytest.skip("needs root: the file belongs to mail_owner")
    drop(SAID)
    records, log = taken(suite, mail_owner="root")
    assert log[0].endswith(": uid=4711 from=<me@example.com>")
    assert not any(value.startswith(rec.SUBMITTER.encode()) for _, value in records)
    assert (rec.NORM, b"Received: by mx.example.com (Postfix, from userid 4711)") in records


@pytest.mark.parametrize(("owner", "mode"), [("nobody", 0o744), ("root", 0o700)], ids=["somebody's", "requeued"])
def test_other_files_can_not_say_who_handed_them_in(suite, owner, mode):  # noqa: F811 - a fixture
    if os.getuid() != 0:
        pytest.skip("needs root: the file belongs to mail_owner")
    drop(SAID, mode=mode)
    records, log = taken(suite, mail_owner=owner)
    assert ": uid=0 from=<me@example.com>" in log[0]
    assert not any(value.startswith(rec.SUBMITTER.encode()) for _, value in records)
