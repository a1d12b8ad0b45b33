"""The cleanup service, asked over its socket by the client that smtpd uses."""

import asyncio
import errno
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from pyfix.cleanup import daemon, message
from pyfix.cleanup import store as cleanup_store
from pyfix.cleanup.bounce import Bouncer
from pyfix.clients import cleanup as service
from pyfix.clients.cleanup import reply
from pyfix.clients.trigger import Words
from pyfix.mail.error import Retry
from pyfix.queue import records as rec
from pyfix.queue.system import write_data
from pyfix.queue.usual import split_file
from pyfix.wire.stream import FrameReader, encode_frame
from tests.cleanup.peer import BODY, ENVELOPE, RCPT, REMOTE, SENDER, TIME, R, lines, stream

WHOLE = stream(ENVELOPE, BODY)


def run(test):
    asyncio.run(test)


async def put(client, data, flags=32):
    message = await client.open(flags)
    message.write(data)
    return message.queue_id, await message.finish()


def incoming():
    return sorted(os.listdir("incoming"))


def test_a_message_is_ready_when_the_answer_comes(suite):
    async def main():
        async with suite().running() as processes:
            queue_id, answer = await put(processes.client(), WHOLE)
            assert answer == (0, "")
            path = Path("incoming", queue_id)
            assert path.stat().st_mode & 0o7777 == 0o700
            kinds = b"".join(kind for _, kind, _ in rec.iterate(path.read_bytes()))
            assert kinds == b"CTAASAORMNNNNNNNNNXAE"
            assert processes.log == [f"{queue_id}: message-id=<x@y>"]
            while not processes.triggers:
                await asyncio.sleep(0.01)
            assert processes.triggers == [b"I"]

    run(main())


def test_qmgr_hears_what_is_in_a_new_file_but_for_its_content(suite):
    async def main():
        async with suite().running() as processes:
            client = processes.client()
            await put(client, WHOLE)
            while processes.triggers != [b"I"]:
                await asyncio.sleep(0.01)
            small, _ = await put(client, WHOLE)
            large, _ = await put(client, stream(ENVELOPE, BODY + lines(b"x" * 900) * 1200))
            files = []
            while len(files) < 2:
                await asyncio.sleep(0.01)
                files = Words().receive(b"".join(processes.triggers[1:]))[1]
            assert [name for name, _, _ in files] == [small, large]
            assert files[0][1:] == split_file(Path("incoming", small).read_bytes())
            assert files[1][1:] == (b"", b"")

    run(main())


def test_messages_of_one_turn_are_made_durable_together(suite, monkeypatch):
    batches = []
    real = daemon.make_durable

    def noted(files, meanwhile):
        batches.append(len(files))
        return real(files, meanwhile)

    monkeypatch.setattr(daemon, "make_durable", noted)

    async def main():
        async with suite().running() as processes:
            client = processes.client()
            answers = await asyncio.gather(*[put(client, WHOLE) for _ in range(10)])
            assert [answer for _, answer in answers] == [(0, "")] * 10
            assert len(incoming()) == 10
            assert max(batches) > 1
            assert sum(batches) == 10

    run(main())


LONG = stream(ENVELOPE, BODY + lines(b"x" * 900) * 700)


def test_nobody_waits_for_the_data_of_a_long_message(suite, monkeypatch):
    begun, may_end = threading.Event(), threading.Event()

    def slow(fd):
        begun.set()
        assert may_end.wait(20)
        write_data(fd)

    monkeypatch.setattr(cleanup_store, "write_data", slow)

    async def main():
        async with suite().running() as processes:
            client = processes.client()
            long = asyncio.create_task(put(client, LONG))
            while not begun.is_set():
                await asyncio.sleep(0.01)
            assert (await put(client, WHOLE))[1] == (0, "")
            assert not long.done()
            may_end.set()
            queue_id, answer = await long
            assert answer == (0, "")
            assert Path("incoming", queue_id).stat().st_mode & 0o7777 == 0o700

    run(main())


def test_a_long_message_whose_data_the_disk_does_not_take_is_a_write_error(suite, monkeypatch):
    """The kernel says so once: a later fsync would find nothing wrong."""

    def broken(fd):
        write_data(fd)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(cleanup_store, "write_data", broken)

    async def main():
        async with suite().running() as processes:
            queue_id, answer = await put(processes.client(), LONG)
            assert answer == (service.STAT_WRITE, "")
            assert incoming() == []
            assert f"warning: {queue_id}: write queue file: Input/output error" in processes.log

    run(main())


