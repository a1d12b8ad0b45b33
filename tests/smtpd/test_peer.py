import asyncio
import socket
from typing import Any

import pytest

from pyfix.smtpd import peer
from pyfix.smtpd.peer import OK, PERMANENT, TEMPORARY, NameCache, Names


def names(monkeypatch: pytest.MonkeyPatch, ptr: Any, forward: Any) -> Names:
    def getnameinfo(*_: Any) -> tuple[str, str]:
        if isinstance(ptr, OSError):
            raise ptr
        return ptr, "0"

    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        if isinstance(forward, OSError):
            raise forward
        return [(0, 0, 0, "", (address, 0)) for address in forward]

    monkeypatch.setattr(socket, "getnameinfo", getnameinfo)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return peer.look_up_now("192.0.2.1")


def test_name_that_leads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(monkeypatch, "a.test", ["192.0.2.9", "192.0.2.1"]) == Names("a.test", "a.test", OK, OK)


def test_name_that_leads_elsewhere(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    assert names(monkeypatch, "a.test", ["192.0.2.9"]) == Names("unknown", "a.test", PERMANENT, OK)
    assert log == ["warning: hostname a.test does not resolve to address 192.0.2.1"]


def test_name_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert names(monkeypatch, "a.test", error) == Names("unknown", "a.test", PERMANENT, OK)
    assert log == [
        "warning: hostname a.test does not resolve to address 192.0.2.1: Name or service not known"
    ]


def test_no_name_now(monkeypatch: pytest.MonkeyPatch) -> None:
    error = socket.gaierror(socket.EAI_AGAIN, "try again")
    assert names(monkeypatch, error, []) == Names("unknown", "unknown", TEMPORARY, TEMPORARY)


@pytest.mark.parametrize("name", ["1.2.3.4", "a..b", "a" * 64 + ".test"])
def test_name_that_is_none(monkeypatch: pytest.MonkeyPatch, log: list[str], name: str) -> None:
    assert names(monkeypatch, name, ["192.0.2.1"]) == Names()
    assert len(log) == 1


def test_names_are_kept_for_a_while() -> None:
    asked: list[str] = []
    now = [0.0]

    async def look_up(address: str) -> Names:
        asked.append(address)
        return Names("a.test", "a.test", OK, OK)

    async def ask(times: int) -> None:
        for _ in range(times):
            await cache.names("192.0.2.1")

    cache = NameCache(look_up, clock=lambda: now[0])
    asyncio.run(ask(3))
    assert len(asked) == 1
    now[0] = peer.KEEP + 1
    asyncio.run(ask(1))
    assert len(asked) == 2
