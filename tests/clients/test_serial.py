"""A serial program asks other daemons."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pyfix.clients.answer import ServiceGone
from pyfix.clients.bounce import DONE, FAILED, PROTOCOL, BounceClient
from pyfix.clients.deliver import Dsn
from pyfix.clients.serial import SerialChannel
from pyfix.clients.serial_rewrite import SerialRewriteClient
from pyfix.maps.run_now import run_now
from pyfix.queue.file import Recipient
from pyfix.server.serial_link import SerialLink
from pyfix.unix import msg


def serve(path: Path, *programs: Callable[[SerialLink], None]) -> threading.Thread:
    """A service that handles its connections, one after the other, with these functions."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def run() -> None:
        with listener:
            for program in programs:
                sock, _ = listener.accept()
                with sock:
                    program(SerialLink(sock, PROTOCOL))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def answer_once(link: SerialLink) -> None:
    stream, attrs, body = next(link.requests())
    link.send(stream, attrs, body)


def answer_all(link: SerialLink) -> None:
    for stream, attrs, body in link.requests():
        link.send(stream, attrs, body)


def test_a_connection_is_kept_and_one_that_died_is_replaced(tmp_path: Path) -> None:
    thread = serve(tmp_path / "s", answer_once, answer_all)
    channel = SerialChannel(str(tmp_path / "s"), PROTOCOL)
    for _ in range(5):
        assert channel.request_now(b"x\0y\0\0", b"body") == (b"x\0y\0\0", b"body")
    channel.close()
    thread.join()


def test_nobody_there_is_trouble_that_may_pass(tmp_path: Path) -> None:
    with pytest.raises(ServiceGone, match="No such file or directory"):
        SerialChannel(str(tmp_path / "s"), PROTOCOL).request_now(b"")


def test_entries_go_to_the_log_they_belong_to(tmp_path: Path) -> None:
    seen = []

    def program(link: SerialLink) -> None:
        for answer, (stream, attrs, _) in zip((DONE, FAILED), link.requests(), strict=False):
            seen.append(attrs)
            link.send(stream, answer)

    thread = serve(tmp_path / "defer", program)
    lines: list[str] = []
    before = msg.to(lambda _, text: lines.append(text))
    try:
        client = BounceClient({"defer": SerialChannel(str(tmp_path / "defer"), PROTOCOL)})
        recipient = Recipient(300, "u@d.test")
        dsn = Dsn("4.3.0", "try later", "delayed")
        assert run_now(client.append("defer", "4D1F22A", recipient, dsn))
        assert not run_now(client.append("defer", "4D1F22A", recipient, dsn))
        thread.join()
        assert not run_now(client.append("defer", "4D1F22A", recipient, dsn))
    finally:
        msg.to(*before)
    assert seen[0] == (
        b"nrequest\x000\0flags\x000\0queue_id\x004D1F22A\0original_recipient\0\0recipient\0u@d.test\0"
        b"offset\x00300\0dsn_orig_rcpt\0\0notify_flags\x000\0status\x004.3.0\0diag_type\0\0diag_text\0\0"
        b"mta_type\0\0mta_mname\0\0action\0delayed\0reason\0try later\0\0"
    )
    reason = f"service unavailable: {tmp_path}/defer: Connection refused"
    assert lines == [f"warning: 4D1F22A: can't append to the defer log: {reason}"]


def test_nobody_waits_for_rewriting_when_it_is_time_to_leave(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # no private/rewrite here
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(ServiceGone):
        run_now(SerialRewriteClient(wake=reading).rewrite("local", "a"))
    os.close(reading)
