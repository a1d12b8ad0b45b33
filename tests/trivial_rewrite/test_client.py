"""The client's memory, and the service as the client sees it."""

import asyncio
import contextlib
import os
import socket

import pytest

from pyfix.clients import rewrite as service
from pyfix.clients.rewrite import CLASS_DEFAULT, FLAG_FAIL, RULE_LOCAL
from pyfix.clients.rewrite_client import RewriteClient
from pyfix.config.main_cf import MainCf
from pyfix.server.context import Context
from pyfix.server.stream import StreamServer
from pyfix.trivial_rewrite.daemon import TrivialRewrite
from pyfix.unix import msg
from pyfix.wire.attr import decode_pairs


class Fake:
    """Answers by a function, and counts."""

    def __init__(self, answer):
        self.asked = []
        self.answer = answer
        self.server = StreamServer(service.PROTOCOL, self)

    def frame(self, link, stream, attrs, body):
        request = decode_pairs(attrs)
        self.asked.append(request["address"])
        link.send(stream, self.answer(request))

    def closed(self, link):
        pass


def resolved(about=0, flags=CLASS_DEFAULT):
    return lambda request: service.RESOLVE_ANSWER.encode(about, "smtp", "hop", request["address"], flags)


@contextlib.asynccontextmanager
async def served(server):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("private/rewrite")
    listener.listen()
    listener.setblocking(False)
    tasks = []

    async def accept():
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            sock.setblocking(False)
            tasks.append(asyncio.ensure_future(server.serve(sock)))

    tasks.append(asyncio.ensure_future(accept()))
    try:
        yield
    finally:
        for link in list(server.links):
            link.close()
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        listener.close()


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "private").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def log():
    lines = []
    before = msg.to(lambda _, text: lines.append(text))
    yield lines
    msg.to(*before)


def with_fake(fake, test, **options):
    async def main():
        async with served(fake.server):
            client = RewriteClient(**options)
            try:
                await test(client)
            finally:
                client.close()
                await asyncio.sleep(0)

    asyncio.run(main())


def test_answers_are_kept_for_thirty_seconds(here):
    now = [0.0]
    fake = Fake(resolved())

    async def test(client):
        for when, count in ((0, 1), (29, 1), (31, 2), (60, 2), (62, 3)):
            now[0] = when
            assert (await client.resolve("", "a@b")).nexthop == "hop"
            assert len(fake.asked) == count

    with_fake(fake, test, clock=lambda: now[0])


def test_what_many_ask_at_once_is_asked_once(here):
    fake = Fake(resolved())

    async def test(client):
        answers = await asyncio.gather(*[client.resolve("s", "a@b") for _ in range(20)])
        assert {answer.recipient for answer in answers} == {"a@b"}
        assert fake.asked == ["a@b"]

    with_fake(fake, test)


def test_an_answer_for_one_sender_is_not_given_to_another(here):
    fake = Fake(resolved(service.BY_SENDER))

    async def test(client):
        for sender in ("s", "t", "s", "t"):
            await client.resolve(sender, "a@b")
        assert len(fake.asked) == 2

    with_fake(fake, test)


def test_a_failure_is_not_kept(here):
    fake = Fake(resolved(flags=FLAG_FAIL))

    async def test(client):
        await client.resolve("", "a@b")
        await client.resolve("", "a@b")
        assert len(fake.asked) == 2

    with_fake(fake, test)


def test_changed_tables_make_all_old_answers_void(here):
    fake = Fake(resolved())

    async def test(client):
        await client.resolve("", "a@b")
        fake.answer = resolved(service.CHANGED)
        await client.resolve("", "c@d")
        fake.answer = resolved()
        await client.resolve("", "a@b")
        assert fake.asked == ["a@b", "c@d", "a@b"]

    with_fake(fake, test)


def test_a_complete_address_is_not_asked_about(here):
    fake = Fake(lambda request: service.REWRITE_ANSWER.encode(0, request["address"] + "@added"))

    async def test(client):
        assert await client.rewrite(RULE_LOCAL, "user@example.com") == "user@example.com"
        assert fake.asked == []
        assert await client.rewrite(RULE_LOCAL, "user") == "user@added"
        assert await client.rewrite(RULE_LOCAL, "user") == "user@added"
        assert fake.asked == ["user"]

    with_fake(fake, test)


def test_while_the_service_is_away_questions_wait_and_say_so(here, log, monkeypatch):
    monkeypatch.setattr(service, "PAUSE", 0.01)
    fake = Fake(resolved())

    async def main():
        client = RewriteClient()
        asking = asyncio.ensure_future(client.resolve("", "a@b"))
        while not log:
            await asyncio.sleep(0.005)
        async with served(fake.server):
            assert (await asking).nexthop == "hop"
            client.close()
            await asyncio.sleep(0)

    asyncio.run(main())
    assert log[0].startswith("warning: problem talking to service rewrite: ")


def test_the_service_tells_once_that_a_table_has_changed(here, monkeypatch, tmp_path):
    monkeypatch.setattr("pyfix.trivial_rewrite.daemon.LOOK", 0.0)
    table = tmp_path / "transport"
    table.write_text("a.test smtp:[one]\n")
    os.utime(table, (1e9, 1e9))
    main_cf = MainCf.from_text(f"mydestination =\nmyhostname = mx.test\ntransport_maps = texthash:{table}\n")

    async def main():
        daemon = TrivialRewrite(Context("rewrite", "trivial-rewrite", main_cf))
        async with served(daemon._server):
            client = RewriteClient()
            assert (await client.resolve("", "u@a.test")).nexthop == "[one]"
            table.write_text("a.test smtp:[two]\n")
            os.utime(table, (1.1e9, 1.1e9))
            await client.resolve("", "u@other.test")
            assert (await client.resolve("", "u@a.test")).nexthop == "[two]"
            client.close()
            await asyncio.sleep(0)

    asyncio.run(main())
