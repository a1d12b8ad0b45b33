"""suite - all daemons that a message needs, in one process, so that everything they do to files is in one order

Each is the real program on its real socket in the current directory. qmgr and pickup may be started anew as often as a
test likes; the others keep nothing and stay. Programs that do one thing at a time have a thread.
"""

import asyncio
import contextlib
import os
import pwd
import socket
import threading

from pyfix.config.main_cf import MainCf
from pyfix.queue import names
from pyfix.server import programs
from pyfix.server.context import Context
from pyfix.unix import msg

MAIN_CF = """
myhostname = mx.test
mydestination = mx.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mail_owner = {owner}
queue_directory = {root}
virtual_mailbox_domains = v.test
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = inline:{{ a@v.test=a/, b@v.test=b/, s@v.test=s/, late@v.test=late/, box@v.test=box }}
alias_maps =
local_recipient_maps =
fast_flush_domains =
hash_queue_names = deferred, defer
hash_queue_depth = 1
default_destination_concurrency_limit = 1
minimal_backoff_time = 1s
maximal_backoff_time = 1s
strict_mailbox_ownership = no
virtual_mailbox_lock = fcntl
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = reject_unauth_destination
"""
SERVICES = {
    "private/rewrite": "trivial-rewrite",
    "public/cleanup": "cleanup",
    "private/bounce": "bounce",
    "private/defer": "bounce",
    "private/trace": "bounce",
    "private/error": "error",
    "private/retry": "error",
    "private/virtual": "virtual",
    "public/postdrop": "postdropd",
}
QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "trace")
WORK = ("maildrop", "incoming", "active")
PATIENCE = 5.0
NOBODY = pwd.getpwnam("nobody").pw_uid


def enter(patch, directory):
    """Be there, and, for what the daemons can see of it, an ordinary user. patch: a MonkeyPatch."""
    patch.chdir(directory)
    if os.getuid() == 0:
        patch.setattr(os, "getuid", lambda: NOBODY)
        patch.setattr(os, "geteuid", lambda: NOBODY)


class Suite:
    """In the current directory. log: what the daemons had to say."""

    def __init__(self, main_cf=""):
        owner = pwd.getpwuid(os.getuid()).pw_name
        self.text = MAIN_CF.format(root=os.getcwd(), owner=owner) + main_cf
        self.main = MainCf.from_text(self.text)
        self.log = []
        self._listeners = {}
        self._threads = []
        self._tasks = set()
        self._socks = set()
        """Our ends of connections."""

    @contextlib.asynccontextmanager
    async def running(self):
        """Everything but qmgr and pickup."""
        before = msg.to(lambda _, text: self.log.append(text))
        for directory in (*QUEUES, "flush", "private", "public", "mail", "etc"):
            os.makedirs(directory, 0o700, exist_ok=True)
        with open("etc/main.cf", "w") as file:
            file.write(self.text)
        try:
            for path in (*SERVICES, "public/pickup", "public/qmgr"):
                self._listeners[path] = listener = socket.socket(socket.AF_UNIX)
                listener.bind(path)
                listener.listen()
            for path, program in SERVICES.items():
                await self._start(path, program)
            yield self
        finally:
            await self._end(self._tasks)
            for listener in self._listeners.values():
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()
            for thread in self._threads:
                thread.join(PATIENCE)
            msg.to(*before)

    @contextlib.asynccontextmanager
    async def managed(self):
        """qmgr and pickup, started now and ended at once. Who kept a connection will have to make a new one."""
        others, self._tasks = self._tasks, set()
        try:
            pickup = await self._start("public/pickup", "pickup")
            qmgr = await self._start("public/qmgr", "qmgr")
            await self.look()
            yield
            await qmgr.retire()
            await pickup.retire()
        finally:
            ours, self._tasks = self._tasks, others
            await self._end(ours)

    async def smtp(self):
        """Start smtpd; its port."""
        self._listeners["smtp"] = listener = socket.create_server(("127.0.0.1", 0))
        await self._start("smtp", "smtpd")
        return listener.getsockname()[1]

    async def look(self):
        """Wake pickup and wait until it has looked."""
        reader, writer = await asyncio.open_unix_connection("public/pickup")
        writer.write(b"W\0")
        await reader.read()
        writer.close()

    async def flush(self):
        """Have everything tried at once, until there is nothing more, or too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self.ready("deferred"):
                    reader, writer = await asyncio.open_unix_connection("public/qmgr")
                    writer.write(b"FAD\0")
                    await reader.read()
                    writer.close()
                    await self.settle()

    def command(self, main, *words):
        """Run a command of ours that works on the queue."""
        before = msg.to()
        try:
            assert main(["command", "-c", os.path.abspath("etc"), *words]) == 0
        finally:
            msg.to(*before)

    async def settle(self, *queues):
        """Wait until there is nothing to do in maildrop, incoming and active (or these queues), or too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while any(self.ready(queue) for queue in queues or WORK):
                    await asyncio.sleep(0.001)

    def ready(self, queue):
        """The complete files of a queue; nobody was promised anything of others, and of names that are no ids."""
        found = []
        for directory, _, files in os.walk(queue):
            for path in [f"{directory}/{name}" for name in files if names.is_valid(name)]:
                with contextlib.suppress(FileNotFoundError):
                    if os.stat(path).st_mode & 0o700 == 0o700:
                        found.append(path)
        return found

    async def _start(self, path, program):
        listener = self._listeners[path]
        made = programs.load(program)(Context(os.path.basename(path), program, self.main))
        if program in programs.SERIAL:
            self._threads.append(threading.Thread(target=self._serve_serially, args=(made, listener), daemon=True))
            self._threads[-1].start()
            return made
        listener.setblocking(False)
        await made.start()
        self._tasks.add(asyncio.ensure_future(self._accept(made, listener, self._tasks)))
        return made

    async def _accept(self, program, listener, tasks):
        while True:
            sock, client = await asyncio.get_running_loop().sock_accept(listener)
            sock.setblocking(False)
            self._socks.add(sock)
            if hasattr(program, "take"):
                program.take(sock, client, lambda _: None)
            else:
                tasks.add(asyncio.ensure_future(program.serve(sock)))

    def _serve_serially(self, program, listener):
        """One connection after the other, until the listener is closed."""
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self._socks.add(sock)
            with sock, contextlib.suppress(OSError):
                program.serve(sock)

    async def _end(self, tasks):
        for sock in self._socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._socks.clear()
        for _ in range(5):  # who served them, and who was served, see the end
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
