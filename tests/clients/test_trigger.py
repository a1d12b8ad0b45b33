"""Trigger letters, on a real socket."""

import asyncio
import socket
from pathlib import Path

import pytest

from pyfix.clients import trigger
from pyfix.clients.trigger import Trigger


def listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    return sock


def test_letters_of_one_turn_leave_once_and_without_nul(tmp_path: Path) -> None:
    async def scenario() -> None:
        listener = listening(tmp_path / "qmgr")
        client = Trigger(str(tmp_path / "qmgr"))
        for letters in (b"I", b"I", b"FAD", b"I"):
            client.send(letters)
        await asyncio.sleep(0)
        peer, _ = listener.accept()
        assert peer.recv(100) == b"IFAD"
        client.send(b"I")
        await asyncio.sleep(0)
        assert peer.recv(100) == b"I"
        client.close()
        assert peer.recv(100) == b""
        peer.close()
        listener.close()

    asyncio.run(scenario())


def test_a_service_that_was_replaced_is_found_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        listener = listening(tmp_path / "qmgr")
        client = Trigger(str(tmp_path / "qmgr"))
        client.send(b"I")
        await asyncio.sleep(0)
        listener.accept()[0].close()
        client.send(b"D")
        await asyncio.sleep(0)
        peer, _ = listener.accept()
        assert peer.recv(100) == b"D"
        client.close()
        peer.close()
        listener.close()

    asyncio.run(scenario())


def test_letters_wait_for_a_service_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger, "RETRY_DELAY", 0.001)

    async def scenario() -> None:
        client = Trigger(str(tmp_path / "qmgr"))
        client.send(b"I")
        await asyncio.sleep(0)
        client.send(b"D")
        await asyncio.sleep(0.003)
        listener = listening(tmp_path / "qmgr")
        listener.settimeout(5)
        peer, _ = await asyncio.to_thread(listener.accept)
        assert peer.recv(100) == b"ID"
        client.close()
        peer.close()
        listener.close()

    asyncio.run(scenario())
