"""A whole smtpd in this process, on a loopback socket, with doubles of the services it asks."""

import asyncio
import re
import socket
from collections.abc import Callable, Iterator

import pytest

from pyfix.clients import rewrite
from pyfix.clients.rewrite import Resolved
from pyfix.config.main_cf import MainCf
from pyfix.queue import records as rec
from pyfix.server.context import Context
from pyfix.smtpd.daemon import Smtpd
from pyfix.unix import msg

MAIN_CF = """
compatibility_level = 3.6
myhostname = mx.example.com
mydomain = example.com
mydestination = mx.example.com, example.com
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_recipient_maps = inline:{{joe=x},{ann=x},{postmaster=x}}
alias_maps =
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_recipient_limit = 5
message_size_limit = 100000
smtpd_forbid_bare_newline_exclusions =
smtpd_hard_error_limit = 1000
smtpd_soft_error_limit = 900
"""
ANSWER = re.compile(rb"(?m)^\d{3} [^\n]*\n\Z")
LOCAL = {"mx.example.com", "example.com", "[127.0.0.1]"}


class FakeRewrite:
    """Resolves as trivial-rewrite does with MAIN_CF."""

    def __init__(self, waits: bool = False) -> None:
        self.waits = waits
        self.transports: dict[str, Resolved] = {}

    async def resolve(self, sender: str, address: str) -> Resolved:
        if self.waits:
            await asyncio.sleep(0)
        return self._answer(address)

    def known(self, sender: str, address: str) -> Resolved | None:
        return None if self.waits else self._answer(address)

    def _answer(self, address: str) -> Resolved:
        if address in self.transports:
            return self.transports[address]
        local, at, domain = address.rpartition("@")
        if not at:
            local, domain = address, "mx.example.com"
        if domain in LOCAL and "%" in local:
            local, _, domain = local.rpartition("%")
            return Resolved("smtp", domain, f"{local}@{domain}", rewrite.CLASS_DEFAULT)
        domain = domain.lower()
        routed = rewrite.FLAG_ROUTED if any(c in local for c in "@%!") else 0
        bad = not domain or local.endswith("@") or ".." in domain or domain.startswith("-") or "/" in domain
        bad = bad or (domain.startswith("[") and not domain.strip("[]").replace(".", "").isdigit())
        bad = bad or domain.replace(".", "").isdigit()
        if bad and domain.lower().startswith("[ipv6:"):
            bad = False
        if bad:
            return Resolved("error", "bad", address, rewrite.FLAG_ERROR | rewrite.CLASS_DEFAULT)
        if domain in LOCAL:
            return Resolved("local", domain, f"{local}@{domain}", rewrite.CLASS_LOCAL | routed)
        return Resolved("smtp", domain, f"{local}@{domain}", rewrite.CLASS_DEFAULT | routed)


class FakeMessage:
    """Keeps what it is given."""

    def __init__(self, cleanup: "FakeCleanup", queue_id: str, flags: int) -> None:
        self.cleanup = cleanup
        self.queue_id = queue_id
        self.flags = flags
        self.data = b""
        self.cancelled = False

    def write(self, records: bytes | bytearray, *, text: bool = False, clean: bool = False) -> None:
        self.data += records

    async def drain(self) -> None:
        return

    async def finish(self) -> tuple[int, str]:
        if self.cleanup.waits:
            await asyncio.sleep(0)
        return self.cleanup.answer

    def end(self, hear: Callable[[tuple[int, str]], None]) -> tuple[int, str] | None:
        if not self.cleanup.waits:
            return self.cleanup.answer
        asyncio.get_running_loop().call_later(self.cleanup.late, hear, self.cleanup.answer)
        return None

    def cancel(self) -> None:
        self.cancelled = True

    @property
    def records(self) -> list[tuple[bytes, bytes]]:
        return [(kind, data) for _, kind, data in rec.iterate(self.data)]

    @property
    def content(self) -> list[tuple[bytes, bytes]]:
        """The content behind our Received: header."""
        start = self.records.index((rec.MESG, b"")) + 1
        return [row for row in self.records[start + 3 :] if row[0] in {rec.NORM, rec.CONT}]


