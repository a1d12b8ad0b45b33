"""Queue files for messages that are not there yet: asked for with the end of another one, seen by nobody."""

import asyncio
import errno
import os

import pytest

from pyfix.cleanup import daemon
from pyfix.cleanup.daemon import Cleanup
from pyfix.cleanup.message import Message
from pyfix.clients import spares
from pyfix.clients.cleanup import CANCEL, END, END_AND_NEXT, STAT_RCPT, STAT_WRITE, UNUSED, open_request
from pyfix.clients.cleanup_client import CleanupClient
from pyfix.clients.stream import Exchange
from pyfix.mail.error import Retry
from tests.cleanup.peer import BODY, ENVELOPE, SENDER, TIME, stream

WHOLE = stream(ENVELOPE, BODY)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """What nobody has wanted yet is kept, however slow the machine is."""
    monkeypatch.setattr(spares, "KEEP", 60)


@pytest.fixture
def requests(monkeypatch):
    """What was said to cleanup."""
    said = []
    real = Exchange.send

    def send(self, attrs, *body):
        if b"rewrite" not in attrs:
            said.append(attrs)
        real(self, attrs, *body)

    monkeypatch.setattr(Exchange, "send", send)
    return said


def session(suite, test):
    """test(processes, client), with a client that asks ahead."""

    async def main():
        async with suite().running() as processes:
            client = CleanupClient(ahead=2)
            processes._clients.append(client)
            await asyncio.wait_for(test(processes, client), 20)

    asyncio.run(main())


async def put(client):
    message = await client.open(32)
    message.write(WHOLE)
    assert await message.finish() == (0, "")
    return message.queue_id


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


def descriptors():
    """How many files of incoming are open without a name."""
    paths = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    links = [os.readlink(path) for path in paths if os.path.lexists(path)]
    return sum("/incoming/" in link and link.endswith(" (deleted)") for link in links)


def test_the_next_message_has_a_file_without_asking(suite, requests):
    async def test(_, client):
        first = await put(client)
        await until(descriptors)
        assert os.listdir("incoming") == [first]
        second = await put(client)
        assert requests.count(open_request(32)) == 1
        assert sorted(os.listdir("incoming")) == sorted([first, second])
        assert {os.stat(f"incoming/{name}").st_mode & 0o777 for name in (first, second)} == {0o700}
        assert os.stat(f"incoming/{second}").st_nlink == 1

    session(suite, test)


def test_it_is_made_while_the_disk_writes_and_answered_with_the_message_before(suite, monkeypatch):
    async def test(_, client):
        await put(client)
        assert client.ready(32) is not None
        assert made == ["made", "durable"]

    made = []
    real = {"make_durable": daemon.make_durable, "Store": daemon.Store}

    def make_durable(files, meanwhile):
        results = real["make_durable"](files, meanwhile)
        made.append("durable")
        return results

    def store(queue, unnamed=None):
        made.extend(["made"] * (unnamed is not None))
        return real["Store"](queue, unnamed)

    monkeypatch.setattr(daemon, "make_durable", make_durable)
    monkeypatch.setattr(daemon, "Store", store)
    session(suite, test)


def test_messages_follow_each_other_on_one_stream(suite, requests):
    async def test(processes, client):
        ids = [await put(client) for _ in range(3)]
        assert requests == [open_request(32)] + [END_AND_NEXT] * 3
        assert len(processes.programs["public/cleanup"]._sessions) == 1
        assert sorted(os.listdir("incoming")) == sorted(ids)

    session(suite, test)


def test_no_more_files_are_kept_than_are_wanted(suite, requests):
    async def test(_, client):
        await asyncio.gather(*[put(client) for _ in range(5)])
        await until(lambda: descriptors() == 2)
        assert requests.count(UNUSED) == 3
        assert client.ready(32) is not client.ready(32)
        assert client.ready(32) is None

    session(suite, test)


def test_a_message_that_is_refused_has_none_behind_it(suite, requests):
    async def test(_, client):
        message = await client.open(32)
        message.write(stream(TIME + SENDER, BODY))
        assert (await message.finish())[0] == STAT_RCPT
        assert requests[-1] == END_AND_NEXT
        assert client.ready(32) is None
        assert not descriptors()

    session(suite, test)


def test_a_message_that_the_disk_does_not_take_has_none_behind_it(suite, monkeypatch):
    def full(files, meanwhile):
        meanwhile()
        return [OSError(errno.ENOSPC, "No space left on device")] * len(files)

    monkeypatch.setattr(daemon, "make_durable", full)

    async def test(_, client):
        message = await client.open(32)
        message.write(WHOLE)
        assert (await message.finish())[0] == STAT_WRITE
        assert client.ready(32) is None
        assert not descriptors()
        assert os.listdir("incoming") == []

    session(suite, test)


def test_a_file_whose_cleanup_has_gone_is_not_taken(suite, requests):
    async def test(processes, client):
        await put(client)
        for link in list(processes.programs["public/cleanup"]._server.links):
            link.close()
        await until(lambda: not client._channel._connection.usable)
        assert client.ready(32) is None
        await put(client)
        assert requests.count(open_request(32)) == 2

    session(suite, test)


