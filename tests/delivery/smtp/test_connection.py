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
