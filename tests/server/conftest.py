"""A worker in the test's own loop, and the other end of its status socket."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from pyfix.server import control
from pyfix.server.worker import Worker
from pyfix.unix import msg, sockets


class Echo:
    """A program that sends back what it gets until the client closes."""

    def __init__(self):
        self.calls = []

    async def start(self):
        self.calls.append("start")

    async def serve(self, sock):
        loop = asyncio.get_running_loop()
        with sock:
            while data := await loop.sock_recv(sock, 100):
                if data == b"bug":
                    raise ValueError("a bug")
                await loop.sock_sendall(sock, data)

    async def retire(self):
        self.calls.append("retire")

    def stress(self, on):
        self.calls.append("stress" if on else "calm")


class Master:
    """What master sees of one worker."""

    def __init__(self, path, status, task):
        self.path = path
        self.status = status
        self.task = task

    async def word(self):
        return await asyncio.get_running_loop().sock_recv(self.status, 99)

    async def connect(self):
        return await asyncio.open_unix_connection(self.path)


@pytest.fixture
def worker(tmp_path):
    @asynccontextmanager
    async def make(program, **limits):
        path = str(tmp_path / "service")
        ours, theirs = control.pair()
        with sockets.listen_unix(path, 100) as listener, ours, theirs:
            made = Worker(program, [listener.detach()], theirs, **limits)
            task = asyncio.create_task(made.run())
            yield Master(path, ours, task)
            control.say(ours, control.RETIRE)
            await asyncio.wait_for(task, 10)

    return make


@pytest.fixture
def lines():
    collected = []
    before = msg.to(lambda _, text: collected.append(text))
    yield collected
    msg.to(*before)


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def channel():
    ours, theirs = control.pair()
    assert isinstance(ours, socket.socket)
    with ours, theirs:
        yield ours, theirs
