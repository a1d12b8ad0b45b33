"""Trigger letters, on a real socket."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from pyfix.clients import trigger
from pyfix.clients.kick import kick
from pyfix.clients.trigger import Trigger, Words
from pyfix.unix import sockets


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


def test_a_service_may_be_a_fifo(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "public").mkdir()
        path = str(tmp_path / "public/qmgr")
        fd = sockets.open_fifo(path)
        client = Trigger(path)
        client.send(b"I")
        await asyncio.sleep(0)
        assert os.read(fd, 100) == b"I"
        client.name([("A1", b"", b"")])  # a name needs a connection, so this is a scan
        kick(str(tmp_path), "public/qmgr", b"D")
        assert os.read(fd, 100) == b"ID"
        client.close()
        os.close(fd)

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


def test_names_go_over_a_connection_that_has_asked_for_a_scan(tmp_path: Path) -> None:
    async def scenario() -> None:
        listener = listening(tmp_path / "qmgr")
        client = Trigger(str(tmp_path / "qmgr"))
        client.name([("A1", b"head", b"tail")])
        peer, _ = listener.accept()
        assert peer.recv(100) == b"I"
        client.name([("B2", b"", b""), ("4xyz", b"<head>", b"tail")])
        assert peer.recv(100) == b"<B2><4xyz 6 4><head>tail"
        client.name([("B3", bytes(trigger.HANDED), b"tail")])
        assert peer.recv(100) == b"<B3>"
        peer.close()
        client.name([("C3", b"", b"")])
        peer, _ = listener.accept()
        assert peer.recv(100) == b"I"
        client.close()
        peer.close()
        listener.close()

    asyncio.run(scenario())


def files(*names: str) -> list[trigger.File]:
    return [(name, b"", b"") for name in names]


def test_names_of_several_files_wait_for_others_and_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trigger, "monotonic", lambda: now)
    now = 100.0

    async def scenario() -> None:
        nonlocal now
        listener = listening(tmp_path / "qmgr")
        client = Trigger(str(tmp_path / "qmgr"))
        client.name(files("A0"))
        peer, _ = listener.accept()
        peer.setblocking(False)
        assert peer.recv(100) == b"I"
        client.name(files("A1", "A2"))
        assert peer.recv(100) == b"<A1><A2>"
        client.name(files("A3", "A4"))
        client.name(files("A5", "A6"))
        with pytest.raises(BlockingIOError):
            peer.recv(100)
        client.name(files("A7"))
        assert peer.recv(100) == b"<A3><A4><A5><A6><A7>"
        client.name(files("A8", "A9"))
        now += 2 * trigger.GATHER
        client.name(files("B0", "B1"))
        assert peer.recv(100) == b"<A8><A9><B0><B1>"
        client.name(files("B2", "B3"))
        await asyncio.sleep(4 * trigger.GATHER)
        assert peer.recv(100) == b"<B2><B3>"
        peer.close()
        client.name(files("C1"))
        peer, _ = listener.accept()
        assert peer.recv(100) == b"I"
        client.name(files("C2", "C3"))  # at once: when this connection ends qmgr would not scan yet
        client.name(files("C4", "C5"))
        client.close()  # qmgr scans now
        assert peer.recv(100) == b"<C2><C3>"
        await asyncio.sleep(2 * trigger.GATHER)
        assert peer.recv(100) == b""
        peer.close()
        listener.close()

    asyncio.run(scenario())


def test_names_for_which_there_is_no_room_become_a_scan_on_a_new_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        listener = listening(tmp_path / "qmgr")
        client = Trigger(str(tmp_path / "qmgr"))
        client.name([("A1", b"", b"")])
        slow, _ = listener.accept()
        listener.setblocking(False)
        other = None
        while other is None:
            client.name([(f"{number:05X}ABCD", b"", b"") for number in range(1000)])
            try:
                other, _ = listener.accept()
            except BlockingIOError:
                continue
        assert other.recv(100) == b"I"
        while slow.recv(65536):
            pass
        client.close()
        for sock in (slow, other, listener):
            sock.close()

    asyncio.run(scenario())


def test_names_are_told_from_letters_wherever_the_bytes_are_cut() -> None:
    data = b"I<A1>D<B_2 6 3>C<>IDFXE\0<4xz>F"
    for at in range(len(data) + 1):
        words, letters, names = Words(), b"", []
        for part in (data[:at], data[at:]):
            more, files = words.receive(part)
            letters += more
            names += files
        assert letters == b"IDF"
        assert names == [("A1", b"", b""), ("B_2", b"C<>IDF", b"XE\0"), ("4xz", b"", b"")]
        assert words.named


JUNK = [b"<>", b"<../x>", b"<" + b"A" * 300, b"<a b>", b"<<", b">", b"<A 1>", b"<A 1 99999>", b"<A -1 1>"]


@pytest.mark.parametrize("junk", JUNK)
def test_what_is_no_name_names_nothing(junk: bytes) -> None:
    assert Words().receive(junk)[1] == []
