"""How a session with one peer ends."""

import socket
import threading

import pytest

from pyfix.server.serial import UnwantedError
from pyfix.server.serial_link import SerialLink
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
