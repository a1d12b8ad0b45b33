import os
import signal
import socket
import stat

import pytest

from pyfix.unix import prctl, sockets
from pyfix.unix.signals import SignalPipe


def test_unix_socket_has_its_mode_whatever_the_umask(tmp_path):
    path = str(tmp_path / "s")
    mask = os.umask(0o077)
    with sockets.listen_unix(path, 5):
        os.umask(mask)
        found = os.stat(path)
        assert stat.S_ISSOCK(found.st_mode)
        assert found.st_mode & 0o777 == 0o666


def test_socket_left_behind_is_replaced(tmp_path):
    path = str(tmp_path / "s")
    sockets.listen_unix(path, 5).close()
    with sockets.listen_unix(path, 5), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_file_in_the_way_is_not_removed(tmp_path):
    (tmp_path / "s").write_text("precious")
    with pytest.raises(OSError):
        sockets.listen_unix(str(tmp_path / "s"), 5)
    assert (tmp_path / "s").read_text() == "precious"


def test_peer_credentials_name_the_process(tmp_path):
    with sockets.listen_unix(str(tmp_path / "s"), 5) as server, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
        with server.accept()[0] as peer:
            assert sockets.peer_credentials(peer) == (os.getpid(), os.getuid(), os.getgid())


def test_inet_socket_does_not_block_and_is_not_inherited():
    with sockets.listen_inet(socket.AF_INET, "127.0.0.1", 0, 5) as sock:
        assert not sock.get_inheritable()
        with pytest.raises(BlockingIOError):
            sock.accept()


def test_taken_port_is_an_error():
    with sockets.listen_inet(socket.AF_INET, "127.0.0.1", 0, 5) as sock, pytest.raises(OSError):
        sockets.listen_inet(socket.AF_INET, "127.0.0.1", sock.getsockname()[1], 5)


def test_fifo_waits_for_writers(tmp_path):
    path = str(tmp_path / "f")
    fd = sockets.open_fifo(path)
    with open(path, "wb", buffering=0) as writer:
        writer.write(b"W")
    assert os.read(fd, 9) == b"W"
    with pytest.raises(BlockingIOError):
        os.read(fd, 9)
    os.close(fd)
    assert os.stat(path).st_mode & 0o777 == 0o622


def test_signals_arrive_as_bytes():
    before = signal.getsignal(signal.SIGUSR1)
    pipe = SignalPipe([signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGUSR1)
    assert pipe.read() == {signal.SIGUSR1}
    assert pipe.read() == set()
    pipe.close()
    signal.signal(signal.SIGUSR1, before)


def test_name_shows_in_the_process_list():
    with open("/proc/self/comm") as file:
        before = file.read().strip()
    assert prctl.set_name("a-name-that-is-too-long")
    with open("/proc/self/comm") as file:
        assert file.read() == "a-name-that-is-\n"
    prctl.set_name(before)
