"""flush - remembers which messages wait for a site, and has them tried on demand

Service:    flush        unix  n       -       n       1000?   0       flush
Privileges: mail_owner, no network
Parameters: params/flush.py; authorized_flush_users, parent_domain_matches_subdomains
Sources:    flush(8), queue-file sheet section 8; pyfix.clients.flush says what is said on a connection

For each site in fast_flush_domains there is a log, flush/NAME, with a queue id on each line. `add` appends to it,
`send_site` moves its messages back to incoming and empties it. A W instead of a request (master's wake-up) refreshes
logs that were not visited for fast_flush_refresh_time.

Mail_owner and root may ask anything, others (by the peer credentials of their connection) only what
authorized_flush_users lets them: to have mail tried.
"""

import asyncio
import os
import re
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pyfix.clients import flush
from pyfix.clients.flush import BAD, DENY, FAIL, OK
from pyfix.clients.trigger import Trigger
from pyfix.config.expand import to_ascii
from pyfix.config.params.flush import FlushParams
from pyfix.config.params.mail import MailParams
from pyfix.maps.match import DomainMatch, parent_matches
from pyfix.maps.table import TableError
from pyfix.maps.user_acl import UserAcl
from pyfix.queue.directory import QueueDirectory, is_ready
from pyfix.queue.names import is_valid
from pyfix.server.context import Context
from pyfix.unix import locks, msg, sockets

DIRECTORY = "flush"
UNTHROTTLE = 0o040  # mode bit that tells qmgr to forget which destinations are dead
FOR_OTHERS = frozenset({"send_site", "send_file"})
NO_LETTERS = re.compile(r"[^a-z0-9]", re.ASCII)


def log_name(site: str) -> str:
    """The log of a site: a domain, or [address]."""
    return NO_LETTERS.sub("_", to_ascii(site.lower()))


