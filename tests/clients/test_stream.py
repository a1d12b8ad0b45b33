"""A channel and a stream server, on a real socket."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pyfix.clients.answer import ServiceGone
from pyfix.clients.stream import Channel, Connection
from pyfix.server.serial import UnwantedError
from pyfix.server.serial_link import SerialLink
from pyfix.server.stream import Link, StreamServer


class Echo:
    """Answers each frame with itself; `hold` makes it keep the answers back."""

    def __init__(self) -> None:
        self.hold = False
        self.kept: list[tuple[Link, int, bytes, bytes]] = []
        self.peers_gone = 0

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:
        if self.hold:
            self.kept.append((link, stream, attrs, body))
        else:
            link.send(stream, attrs, body)

    def release(self) -> None:
        for link, *frame in reversed(self.kept):
            link.send(*frame)  # type: ignore[arg-type]
        self.kept.clear()

    def closed(self, link: Link) -> None:
        self.peers_gone += 1


@contextlib.asynccontextmanager
async def serving(path: Path, service: Echo) -> AsyncIterator[StreamServer]:
    server = StreamServer("echo_protocol", service)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    listener.setblocking(False)

    async def accept() -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            tasks.add(asyncio.ensure_future(server.serve(sock)))

    tasks: set[asyncio.Future[None]] = set()
    tasks.add(asyncio.ensure_future(accept()))
    try:
        yield server
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in list(server.links):
            link.close()
        listener.close()
        path.unlink()
        await asyncio.sleep(0)


def test_many_requests_share_a_connection_and_may_be_answered_in_any_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = Echo()
        service.hold = True
        async with serving(tmp_path / "echo", service) as server:
            channel = Channel(str(tmp_path / "echo"), "echo_protocol")
            requests = [asyncio.ensure_future(channel.request(b"%d\0\0\0" % n, b"body")) for n in range(20)]
            while len(service.kept) < 20:
                await asyncio.sleep(0)
            assert len(server.links) == 1
            service.release()
            answers = [attrs for attrs, _ in await asyncio.gather(*requests)]
            assert answers == [b"%d\0\0\0" % n for n in range(20)]
            channel.close()

    asyncio.run(scenario())


def test_goaway_moves_new_requests_and_lets_old_ones_finish(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = Echo()
        service.hold = True
        async with serving(tmp_path / "echo", service) as server:
            channel = Channel(str(tmp_path / "echo"), "echo_protocol")
            first = asyncio.ensure_future(channel.request(b"first"))
            while not service.kept:
                await asyncio.sleep(0)
            await server.retire()
            await asyncio.sleep(0.01)
            assert not first.done()
            service.release()
            assert await first == (b"first", b"")
            while not service.peers_gone:
                await asyncio.sleep(0)
            channel.close()

    asyncio.run(scenario())


def test_a_server_that_leaves_as_it_greets_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        service = Echo()
        async with serving(tmp_path / "echo", service) as server:
            await server.retire()
            greeted, begin = 0, server.serve

            async def serve(sock: socket.socket) -> None:
                nonlocal greeted
                greeted += 1
                if greeted == 3:  # another process has the socket now
                    server._retiring = False
                await begin(sock)

            monkeypatch.setattr(server, "serve", serve)
            channel = Channel(str(tmp_path / "echo"), "echo_protocol")
            assert await channel.request(b"a\0\0\0") == (b"a\0\0\0", b"")
            assert greeted == 3
            channel.close()

    asyncio.run(scenario())


def test_requests_of_a_connection_that_has_gone_hear_so_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = Echo()
        async with serving(tmp_path / "echo", service) as server:
            await server.retire()
            channel = Channel(str(tmp_path / "echo"), "echo_protocol")
            with pytest.raises(ServiceGone, match="service unavailable"):
                await channel.request(b"a\0\0\0")
            with pytest.raises(ServiceGone, match="service unavailable"):
                await channel.request(b"b\0\0\0")
            channel.close()

    asyncio.run(scenario())


def test_requests_hear_when_the_service_dies(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = Echo()
        service.hold = True
        channel = Channel(str(tmp_path / "echo"), "echo_protocol")
        with pytest.raises(ServiceGone):
            await channel.request(b"nobody there")
        async with serving(tmp_path / "echo", service) as server:
            request = asyncio.ensure_future(channel.request(b"x"))
            while not service.kept:
                await asyncio.sleep(0)
            for link in list(server.links):
                link.close()
            with pytest.raises(ServiceGone):
                await request
            service.kept.clear()
            service.hold = False
            assert await channel.request(b"again") == (b"again", b"")
            channel.close()

    asyncio.run(scenario())


def test_a_server_that_does_not_greet_is_not_waited_for_without_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "mute"))
            listener.listen()
            channel = Channel(str(tmp_path / "mute"), "echo_protocol", timeout=0.01)
            for _ in range(2):
                with pytest.raises(ServiceGone) as gone:
                    await channel.request(b"x")
                assert gone.value.detail == f"connect to {tmp_path}/mute: Connection timed out"
            channel.close()

    asyncio.run(scenario())


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path / "echo", Echo()):
            channel = Channel(str(tmp_path / "echo"), "cleanup_protocol")
            with pytest.raises(ServiceGone, match="speaks echo_protocol"):
                await channel.request(b"x")

    asyncio.run(scenario())


def test_a_serial_program_that_nobody_wants_ends_when_its_peer_has_gone_elsewhere(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    ended: list[BaseException] = []

    def program() -> None:
        link = SerialLink(theirs, "serial_protocol", max_idle=0.05)
        try:
            for stream, attrs, body in link.requests():
                link.send(stream, attrs, body)
        except UnwantedError as error:
            ended.append(error)
        theirs.close()

    async def scenario() -> None:
        _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection("pair"), sock=ours)
        await connection.greeting
        exchange = connection.exchange()
        while connection.usable:
            await asyncio.sleep(0)
        exchange.send(b"on its way already")
        assert await exchange.receive() == (b"on its way already", b"")
        exchange.close()
        await asyncio.to_thread(thread.join)

    thread = threading.Thread(target=program)
    thread.start()
    asyncio.run(scenario())
    assert len(ended) == 1


def test_a_serial_program_answers_in_turn_and_leaves_when_woken(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    woken, waker = socket.socketpair()
    answered = []

    def program() -> None:
        link = SerialLink(theirs, "serial_protocol", wake=woken.fileno())
        for stream, attrs, body in link.requests():
            answered.append(attrs)
            link.send(stream, attrs, body)
        theirs.close()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection("pair"), sock=ours)
        assert (await connection.greeting)["protocol"] == "serial_protocol"
        exchange = connection.exchange()
        exchange.send(b"one")
        assert await exchange.receive() == (b"one", b"")
        exchange.close()
        waker.send(b"x")
        while connection.usable:
            await asyncio.sleep(0)
        await asyncio.to_thread(thread.join)

    thread = threading.Thread(target=program)
    thread.start()
    asyncio.run(scenario())
    assert answered == [b"one"]
    for sock in (woken, waker):
        sock.close()


def test_a_bug_in_what_hears_that_a_peer_has_gone_keeps_no_session_open(tmp_path: Path) -> None:
    class Broken(Echo):
        def closed(self, link: Link) -> None:
            raise RuntimeError("a bug")

    async def scenario() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(str(about["exception"])))
        server = StreamServer("echo_protocol", Broken())
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.close()
        async with asyncio.timeout(10):
            await server.serve(ours)
        assert told == ["a bug"]
        assert not server.links

    asyncio.run(scenario())