def test_who_is_told_to_go_elsewhere_uses_up_what_is_there_and_asks_for_no_more(suite, requests):
    async def test(processes, client):
        cleanup = processes.programs["public/cleanup"]
        await put(client)
        await cleanup.retire()
        await until(lambda: not client._channel._connection.usable)
        await put(client)
        assert requests == [open_request(32), END_AND_NEXT, END]
        await until(lambda: not cleanup._server.links)

    session(suite, test)


def test_the_verdict_may_be_heard_without_a_task(suite):
    async def test(_, client):
        heard = []
        message = await client.open(32)
        message.write(WHOLE)
        assert message.end(heard.append) is None
        await until(lambda: heard)
        assert heard == [(0, "")]

    session(suite, test)


def test_the_verdict_is_there_at_once_when_cleanup_has_gone(suite):
    async def test(_, client):
        heard = []
        message = await client.open(32)
        message.write(WHOLE)
        client.close()
        await until(lambda: message.exchange.unheard)
        assert isinstance(message.end(heard.append), Retry)
        await asyncio.sleep(0)
        assert heard == []

    session(suite, test)


def test_a_message_that_was_ended_can_not_be_cancelled(suite, requests):
    async def test(_, client):
        heard = []
        message = await client.open(32)
        message.write(WHOLE)
        message.end(heard.append)
        message.cancel()
        await until(lambda: client.ready(32) is not None)
        assert heard == []
        assert CANCEL not in requests
        assert os.listdir("incoming") == [message.queue_id]

    session(suite, test)


def test_messages_with_other_flags_ask_for_their_own(suite, requests):
    async def test(_, client):
        await put(client)
        message = await client.open(0)
        assert requests.count(open_request(0)) == 1
        message.cancel()

    session(suite, test)


def test_what_nobody_wants_is_given_back_without_a_word(suite, monkeypatch, requests):
    monkeypatch.setattr(spares, "KEEP", 0.05)

    async def test(processes, client):
        queue_id = await put(client)
        await until(lambda: requests[-1] == UNUSED)
        await until(lambda: not descriptors())
        assert processes.log == [f"{queue_id}: message-id=<x@y>"]
        await put(client)
        assert requests.count(open_request(32)) == 2

    session(suite, test)


def test_a_lost_connection_takes_it_along_without_a_word(suite):
    async def test(processes, client):
        queue_id = await put(client)
        await until(descriptors)
        client.close()
        await until(lambda: not descriptors())
        assert processes.log == [f"{queue_id}: message-id=<x@y>"]

    session(suite, test)


def test_a_message_whose_client_goes_while_it_is_worked_on_ends_there(suite, monkeypatch):
    """It has no name yet: something is asked about it, and nothing was written."""
    asked, go_on = asyncio.Event(), asyncio.Event()
    real = Message._read_content

    async def slow(self, headers):
        asked.set()
        await go_on.wait()
        return await real(self, headers)

    async def test(processes, client):
        first = await put(client)
        monkeypatch.setattr(Message, "_read_content", slow)
        message = await client.open(32)
        message.write(WHOLE)
        message.end(lambda _: None)
        await asked.wait()
        client.close()
        await until(lambda: not descriptors())
        go_on.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert processes.log == [f"{first}: message-id=<x@y>", f"{message.queue_id}: removed (canceled)"]
        assert os.listdir("incoming") == [first]

    session(suite, test)


def test_a_message_that_is_cancelled_is_logged_as_any(suite, requests):
    async def test(processes, client):
        await put(client)
        message = await client.open(32)
        message.cancel()
        assert requests[-1] == CANCEL
        await until(lambda: f"{message.queue_id}: removed (canceled)" in processes.log)

    session(suite, test)


def test_where_there_are_no_such_files_each_message_asks_for_its_own(suite, monkeypatch, requests):
    async def test(_, client):
        for _ in range(3):
            await put(client)
        assert requests == [open_request(32), END_AND_NEXT] * 3

    real = Cleanup.__init__

    def without(self, context):
        real(self, context)
        self._unnamed = None

    monkeypatch.setattr(Cleanup, "__init__", without)
    session(suite, test)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EOPNOTSUPP])
def test_a_file_that_can_not_be_made_is_asked_for_again_in_its_time(suite, monkeypatch, requests, number):
    real = os.open

    def failing(path, flags, *more, **options):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(number, os.strerror(number))
        return real(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", failing)

    async def test(processes, client):
        ids = [await put(client) for _ in range(3)]
        assert requests.count(open_request(32)) == 3
        assert sorted(os.listdir("incoming")) == sorted(ids)
        assert not any("warning" in line for line in processes.log)

    session(suite, test)


def test_a_name_that_can_not_be_made_is_a_write_error(suite, monkeypatch):
    async def test(processes, client):
        await put(client)
        message = await client.open(32)
        message.write(WHOLE)

        def full(*_, **__):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "link", full)
        status, _ = await message.finish()
        assert status == 2
        assert len(os.listdir("incoming")) == 1
        assert processes.log[-1] == f"{message.queue_id}: removed (canceled)"

    session(suite, test)
