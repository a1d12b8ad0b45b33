"""The daemons of these tests, each on its real socket, in one loop."""

import asyncio
import contextlib
import socket

import pytest

from pyfix.cleanup.daemon import Cleanup
from pyfix.clients.cleanup_client import CleanupClient
from pyfix.config.main_cf import MainCf
from pyfix.server.context import Context
from pyfix.services.pickup import Pickup
from pyfix.trivial_rewrite.daemon import TrivialRewrite
from pyfix.unix import msg

MAIN_CF = """
myhostname = mx.example.com
mydomain = example.com
myorigin = example.com
mydestination = example.com
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mail_owner = root
append_dot_mydomain = yes
"""
QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt", "private", "public")


class Suite:
    """rewrite, cleanup and pickup in the current directory. log: what they had to say."""

    def __init__(self, main_cf=""):
        self.main = MainCf.from_text(MAIN_CF + main_cf)
        self.log = []
        self.triggers = []
        self._tasks = set()
        self._clients = []
        self._socks = []
        self.programs = {}

    @contextlib.asynccontextmanager
    async def running(self):
        before = msg.to(lambda _, text: self.log.append(text))
        try:
            await self._serve("private/rewrite", TrivialRewrite)
            await self._serve("public/cleanup", Cleanup)
            await self._serve("public/pickup", Pickup)
            await self._listen("public/qmgr", self._hear)
            yield self
        finally:
            await self._stop()
            msg.to(*before)

    def client(self):
        """A client of cleanup that goes when the suite does."""
        client = CleanupClient()
        self._clients.append(client)
        return client

    async def look(self):
        """Wake pickup and wait until it has looked."""
        reader, writer = await asyncio.open_unix_connection("public/pickup")
        writer.write(b"W\0")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        while self.programs["public/pickup"]._task is not None:
            await asyncio.sleep(0.005)

    async def _stop(self):
        cleanup, pickup = self.programs["public/cleanup"], self.programs["public/pickup"]
        for client in (*self._clients, pickup._cleanup, cleanup._rewriter, cleanup._qmgr):
            client.close()
        for name in ("private/rewrite", "public/cleanup"):
            for link in list(self.programs[name]._server.links):
                link.close()
        await asyncio.sleep(0.01)  # a connection under way is accepted, and closed below
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(5):
            await asyncio.sleep(0)
        for sock in self._socks:
            sock.close()

    async def _serve(self, path, program):
        made = program(Context(path.rpartition("/")[2], program.__name__, self.main))
        self.programs[path] = made
        await made.start()
        await self._listen(path, made.serve)

    async def _listen(self, path, serve):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        listener.setblocking(False)

        async def accept():
            try:
                while True:
                    sock, _ = await asyncio.get_running_loop().sock_accept(listener)
                    sock.setblocking(False)
                    self._socks.append(sock)
                    self._tasks.add(asyncio.ensure_future(serve(sock)))
            finally:
                listener.close()

        self._tasks.add(asyncio.ensure_future(accept()))

    async def _hear(self, sock):
        with sock:
            while data := await asyncio.get_running_loop().sock_recv(sock, 100):
                self.triggers.append(data)


@pytest.fixture
def suite(tmp_path, monkeypatch):
    for name in QUEUES:
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return Suite
