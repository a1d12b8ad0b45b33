"""Connections to servers."""

import asyncio
import contextlib
import socket

import pytest

from pyfix.delivery.smtp.addresses import Server
from pyfix.delivery.smtp.connection import CanNotConnect, connect


def test_a_server_that_does_not_take_the_connection_is_given_up_in_time():
    async def run(port):
        await connect(Server("h", "127.0.0.1", port), 0.3)

    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):  # its queue is full
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        with pytest.raises(CanNotConnect, match="Connection timed out"):
            asyncio.run(run(listener.getsockname()[1]))


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (Server("h", "127.0.0.1", 1), "Connection refused"),
        (Server("h", "private/none"), "No such file or directory"),
    ],
    ids=["port", "socket"],
)
def test_a_server_that_is_not_there_can_not_be_connected_to(server, reason):
    with pytest.raises(CanNotConnect, match=reason):
        asyncio.run(connect(server, 0))


def fill(path):
    """Connect until there is no room in the line."""
    waiting = []
    while True:
        waiting.append(socket.socket(socket.AF_UNIX))
        waiting[-1].setblocking(False)
        try:
            waiting[-1].connect(path)
        except BlockingIOError:
            return waiting


@pytest.mark.parametrize("in_time", [True, False])
def test_a_unix_socket_with_a_full_line_is_waited_for_as_long_as_others(tmp_path, in_time):
    """Dovecot may be busy: by default Postfix waits too."""
    path = str(tmp_path / "lmtp")

    async def run(listener, line):
        connecting = asyncio.create_task(connect(Server("h", path), 0 if in_time else 0.03))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if in_time:
            assert not connecting.done()
            for _ in line[:-1]:
                listener.accept()[0].close()
            (await connecting).abort()
            await asyncio.sleep(0)
        else:
            with pytest.raises(CanNotConnect, match="Connection timed out"):
                await connecting

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        line = fill(path)
        asyncio.run(run(listener, line))
        for sock in line:
            sock.close()
