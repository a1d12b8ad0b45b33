"""postdropd - takes submissions from local users who may not write maildrop

Service:    postdrop     unix  n       -       n       -       0       postdropd
Privileges: mail_owner, no network
Parameters: authorized_submit_users, message_size_limit, ipc_timeout, pickup_service_name
Sources:    postdrop(1); pyfix.clients.postdrop says what is said on a connection

It stands where Postfix has a set-gid program; where master.cf has no such line, master serves it all the same. The
kernel says who the caller is; authorized_submit_users is asked about him. What he sends passes the filter of
pyfix.queue.submitted and becomes a file in maildrop, made durable together with others of the same moment, before he
hears that it was taken.

This process can't give a file to the caller. So the file belongs to mail_owner, and its first records are the time
and an attribute `submitter_uid`, which says whose it is. pickup believes that only of a file that mail_owner owns,
and only mail_owner (or root) can make one; the filter lets no such attribute of a caller's pass. A file that
somebody wrote into maildrop himself is his by its owner, whatever stands in it.

One user has at most SESSIONS submissions at work; more wait in line.
"""

import asyncio
import os
import socket

from pyfix.clients import postdrop
from pyfix.clients.cleanup import STAT_BAD, STAT_NOPERM, STAT_SIZE, STAT_WRITE
from pyfix.clients.trigger import Trigger
from pyfix.config.params.mail import MailParams
from pyfix.maps.user_acl import UserAcl
from pyfix.queue import records as rec
from pyfix.queue.batch import make_durable
from pyfix.queue.directory import NewFile, QueueDirectory
from pyfix.queue.submitted import Filter, MalformedError
from pyfix.server.context import Context
from pyfix.unix import msg, sockets
from pyfix.unix.loop import running

MODE = 0o744  # of a complete file in maildrop
SESSIONS = 20
READ = 65536
LISTEN = 5.0  # seconds to the end of a caller who has his answer


class RefusedError(Exception):
    """The submission is not taken. status: bits of the cleanup service."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Postdropd:
    """The postdrop service."""

    def __init__(self, context: Context) -> None:
        mail = MailParams(context.main)
        self._queue = QueueDirectory.from_config(context.main)
        self._acl = UserAcl(mail.authorized_submit_users, "authorized_submit_users")
        self._limit = mail.message_size_limit
        self._timeout = mail.ipc_timeout
        self._pickup_path = f"public/{mail.pickup_service_name}"
        self._pickup: Trigger
        self._turns: dict[int, asyncio.Semaphore] = {}
        self._batch: list[tuple[NewFile, asyncio.Future[OSError | None]]] = []

    async def start(self) -> None:
        """Know the loop."""
        self._pickup = Trigger(self._pickup_path)

    async def serve(self, sock: socket.socket) -> None:
        """One submission."""
        uid = sockets.peer_credentials(sock).uid
        turn = self._turns.setdefault(uid, asyncio.Semaphore(SESSIONS))
        with sock:
            try:
                async with turn:
                    answer = await self._answer(sock, uid)
                if answer:
                    await _tell(sock, answer)
            except TimeoutError:
                msg.warning(f"uid={uid}: timeout")

    async def retire(self) -> None:
        """Sessions come to their end by themselves."""

    async def _answer(self, sock: socket.socket, uid: int) -> bytes:
        """The verdict; nothing to say to a caller who has hung up."""
        try:
            if name := await self._acl.refused(uid):
                raise RefusedError(STAT_NOPERM, f"User {name}({uid}) is not allowed to submit mail")
            return postdrop.verdict(0) if await self._submission(sock, uid) else b""
        except RefusedError as error:
            msg.warning(f"uid={uid}: {error}")
            return postdrop.verdict(error.status, str(error))
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            msg.warning(f"uid={uid}: {error.strerror}")
            return postdrop.verdict(STAT_WRITE, "queue file write error")

    async def _submission(self, sock: socket.socket, uid: int) -> bool:
        """Take one; False: the caller has thought better of it. OSError, RefusedError."""
        file = self._queue.create("maildrop")
        file.mode = MODE
        kept = False
        try:
            await asyncio.get_running_loop().sock_sendall(sock, postdrop.greeting(file.id))
            kept = await self._fill(file, sock, uid) and await self._commit(file)
        finally:
            os.close(file.fd)
            if not kept:
                self._queue.remove("maildrop", file.id)
        return kept

    async def _fill(self, file: NewFile, sock: socket.socket, uid: int) -> bool:
        """Write what passes; False: no end came."""
        loop = asyncio.get_running_loop()
        records = Filter(uid)
        time = b"%d %d" % (file.seconds, file.microseconds)
        size = _write(file.fd, rec.encode(rec.TIME, time) + rec.attribute(rec.SUBMITTER, str(uid)))
        while not records.complete:
            data = await asyncio.wait_for(loop.sock_recv(sock, READ), self._timeout)
            if not data:
                return False
            try:
                size += _write(file.fd, records.feed(data))
            except MalformedError as error:
                raise RefusedError(STAT_BAD, str(error)) from None
            if self._limit and size > self._limit:
                raise RefusedError(STAT_SIZE, "message file too big")
        return True

    async def _commit(self, file: NewFile) -> bool:
        """Make it durable with others of this turn. OSError."""
        loop = running()
        if not self._batch:
            loop.poller.after(self._commit_all)
        done: asyncio.Future[OSError | None] = loop.create_future()
        self._batch.append((file, done))
        if error := await done:
            raise error
        return True

    def _commit_all(self) -> None:
        batch, self._batch = self._batch, []
        for (_, done), result in zip(batch, make_durable([file for file, _ in batch]), strict=True):
            if not done.done():
                done.set_result(result)
        self._pickup.send(b"W")


async def _tell(sock: socket.socket, answer: bytes) -> None:
    """Say it, and hear the caller out: what is unread when a socket is closed takes the answer with it."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, answer)
    sock.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(LISTEN):
        while await loop.sock_recv(sock, READ):
            pass


def _write(fd: int, data: bytes) -> int:
    """All of it. OSError."""
    left = data
    while left:
        left = left[os.write(fd, left) :]
    return len(data)
