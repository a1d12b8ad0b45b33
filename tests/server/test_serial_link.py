"""How a session with one peer ends."""

import contextlib
import socket
import threading
from types import SimpleNamespace

import pytest

from pyfix.server import control
from pyfix.server.serial import SerialWorker, UnwantedError
from pyfix.server.serial_link import SerialLink
from pyfix.unix import msg, sockets
from pyfix.unix.maillog_client import Frame, Postlog
from pyfix.wire.stream import CONNECTION, GOAWAY, encode_frame

GO = encode_frame(CONNECTION, GOAWAY)


def test_a_peer_that_wants_nothing_is_asked_to_go_and_its_session_ends_as_unwanted():
    ours, theirs = socket.socketpair()

    def go_when_asked():
        said = b""
        while not said.endswith(GO):
            said += theirs.recv(4096)
        theirs.close()

    peer = threading.Thread(target=go_when_asked)
    peer.start()
    with ours, pytest.raises(UnwantedError):
        next(SerialLink(ours, "p", max_idle=0.02).requests())
    peer.join(10)


def test_a_peer_that_goes_by_itself_ends_it_as_any():
    ours, theirs = socket.socketpair()
    with ours:
        requests = SerialLink(ours, "p", max_idle=30).requests()
        theirs.sendall(encode_frame(1, b"a", b"b"))
        assert next(requests) == (1, b"a", b"b")
        theirs.close()
        assert list(requests) == []


@pytest.fixture
def busy_postlogd(tmp_path):
    """Its socket, which holds no more; lines go there."""
    path = str(tmp_path / "postlog")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(10)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, contextlib.suppress(BlockingIOError):
            other.setblocking(False)
            while True:
                other.sendto(b"of others", path)
        sink = Postlog(path, Frame("postfix/local", "mx"), lambda: lambda *_: None)
        before = msg.to(sink)
        yield server
        msg.to(*before)
        sink._sock.close()


def comes_after_those_of_others(server, text):
    while (line := server.recv(9999)) == b"of others":
        pass
    return line.endswith(text)


def test_a_line_that_postlogd_did_not_take_waits_for_no_further_request(busy_postlogd):
    ours, theirs = socket.socketpair()
    session = threading.Thread(target=lambda: list(SerialLink(ours, "p").requests()))
    with ours:
        msg.info("the last delivery")
        session.start()
        assert comes_after_those_of_others(busy_postlogd, b": the last delivery")
        theirs.close()
        session.join(10)


def test_a_line_that_postlogd_did_not_take_waits_for_no_further_connection(busy_postlogd, tmp_path):
    master, theirs = control.pair()
    with master, theirs:
        listener = sockets.listen_unix(str(tmp_path / "s"), 5)
        worker = threading.Thread(target=SerialWorker(SimpleNamespace(), [listener.detach()], theirs).run)
        msg.info("the last delivery")
        worker.start()
        assert comes_after_those_of_others(busy_postlogd, b": the last delivery")
        control.say(master, control.RETIRE)
        worker.join(10)