def test_a_long_message_that_is_given_up_as_the_disk_takes_it_leaves_nothing(suite, monkeypatch):
    begun, may_end = threading.Event(), threading.Event()
    results = []

    def slow(fd):
        begun.set()
        assert may_end.wait(20)
        results.append(os.fstat(fd).st_nlink)
        raise OSError(errno.EIO, "nobody hears it")

    monkeypatch.setattr(cleanup_store, "write_data", slow)

    async def main():
        async with suite().running() as processes:
            client = processes.client()
            message = await client.open(32)
            message.write(LONG)
            verdict = asyncio.create_task(message.finish())
            while not begun.is_set():
                await asyncio.sleep(0.01)
            client.close()
            with pytest.raises(Retry):
                await verdict
            while f"{message.queue_id}: removed (canceled)" not in processes.log:
                await asyncio.sleep(0.01)
            assert incoming() == []
            may_end.set()
            while not results:
                await asyncio.sleep(0.01)
            assert results == [0]
            assert (await put(processes.client(), WHOLE))[1] == (0, "")

    run(main())


def test_real_postcat_reads_what_cleanup_wrote(suite):
    postcat = shutil.which("postcat", path="/usr/sbin:/usr/bin")
    if postcat is None:
        pytest.skip("postcat is not installed")

    async def main():
        async with suite().running() as processes:
            queue_id, _ = await put(processes.client(), WHOLE)
            return f"incoming/{queue_id}"

    path = asyncio.run(main())
    Path("main.cf").write_text("")
    done = subprocess.run(
        [postcat, "-c", ".", "-v", path], check=False, capture_output=True, text=True, timeout=20
    )
    shown = done.stdout
    assert "sender: s@example.net" in shown, done.stderr
    assert "recipient: r@x.test" in shown
    assert "regular_text: To: a@b" in shown
    assert "named_attribute: message_id=<x@y>" in shown
    assert "MESSAGE FILE END" in shown


def test_a_cancelled_message_leaves_nothing(suite):
    async def main():
        async with suite().running() as processes:
            client = processes.client()
            message = await client.open(32)
            assert incoming() == [message.queue_id]
            message.write(WHOLE)
            message.cancel()
            await put(client, stream(TIME + SENDER, BODY))
            while incoming():
                await asyncio.sleep(0.01)
            assert [line for line in processes.log if message.queue_id in line] == [
                f"{message.queue_id}: message-id=<x@y>",
                f"{message.queue_id}: removed (canceled)",
            ]

    run(main())


@pytest.mark.parametrize(
    ("content", "logged"),
    [
        (b"", []),
        (b"Subject: x", []),
        (b"Message-Id: <1@x>", []),
        (b"Message-Id: <1@x>\nSubject: x", ["message-id=<1@x>"]),
        (b"Message-Id: <1@x>\n", ["message-id=<1@x>"]),
        (b"Subject: x\n\nbody", ["message-id=<>"]),
        (b"body", ["message-id=<>"]),
        (b"Received: x\n" * 50 + b"\n", ["message rejected: hopcount exceeded"]),
        (b"\n" + b"x" * 60000, ["message-id=<>"]),
    ],
)
def test_what_came_of_a_message_that_is_given_up_is_logged(suite, content, logged):
    async def main():
        async with suite("message_size_limit = 50000").running() as processes:
            message = await processes.client().open(32)
            text = lines(b"Received: x\n" + content if content else b"Received: x")
            message.write(TIME + REMOTE + SENDER + RCPT + R(rec.MESG) + text)
            message.cancel()
            while incoming():
                await asyncio.sleep(0.01)
            found = [line.partition(f"{message.queue_id}: ")[2] for line in processes.log]
            assert found == [*logged, "removed (canceled)"]

    run(main())


def test_a_lost_connection_leaves_nothing(suite):
    async def main():
        async with suite().running() as processes:
            client = processes.client()
            message = await client.open(32)
            message.write(WHOLE)
            client.close()
            while incoming():
                await asyncio.sleep(0.01)
            assert processes.log == [f"{message.queue_id}: removed (canceled)"]
            with pytest.raises(Retry):
                await message.finish()

    run(main())


