"""A whole qmgr on a queue in a temporary directory, with agents on Unix sockets in the same loop."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from pyfix.bounce.daemon import Bounce
from pyfix.clients.deliver import CONCURRENCY, PROTOCOL, Answer, Request, decode_request
from pyfix.clients.rewrite import CLASS_VIRTUAL, Resolved
from pyfix.config.main_cf import MainCf
from pyfix.delivery.error import Error
from pyfix.qmgr.daemon import Qmgr
from pyfix.queue import records as rec
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.file import mark_done, read_envelope
from pyfix.server.context import Context
from pyfix.server.stream import Link, StreamServer
from pyfix.unix import msg
from tests.toy_cleanup import ToyCleanup

QUEUES = ("incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "trace", "private", "public")


class ByDomain:
    """Resolves `user@transport.test` to that transport, next hop the domain."""

    def __init__(self) -> None:
        self.flags: dict[str, int] = {}

    async def resolve(self, sender: str, address: str) -> Resolved:
        domain = address.rpartition("@")[2]
        return Resolved(domain.split(".")[0], domain, address, self.flags.get(address, CLASS_VIRTUAL))


class ToyAgent:
    """Takes requests; `verdict` decides, None keeps them until `release`."""

    def __init__(self, concurrency: int = 100) -> None:
        self.requests: list[Request] = []
        self.held: list[tuple[Link, int, Request]] = []
        self.busy = self.most = 0
        self.verdict: Callable[[Request], Answer | None] = self.deliver
        self.server = StreamServer(PROTOCOL, self, [(CONCURRENCY, str(concurrency))])

    def deliver(self, request: Request) -> Answer:
        """Mark every recipient as done."""
        fd = os.open(f"active/{request.queue_id}", os.O_RDWR)
        for recipient in request.recipients:
            mark_done(fd, recipient.offset)
        os.close(fd)
        return Answer()

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:
        request = decode_request(attrs, body)
        self.requests.append(request)
        self.busy += 1
        self.most = max(self.most, self.busy)
        answer = self.verdict(request)
        if answer is None:
            self.held.append((link, stream, request))
        else:
            asyncio.get_running_loop().call_soon(self._answer, link, stream, answer)

    def release(self, answer: Answer | None = None) -> None:
        link, stream, request = self.held.pop(0)
        self._answer(link, stream, answer or self.deliver(request))

    def closed(self, link: Link) -> None:
        self.held.clear()

    def _answer(self, link: Link, stream: int, answer: Answer) -> None:
        self.busy -= 1
        link.send(stream, answer.encode())


class Instance:
    """The queue, what runs on it, and the log."""

    def __init__(self) -> None:
        self.queue = QueueDirectory(".")
        self.lines: list[str] = []
        self.resolver = ByDomain()
        self.cleanup = ToyCleanup()

    def put(
        self,
        *recipients: str,
        sender: str = "s@a.test",
        queue: str = "incoming",
        done: int = 0,
        warn: float = 0,
        trace: int = 0,
        age: float = 0,
        mode: int = 0o700,
    ) -> str:
        """A message; `done` of its recipients are done with; `age` seconds old, to warn after `warn`."""
        arrival = int(time.time() - age)
        head = rec.encode(rec.TIME, b"%d 0" % arrival) + rec.encode(rec.ATTR, b"create_time=%d" % arrival)
        if trace:
            head += rec.encode(rec.ATTR, b"trace_flags=%d" % trace)
        head += rec.encode(rec.FROM, sender.encode())
        if warn:
            head += rec.encode(rec.WARN, b"%15d" % (arrival + warn))
        for at, recipient in enumerate(recipients):
            head += rec.encode(rec.DONE if at < done else rec.RCPT, recipient.encode())
        head += rec.encode(rec.MESG)
        body = rec.encode_text([b"Subject: x", b"", b"x"])
        file = self.queue.create(queue)
        size = rec.size_record(len(body), rec.SIZE_SIZE + len(head), len(recipients))
        os.write(file.fd, size + head + body + rec.encode(rec.XTRA) + rec.encode(rec.END))
        os.fchmod(file.fd, mode)
        os.close(file.fd)
        return file.id

    def where(self, queue_id: str) -> list[str]:
        """The queues that hold this id."""
        return [name for name in QUEUES if os.path.exists(f"{name}/{queue_id}")]

    def todo(self, queue: str, queue_id: str) -> list[str]:
        """Recipients that are not done."""
        fd = self.queue.open(queue, queue_id)
        try:
            return [recipient.address for recipient in read_envelope(fd).recipients]
        finally:
            os.close(fd)

    @contextlib.asynccontextmanager
    async def running(self, main_cf: str = "", **agents: ToyAgent) -> AsyncIterator[Qmgr]:
        """A qmgr, these agents under the names of their transports, and the real retry, error, bounce."""
        main = MainCf.from_text("hash_queue_names = none\n" + main_cf)
        errors = {name: Error(Context(name, "error", main)) for name in ("error", "retry")}
        bounces = {name: Bounce(Context(name, "bounce", main)) for name in ("bounce", "defer", "trace")}
        serve: dict[str, Callable[[socket.socket], Awaitable[None]]] = {
            **{name: program.serve for name, program in (errors | bounces).items()},
            **{name: agent.server.serve for name, agent in agents.items()},
        }
        servers = [program._server for program in (errors | bounces).values()]
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(listening("public/cleanup", self.cleanup.server.serve))
            for name, function in serve.items():
                if not os.path.exists(f"private/{name}"):
                    await stack.enter_async_context(listening(f"private/{name}", function))
            qmgr = Qmgr(Context("qmgr", "qmgr", main), self.resolver)
            await qmgr.start()
            try:
                yield qmgr
            finally:
                for server in (*servers, *(agent.server for agent in agents.values())):
                    for link in list(server.links):
                        link.close()
                for program in bounces.values():
                    program.cleanup.close()
                for program in errors.values():
                    for channel in program._channels.values():
                        channel.close()
                await qmgr.retire()
                await asyncio.sleep(0.002)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)

    async def until_logged(self, text: str) -> None:
        """Wait for a line that has this text."""
        try:
            await self.until(lambda: any(text in line for line in self.lines))
        except TimeoutError:
            raise AssertionError(f"{text!r} is not in {self.lines}") from None


@contextlib.asynccontextmanager
async def listening(path: str, serve: Callable[[socket.socket], Awaitable[None]]) -> AsyncIterator[None]:
    """A service on a Unix socket."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    listener.setblocking(False)
    sessions: set[asyncio.Future[None]] = set()

    async def accept() -> None:
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            sessions.add(asyncio.ensure_future(serve(sock)))

    accepting = asyncio.ensure_future(accept())
    try:
        yield
    finally:
        for task in (accepting, *sessions):
            task.cancel()
        await asyncio.gather(accepting, *sessions, return_exceptions=True)
        listener.close()
        os.unlink(path)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    for name in QUEUES:
        (tmp_path / name).mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    instance = Instance()
    before = msg.to(lambda _, text: instance.lines.append(text))
    yield instance
    msg.to(*before)


@pytest.fixture
def toy() -> type[ToyAgent]:
    return ToyAgent
