import socket
import threading

import pytest

from pyfix.server import control
from pyfix.server.serial import SerialWorker, UnwantedError
from pyfix.unix import sockets


class Upper:
    def serve(self, sock):
        data = sock.recv(99)
        if data == b"bug":
            raise ValueError("a bug")
        sock.sendall(data.upper())


@pytest.fixture
def master(tmp_path, channel):
    path = str(tmp_path / "s")
    ours, theirs = channel
    ours.setblocking(True)
    listener = sockets.listen_unix(path, 5)
    threads = []

    def start(**limits):
        worker = SerialWorker(Upper(), [listener.detach()], theirs, **limits)
        threads.append(threading.Thread(target=worker.run))
        threads[0].start()
        return path, ours, threads[0]

    yield start
    ours.close()
    threads[0].join(10)


def ask(path, data):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(data)
        return client.recv(99)


def test_serves_one_after_the_other(master):
    path, status, thread = master()
    assert ask(path, b"a") == b"A"
    assert ask(path, b"b") == b"B"
    words = [status.recv(99) for _ in range(6)]
    assert words[:4] == [control.AVAILABLE, control.BUSY, control.SERVED, control.AVAILABLE]
    assert words[4:] == [control.BUSY, control.AVAILABLE]
    control.say(status, control.RETIRE)
    thread.join(10)
    assert not thread.is_alive()


def test_leaves_when_nobody_comes(master):
    _, status, thread = master(max_idle=0.01)
    thread.join(10)
    assert [status.recv(99), status.recv(99)] == [control.AVAILABLE, control.IDLE]


def test_leaves_when_a_session_ends_because_nobody_wants_anything(tmp_path, channel):
    class Unwanted:
        def serve(self, sock):
            sock.recv(99)
            raise UnwantedError

    status, theirs = channel
    status.setblocking(True)
    listener = sockets.listen_unix(str(tmp_path / "s"), 5)
    thread = threading.Thread(target=SerialWorker(Unwanted(), [listener.detach()], theirs).run)
    thread.start()
    assert ask(str(tmp_path / "s"), b"a") == b""
    thread.join(10)
    assert not thread.is_alive()
    assert [status.recv(99) for _ in range(3)] == [control.AVAILABLE, control.BUSY, control.IDLE]


def test_leaves_after_its_number_of_sessions(master):
    path, _, thread = master(max_sessions=1)
    assert ask(path, b"a") == b"A"
    thread.join(10)
    assert not thread.is_alive()


def test_leaves_when_master_has_gone(master):
    _, status, thread = master()
    assert status.recv(99) == control.AVAILABLE
    status.close()
    thread.join(10)
    assert not thread.is_alive()


def test_bug_is_one_line_and_the_worker_leaves(master, lines):
    path, _, thread = master()
    assert ask(path, b"bug") == b""
    thread.join(10)
    assert not thread.is_alive()
    assert [line for line in lines if line.endswith("ValueError: a bug")] == lines