class FakeCleanup:
    """Takes every message, or answers as told."""

    def __init__(self, waits: bool = False) -> None:
        self.waits = waits
        self.answer = (0, "")
        self.late = 0.0
        """Seconds until the verdict comes, for who waits."""
        self.messages: list[FakeMessage] = []
        self.trouble: Exception | None = None

    def ready(self, flags: int) -> FakeMessage | None:
        return None if self.waits or self.trouble is not None else self._message(flags)

    async def open(self, flags: int) -> FakeMessage:
        if self.waits:
            await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        return self._message(flags)

    def _message(self, flags: int) -> FakeMessage:
        message = FakeMessage(self, f"4TEST{len(self.messages):03d}", flags)
        self.messages.append(message)
        return message


class Server:
    """An smtpd on a loopback port. Talk with it one chunk at a time."""

    def __init__(self, settings: str, waits: bool = False) -> None:
        pairs = [line.split(" = ", 1) for line in settings.splitlines() if line]
        main = MainCf.from_text(MAIN_CF, overrides=[(name, value) for name, value in pairs])
        self.smtpd = Smtpd(Context("smtp", "smtpd", main))
        self.cleanup = self.smtpd.site.cleanup = FakeCleanup(waits)
        self.rewrite = self.smtpd.site.rewrite = FakeRewrite(waits)

    def talk(self, *chunks: bytes, end: str = "close", patient: bool = False) -> list[bytes]:
        """Send each chunk when the server is quiet; greeting and answers. end: close, keep, or shut: the client says no
        more after the last chunk, but listens.

        patient: the server asks others (DNS, policy servers): wait until each chunk has its answer.
        """
        self._patient = patient
        return asyncio.run(self._talk(chunks, end))

    async def _talk(self, chunks: tuple[bytes, ...], end: str) -> list[bytes]:
        ours, theirs = _pair()
        session = asyncio.get_running_loop().create_future()

        def over(error: BaseException | None) -> None:
            session.set_exception(error) if error else session.set_result(None)

        await self.smtpd.start()
        self.smtpd.take(theirs, theirs.getpeername(), over)
        answers = [await self._hear(ours, session)]
        for chunk in chunks:
            if answers[-1].endswith(b"<EOF>"):
                break
            await asyncio.get_running_loop().sock_sendall(ours, chunk)
            if end == "shut" and chunk is chunks[-1]:
                ours.shutdown(socket.SHUT_WR)
            answers.append(await self._hear(ours, session))
        if end == "close":
            ours.close()
        await session
        if end != "close":
            answers.append(await self._hear(ours, session))
            ours.close()
        if self._patient:
            await self.smtpd.retire()
            await asyncio.sleep(0.01)  # until the connections to others are closed
        return answers

    async def _hear(self, sock: socket.socket, session: asyncio.Future[None]) -> bytes:
        heard = b""
        deadline = asyncio.get_running_loop().time() + 20
        turn = 0
        while turn < 12 or (self._patient and not ANSWER.search(heard) and not session.done()):
            turn += 1
            await asyncio.sleep(0 if turn < 12 else 0.002)
            assert asyncio.get_running_loop().time() < deadline, "no answer"
            try:
                while True:
                    data = sock.recv(65536)
                    if not data:
                        return heard + b"<EOF>"
                    heard += data
            except BlockingIOError:
                pass
            except ConnectionError:
                return heard + b"<EOF>"
        return heard


def _pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What is logged, with severity words."""
    lines: list[str] = []
    before = msg.to(lambda _, text: lines.append(text))
    yield lines
    msg.to(*before)


@pytest.fixture
def server(log: list[str]) -> Callable[..., Server]:
    """Makes servers: server("name = value\\n", waits=True)."""
    return Server
