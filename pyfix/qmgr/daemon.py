"""qmgr - queue manager: decides what is delivered when, and how much at once

Service:    qmgr (public/qmgr), one process
Privileges: mail_owner, chroot, no network
Parameters: qmgr_message_active_limit, qmgr_message_recipient_limit, queue_run_delay, the back-off and
            lifetime parameters (defer), transport_retry_time, defer_transports, <transport>_... (limits)
Sources:    qmgr(8), commands sheet section 3

Triggers are letters on public/qmgr: I or W scan incoming, D scan deferred, A regardless of time
stamps, F forget what is dead. A NUL ends the session, as Postfix's clients want it. cleanup names its new files
(clients/trigger), which saves the scans, and says what is in them, which saves reading them. Only mail_owner and root
are believed, who may write to these files.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress

from pyfix.clients import flush
from pyfix.clients.bounce import PROTOCOL as BOUNCE_PROTOCOL
from pyfix.clients.bounce import BounceClient, paths
from pyfix.clients.rewrite_client import RewriteClient
from pyfix.clients.stream import Channel
from pyfix.clients.trigger import SCAN_INCOMING, File, Words
from pyfix.config.compatibility import keeps_old_default, using
from pyfix.config.params.flush import FlushParams
from pyfix.config.params.mail import MailParams
from pyfix.config.params.qmgr import QmgrParams
from pyfix.maps.match import DomainMatch, parent_matches
from pyfix.maps.table import TableError
from pyfix.maps.user_acl import UserAcl
from pyfix.qmgr import log
from pyfix.qmgr.active import Active
from pyfix.qmgr.defer import Backoff
from pyfix.qmgr.deliver import Deliveries
from pyfix.qmgr.limits import read_limits
from pyfix.qmgr.message import Message
from pyfix.qmgr.report import Reports
from pyfix.qmgr.resolve import Policy, Resolver
from pyfix.qmgr.scan import Scan
from pyfix.queue.directory import QueueDirectory
from pyfix.server import eager
from pyfix.server.context import Context
from pyfix.unix import msg
from pyfix.unix.loop import running
from pyfix.unix.sockets import peer_credentials

BATCH = 50  # messages that enter in one turn of the loop
FLUSH_AT_ONCE = 10  # connections to the flush service
FLUSH_WAITING = 1000  # messages of which it is to be told; of more it is not, since what it knows is a hint
LOOK_AFTER = 60.0  # seconds without a look at all of incoming, after which names alone don't do

INCOMING_LETTERS = frozenset(b"IW")


class Qmgr:
    """The queue manager. resolver: instead of the rewrite service (tests)."""

    def __init__(self, context: Context, resolver: Resolver | None = None) -> None:
        main = context.main
        mail, cfg = MailParams(main), QmgrParams(main)
        self._main = main
        self._mail, self._cfg = mail, cfg
        self._resolver = resolver
        self._queue = QueueDirectory.from_config(main)
        self._scans = (Scan(self._queue, "incoming"), Scan(self._queue, "deferred"))
        self._acl = UserAcl(mail.authorized_flush_users, "authorized_flush_users")
        self._fast_flush = DomainMatch(
            FlushParams(main).fast_flush_domains,
            name="fast_flush_domains",
            parent=parent_matches(mail.parent_domain_matches_subdomains, "fast_flush_domains"),
        )
        self._flush_by_old_default = (
            main.raw("fast_flush_domains") is None and keeps_old_default(main, "relay_domains")
        )
        self._flush_at_once = asyncio.Semaphore(FLUSH_AT_ONCE)
        self._flush_waiting = 0
        self._turn = 0
        self._retiring = False
        self._looked = 0.0
        self._feeding: asyncio.Handle | None = None
        self._queue_run: asyncio.TimerHandle | None = None
        self._policy = Policy(
            frozenset(cfg.defer_transports.replace(",", " ").split()), mail.double_bounce_sender
        )
        self._backoff = Backoff(
            mail.minimal_backoff_time,
            mail.maximal_backoff_time,
            mail.maximal_queue_lifetime,
            min(mail.bounce_queue_lifetime, mail.maximal_queue_lifetime),
        )
        if mail.bounce_queue_lifetime > mail.maximal_queue_lifetime:
            msg.warning(log.ADJUSTING)
        if self._cfg.qmgr_message_recipient_limit < self._cfg.qmgr_message_active_limit:
            msg.warning(log.ADJUSTING_RECIPIENTS)
        self._hearing: set[asyncio.Future[None]] = set()
        """Trigger sessions, until they are over."""
        self._channels: dict[str, Channel]
        self._active: Active
        self._deliveries: Deliveries

    async def start(self) -> None:
        """Take over what an earlier qmgr left, and begin."""
        mail, cfg = self._mail, self._cfg
        self._active = Active(
            self._queue,
            self._resolver or RewriteClient(f"private/{mail.rewrite_service_name}", timeout=cfg.qmgr_ipc_timeout),
            self._policy,
            self._backoff,
            self._feed_soon,
            message_limit=cfg.qmgr_message_active_limit,
            recipient_limit=max(cfg.qmgr_message_recipient_limit, cfg.qmgr_message_active_limit),
        )
        channels = self._channels = {
            log: Channel(path, BOUNCE_PROTOCOL, timeout=cfg.qmgr_ipc_timeout) for log, path in paths(mail).items()
        }
        bounce = BounceClient(dict(channels))
        self._active.reports = Reports(
            self._queue, bounce, self._backoff, verp=not cfg.disable_verp_bounces
        )
        self._deliveries = self._active.deliveries = Deliveries(
            lambda name: read_limits(self._main, name),
            bounce,
            self._active.done,
            backoff=mail.minimal_backoff_time,
            retry_time=cfg.transport_retry_time,
            ipc_timeout=cfg.qmgr_ipc_timeout,
            resolution=mail.delay_logging_resolution_limit,
        )
        if self._fast_flush:
            self._active.on_deferred = self._remember  # type: ignore[method-assign]  # a hook
        self._active.start_over()
        self.trigger(b"I")
        self._run_queue()

    async def serve(self, sock: socket.socket) -> None:
        """One trigger session: letters until a NUL or until the client hangs up."""
        with sock:
            uid = peer_credentials(sock).uid
            if uid not in {0, os.geteuid()} and (name := await self._acl.refused(uid)):
                msg.warning(f"User {name}({uid}) is not allowed to flush the mail queue")
                return
            await self._hear(sock, ours=uid in {0, os.geteuid()})

    async def _hear(self, sock: socket.socket, *, ours: bool) -> None:
        """Letters and names, as they come. The reader stays: clients keep their connections."""
        loop = running()
        over: asyncio.Future[None] = loop.create_future()
        words = Words()

        def hear() -> None:
            try:
                data = sock.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            letters, files = words.receive(data)
            if files and ours:
                self.named(files)
            if letters or not data:
                self.trigger(letters or (SCAN_INCOMING if words.named else b""))
            if not data or 0 in letters:
                loop.poller.remove(sock.fileno())
                if not over.done():
                    over.set_result(None)

        loop.poller.add(sock.fileno(), hear)
        self._hearing.add(over)
        try:
            await over
        finally:
            self._hearing.discard(over)
            loop.poller.remove(sock.fileno())

    async def retire(self) -> None:
        """Send nothing more; wait for what is under way. Who keeps a connection is to look for the next qmgr."""
        self._retiring = True
        if self._queue_run is not None:
            self._queue_run.cancel()
        if self._feeding is not None:
            self._feeding.cancel()
        await self._deliveries.stop()
        await self._active.reports.idle()
        self._deliveries.close()
        for channel in self._channels.values():
            channel.close()
        for over in self._hearing:
            if not over.done():
                over.set_result(None)

    def _remember(self, message: Message) -> None:
        """Let the flush service know which sites the message waits for."""
        if self._flush_waiting >= FLUSH_WAITING:
            return
        sites = {recipient.address.rpartition("@")[2].lower() for recipient in message.envelope.recipients}
        eager.start(self._tell_flush(message.queue_id, sites))

    async def _tell_flush(self, queue_id: str, sites: set[str]) -> None:
        self._flush_waiting += 1
        try:
            async with self._flush_at_once:
                await self._tell_flush_now(queue_id, sites)
        finally:
            self._flush_waiting -= 1

    async def _tell_flush_now(self, queue_id: str, sites: set[str]) -> None:
        path = f"public/{self._mail.flush_service_name}"
        for site in sites:
            with suppress(TableError):
                if await self._fast_flush.matches(site):
                    if self._flush_by_old_default:
                        why = f'update fast-flush logfile for domain "{site}"'
                        msg.info(using("relay_domains=$mydestination", why))
                    await flush.ask_later(path, request="add", site=site, queue_id=queue_id)

    def named(self, files: list[File]) -> None:
        """Take in files of incoming that are complete; for what there is no room is looked for later."""
        if time.monotonic() - self._looked > LOOK_AFTER:
            self.trigger(SCAN_INCOMING)
        for queue_id, head, tail in files:
            if self._active.full or self._retiring:
                self.trigger(SCAN_INCOMING)
                return
            self._active.feed("incoming", queue_id, None, handed=(head, tail))

    def trigger(self, letters: bytes) -> None:
        """Do what the letters ask for; others are ignored."""
        asked = frozenset(letters)
        if asked & frozenset(b"F"):
            self._deliveries.revive_all()
        incoming, deferred = self._scans
        ignore_time = bool(asked & frozenset(b"A"))
        freed = bool(asked & frozenset(b"D")) and self._active.free_stuck()
        if freed or asked & INCOMING_LETTERS:
            self._looked = time.monotonic()
            incoming.request(ignore_time=ignore_time)
        if asked & frozenset(b"D"):
            deferred.request(ignore_time=ignore_time)
        self._feed_soon()

    def _run_queue(self) -> None:
        """Scan deferred now and every queue_run_delay seconds."""
        self.trigger(b"D")
        self._queue_run = asyncio.get_running_loop().call_later(self._mail.queue_run_delay, self._run_queue)

    def _feed_soon(self) -> None:
        incoming, deferred = self._scans
        if (incoming.active or deferred.active) and self._feeding is None and not self._retiring:
            self._feeding = asyncio.get_running_loop().call_soon(self._feed)

    def _feed(self) -> None:
        """Let some messages in: from incoming and deferred in turn, while there is room."""
        self._feeding = None
        for _ in range(BATCH):
            if self._active.full:
                return
            scan = self._scans[self._turn]
            self._turn = 1 - self._turn
            candidate = scan.next() if scan.active else None
            if candidate is not None:
                self._active.feed(scan.name, *candidate, flush=scan.ignores_time)
            elif not any(scan.active for scan in self._scans):
                return
        self._feed_soon()