async def spoken_and_hung_up(flags, data):
    """A client that is killed right after its last word; the queue id that it had."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        sock.connect("public/cleanup")
        sock.send(encode_frame(1, service.open_request(flags)))
        heard, reader = [], FrameReader()
        while len(heard) < 2:
            heard += reader.receive(await loop.sock_recv(sock, 65536))
        sock.send(encode_frame(1, service.END, data))
    return service.OPENED.decode(heard[1][1])[0]


def test_nothing_is_accepted_from_a_client_that_has_died_since_the_next_one_brings_it_again(suite):
    """As pickup, whose next one finds the same submissions. All was said, but the end of the client is not read yet."""

    async def main():
        async with suite().running() as processes:
            client = processes.client()
            accepted, _ = await put(client, WHOLE)  # from now on nothing has to wait for the rewrite service
            queue_id = await spoken_and_hung_up(32, WHOLE)
            while len(processes.programs["public/cleanup"]._server.links) > 1:
                await asyncio.sleep(0.005)
            assert processes.log[1:] == [f"{queue_id}: message-id=<x@y>", f"{queue_id}: removed (canceled)"]
            assert incoming() == [accepted]
            again, answer = await put(client, WHOLE)
            assert (answer, incoming()) == ((0, ""), sorted([accepted, again]))

    run(main())


@pytest.mark.parametrize("client", ["there", "dead"])
def test_nothing_is_returned_for_a_client_that_has_died(suite, monkeypatch, client):
    returned = []

    async def bounce(_, store, refusal):
        returned.append(refusal.status)
        return True

    monkeypatch.setattr(Bouncer, "bounce", bounce)
    flags, data = service.FLAG_BOUNCE, stream(ENVELOPE, lines(b"Received: x\n" * 50 + b"\n"))

    async def main():
        async with suite().running() as processes:
            if client == "there":
                await put(processes.client(), data, flags)
            else:
                await spoken_and_hung_up(flags, data)
                while processes.programs["public/cleanup"]._server.links:
                    await asyncio.sleep(0.005)
            assert incoming() == []

    run(main())
    assert returned == ([service.STAT_HOPS] if client == "there" else [])


@pytest.mark.parametrize("as_text", [False, True], ids=["records", "text"])
def test_a_long_message_is_written_in_pieces(suite, as_text):
    text = [b"%d" % n * 100 for n in range(30000)]

    async def main():
        async with suite("message_size_limit = 0").running() as processes:
            message = await processes.client().open(32)
            message.write(ENVELOPE + R(rec.MESG) + BODY)
            for at in range(0, len(text), 500):
                message.write(rec.encode_text(text[at : at + 500]), text=as_text)
                await message.drain()
            message.write(R(rec.XTRA) + R(rec.END))
            assert await message.finish() == (0, "")
            records = [*rec.iterate(Path("incoming", message.queue_id).read_bytes())]
            size = [int(number) for number in records[0][2].split()]
            start = next(offset for offset, kind, _ in records if kind == rec.MESG) + 2
            end = next(offset for offset, kind, _ in records if kind == rec.XTRA)
            assert size == [end - start, start, 1, 0, end - start, 0]
            assert [data for _, _, data in records if data[:4].isdigit()][-len(text) :] == text

    run(main())


@pytest.mark.parametrize(
    ("data", "status", "heard"),
    [
        (stream(TIME + SENDER, BODY), service.STAT_RCPT, "550 5.1.0 Error: no recipients specified"),
        (stream(TIME + RCPT, BODY), service.STAT_BAD, "451 4.3.0 Error: internal protocol error"),
        (
            stream(ENVELOPE, lines(b"Received: x\n" * 50 + b"\n")),
            service.STAT_HOPS,
            "554 5.4.0 Error: too many hops",
        ),
        (
            stream(ENVELOPE, BODY + rec.encode_text([b"x" * 1000] * 6000)),
            service.STAT_SIZE,
            "552 5.3.4 Error: message file too big",
        ),
        (b"\xff" * 20, service.STAT_BAD, "451 4.3.0 Error: internal protocol error"),
        (ENVELOPE, service.STAT_BAD, "451 4.3.0 Error: internal protocol error"),
    ],
    ids=["no recipient", "no sender", "hops", "size", "garbage", "end in the middle"],
)
def test_what_is_not_accepted_leaves_nothing(suite, data, status, heard):
    async def main():
        async with suite("message_size_limit = 5000000").running() as processes:
            queue_id, answer = await put(processes.client(), data)
            assert answer == (status, "")
            assert reply(*answer) == heard
            assert incoming() == []
            assert processes.log[-1] == f"{queue_id}: removed (canceled)"

    run(main())


def test_a_full_disk_is_a_write_error(suite, monkeypatch):
    def full(files, _):
        return [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) for _ in files]

    monkeypatch.setattr(daemon, "make_durable", full)

    async def main():
        async with suite().running() as processes:
            queue_id, answer = await put(processes.client(), WHOLE)
            assert answer == (service.STAT_WRITE, "")
            assert incoming() == []
            assert f"warning: {queue_id}: write queue file: No space left on device" in processes.log

    run(main())


def test_a_bug_is_a_temporary_error_for_its_message_alone(suite, monkeypatch):
    async def broken(self):
        raise AttributeError("no such thing")

    async def main():
        async with suite().running() as processes:
            with monkeypatch.context() as patch:
                patch.setattr(message.Message, "process", broken)
                queue_id, answer = await put(processes.client(), WHOLE)
                assert answer == (service.STAT_WRITE, "")
                assert incoming() == []
            assert processes.log[0].startswith(f"error: {queue_id}: message ended by a bug: ")
            assert processes.log[1] == f"{queue_id}: removed (canceled)"
            assert (await put(processes.client(), WHOLE))[1] == (0, "")

    run(main())


def test_no_file_for_a_message_is_temporary(suite):
    async def main():
        async with suite().running() as processes:
            os.rmdir("incoming")
            with pytest.raises(Retry) as refused:
                await processes.client().open(32)
            assert str(refused.value) == "queue file write error"
            assert processes.log == [
                "warning: mail_queue_enter: create file incoming: No such file or directory"
            ]

    run(main())


def test_hold_and_discard(suite):
    async def main():
        async with suite().running() as processes:
            held, answer = await put(processes.client(), WHOLE, 32 | service.FLAG_HOLD)
            assert answer == (0, "")
            assert os.listdir("hold") == [held]
            assert Path("hold", held).stat().st_mode & 0o7777 == 0o700
            gone, answer = await put(processes.client(), WHOLE, 32 | service.FLAG_DISCARD)
            assert answer == (0, "")
            assert incoming() == []
            assert processes.log[-1] == f"{gone}: removed (discarded)"
            assert processes.triggers == []

    run(main())


def test_addresses_are_completed_by_the_rewrite_service(suite):
    async def main():
        async with suite("virtual_alias_maps = inline:{you@example.com=them@d.test}").running() as processes:
            envelope = TIME + R(rec.FROM, b"me") + R(rec.RCPT, b"you")
            queue_id, _ = await put(processes.client(), stream(envelope, lines(b"Received: x\nTo: you\n\n")))
            records = [(kind, data) for _, kind, data in rec.iterate(Path("incoming", queue_id).read_bytes())]
            assert (rec.FROM, b"me@example.com") in records
            assert (rec.ORCP, b"you") in records
            assert (rec.RCPT, b"them@d.test") in records
            assert (rec.NORM, b"To: you@example.com") in records
            assert (rec.NORM, b"From: me@example.com") in records

    run(main())


def test_a_table_that_can_not_answer_makes_the_client_come_again(suite):
    async def main():
        async with suite("virtual_alias_maps = fail:x").running() as processes:
            queue_id, answer = await put(processes.client(), WHOLE)
            assert answer == (service.STAT_WRITE, "4.6.0 Alias expansion error")
            assert reply(*answer) == "451 4.3.0 Error: queue file write error"
            problem = "virtual_alias_maps map lookup problem for r@x.test -- message not accepted, try again later"
            assert f"warning: {queue_id}: {problem}" in processes.log

    run(main())


def test_a_bug_as_messages_are_made_durable_is_trouble_for_a_while(suite, monkeypatch):
    """Their clients hear of it, and may go on."""

    def broken(files, meanwhile=None):
        raise ZeroDivisionError

    async def main():
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(about["exception"]))
        async with suite().running() as processes:
            client = processes.client()
            with monkeypatch.context() as patch:
                patch.setattr(daemon, "make_durable", broken)
                with pytest.raises(Retry, match="service unavailable"):
                    await asyncio.wait_for(put(client, WHOLE), 10)
            assert [type(error) for error in told] == [ZeroDivisionError]
            assert incoming() == []
            _, answer = await put(client, WHOLE)
            assert answer == (0, "")

    run(main())