class Flush:
    """The flush service."""

    def __init__(self, context: Context) -> None:
        mail = MailParams(context.main)
        self._cfg = cfg = FlushParams(context.main)
        self._queue = QueueDirectory.from_config(context.main)
        self._acl = UserAcl(mail.authorized_flush_users, "authorized_flush_users")
        parent = parent_matches(mail.parent_domain_matches_subdomains, "fast_flush_domains")
        self._domains = DomainMatch(cfg.fast_flush_domains, name="fast_flush_domains", parent=parent)
        self._qmgr_path = f"public/{mail.queue_service_name}"
        self._timeout = mail.ipc_timeout
        self._qmgr: Trigger
        self._requests: dict[str, Callable[[dict[str, str]], Awaitable[int]]] = {
            "add": self._add,
            "send_site": self._send_site,
            "send_file": self._send_file,
            "rfrsh": self._refresh,
            "purge": self._purge,
        }

    async def start(self) -> None:
        """Know the loop."""
        self._qmgr = Trigger(self._qmgr_path)

    async def serve(self, sock: socket.socket) -> None:
        """One request, or a wake-up."""
        loop = asyncio.get_running_loop()
        uid = sockets.peer_credentials(sock).uid
        with sock:
            try:
                await loop.sock_sendall(sock, flush.GREETING)
                request = await asyncio.wait_for(_receive(sock), self._timeout)
                if request is not None:
                    status = await self._answer(request, uid)
                    await loop.sock_sendall(sock, flush.encode(status=status))
                elif uid in {0, os.geteuid()}:
                    await self._refresh({})
            except (TimeoutError, flush.MalformedError) as error:
                msg.warning(f"uid={uid}: {error or 'timeout'}")

    async def retire(self) -> None:
        """Sessions end by themselves."""

    async def _answer(self, request: dict[str, str], uid: int) -> int:
        what = request.get("request", "")
        handler = self._requests.get(what)
        if handler is None:
            return BAD
        if uid not in {0, os.geteuid()}:
            name = await self._acl.refused(uid)
            if name or what not in FOR_OTHERS:
                msg.warning(f"User {name or 'unknown'}({uid}) is not allowed to flush mail")
                return DENY
        try:
            return await handler(request)
        except TableError:
            return FAIL
        except OSError as error:
            msg.warning(f"{what}: {error.filename or ''}: {error.strerror}")
            return FAIL

    # Requests

    async def _add(self, request: dict[str, str]) -> int:
        site, queue_id = request.get("site", ""), request.get("queue_id", "")
        if not await self._domains.matches(site.lower()):
            return DENY
        if not is_valid(queue_id):
            return BAD
        path = f"{DIRECTORY}/{log_name(site)}"
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            locks.flock_exclusive(fd, wait=True)
            os.write(fd, queue_id.encode() + b"\n")
        finally:
            os.close(fd)
        return OK

    async def _send_site(self, request: dict[str, str]) -> int:
        site = request.get("site", "")
        if not await self._domains.matches(site.lower()):
            return DENY
        return self._send_log(log_name(site), revive=True)

    async def _send_file(self, request: dict[str, str]) -> int:
        queue_id = request.get("queue_id", "")
        if not is_valid(queue_id):
            return BAD
        if self._release(queue_id, "deferred", unthrottle=True):
            self._qmgr.send(b"I")
        return OK

    async def _refresh(self, _: dict[str, str]) -> int:
        return self._send_logs(time.time() - self._cfg.fast_flush_refresh_time)

    async def _purge(self, _: dict[str, str]) -> int:
        return self._send_logs(None)

    # Logs

    def _send_logs(self, before: float | None) -> int:
        """Try the mail of all logs (None) or of those not visited since; remove those that are empty and old."""
        old = time.time() - self._cfg.fast_flush_purge_time
        for name in os.listdir(DIRECTORY):
            path = f"{DIRECTORY}/{name}"
            with suppress(FileNotFoundError):
                status = os.stat(path)
                if status.st_size == 0:
                    if status.st_mtime < old:
                        os.unlink(path)
                elif before is None or status.st_atime < before:
                    self._send_log(name, revive=False)
        return OK

    def _send_log(self, name: str, *, revive: bool) -> int:
        """Have the messages of a log tried, and empty it. revive: the site is said to be up."""
        try:
            fd = os.open(f"{DIRECTORY}/{name}", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return OK  # nothing waits
        try:
            locks.flock_exclusive(fd, wait=True)
            ids = _ids(fd, name)
            for queue_id in ids:
                _ = self._release(queue_id, "deferred", unthrottle=revive) or self._release(queue_id, "incoming")
            if ids:
                os.ftruncate(fd, 0)
                self._qmgr.send(b"I")
            os.utime(fd)
        finally:
            os.close(fd)
        return OK

    def _release(self, queue_id: str, queue: str, *, unthrottle: bool = False) -> bool:
        """Make a message due now, in incoming. False: it is not in that queue."""
        path = self._queue.path(queue, queue_id)
        try:
            status = os.lstat(path)
            if not is_ready(status):
                return False
            os.utime(path, follow_symlinks=False)
            if unthrottle:
                os.chmod(path, status.st_mode & 0o7777 | UNTHROTTLE)
            if queue != "incoming":
                self._queue.rename(queue_id, queue, "incoming")
        except (FileNotFoundError, FileExistsError):
            return False
        return True


async def _receive(sock: socket.socket) -> dict[str, str] | None:
    """A request; None: it was a trigger. MalformedError."""
    loop = asyncio.get_running_loop()
    buf = b""
    while data := await loop.sock_recv(sock, flush.LIMIT):
        buf += data
        if buf[:1] == b"W":  # as master wakes services up; requests begin with a small letter
            return None
        found = flush.decode(buf)
        if found is not None:
            return found[0]
    return None if not buf else {}


def _ids(fd: int, name: str) -> list[str]:
    """The distinct queue ids in a log."""
    with os.fdopen(os.dup(fd), "rb") as file:
        lines = file.read().decode("utf-8", "surrogateescape").split("\n")
    for line in lines:
        if line and not is_valid(line):
            msg.warning(f'bad queue id "{line[:30]}..." in fast flush logfile {name}')
    return [line for line in dict.fromkeys(lines) if is_valid(line)]
