"""How a client's connection ends when something is wrong: with us, or with a client that takes nothing."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from pyfix.unix.loop import running
from tests.smtpd.conftest import Server, _pair

Make = Callable[..., Any]


class Taken:
    """A session of a server, and what a worker hears of it."""

    def __init__(self, one: Server, ours: socket.socket, theirs: socket.socket) -> None:
        self.over: asyncio.Future[BaseException | None] = running().create_future()
        self.strays: list[dict[str, Any]] = []
        self._sock = theirs
        running().set_exception_handler(lambda _, about: self.strays.append(about))
        one.smtpd.take(theirs, ours.getsockname(), self._ended)

    def _ended(self, error: BaseException | None) -> None:
        if error is not None:  # as a worker does
            self._sock.shutdown(socket.SHUT_RDWR)
            self._sock.close()
        self.over.set_result(error)


async def hear_all(sock: socket.socket) -> bytes:
    heard = b""
    while data := await asyncio.get_running_loop().sock_recv(sock, 65536):
        heard += data
    return heard


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
def test_after_a_bug_the_loop_forgets_a_socket_before_the_worker_closes_it(server: Make, waits: bool) -> None:
    async def scenario() -> None:
        one = server("smtpd_forbid_unauth_pipelining = no\n", waits=waits)
        one.cleanup.trouble = ZeroDivisionError()
        ours, theirs = _pair()
        await one.smtpd.start()
        taken = Taken(one, ours, theirs)
        with ours:
            ours.send(b"EHLO x\r\nMAIL FROM:<s@ok.test>\r\nRCPT TO:<joe@example.com>\r\n")
            assert type(await taken.over) is ZeroDivisionError
            await hear_all(ours)
            await asyncio.sleep(0)
        assert taken.strays == []

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_bug_as_names_are_looked_up_ends_the_session(server: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        one = server("")
        ours, theirs = _pair()
        await one.smtpd.start()

        async def broken(address: str) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(one.smtpd.site.names, "known", lambda address: None)
        monkeypatch.setattr(one.smtpd.site.names, "names", broken)
        taken = Taken(one, ours, theirs)
        with ours:
            assert type(await taken.over) is ZeroDivisionError
            assert await hear_all(ours) == b""

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_client_that_neither_speaks_nor_reads_is_not_waited_for_without_end(server: Make, log: list[str]) -> None:
    async def scenario() -> None:
        one = server("smtpd_timeout = 1s\nsmtpd_junk_command_limit = 9999999\nsmtpd_forbid_unauth_pipelining = no\n")
        ours, theirs = _pair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await one.smtpd.start()
        taken = Taken(one, ours, theirs)
        ours.send(b"NOOP\r\n" * 20_000)
        assert await taken.over is None
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert theirs.fileno() == -1
        ours.close()
        assert taken.strays == []

    asyncio.run(asyncio.wait_for(scenario(), 20))
    assert any(line.startswith("NOQUEUE: timeout after ") for line in log)
