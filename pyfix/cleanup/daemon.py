"""cleanup - completes messages and puts them into the incoming queue

Service:    cleanup      unix  n       -       y       -       0       cleanup
Privileges: mail_owner, no network; may be in a chroot
Parameters: params/cleanup.py
Sources:    cleanup(8)

What is said on a connection is in pyfix.clients.cleanup. Messages that are complete in one
turn of the event loop are made durable together, then all their senders are answered, then
the queue manager hears of them.

Nothing is taken over from a client that has died before that, whatever it said: the next pickup, local or bounce
hands the same over again. One that dies as the disk writes has handed it over.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from functools import partial

from pyfix.cleanup import log
from pyfix.cleanup.bounce import Bouncer
from pyfix.cleanup.feed import Feed, GivenUpError
from pyfix.cleanup.message import Message
from pyfix.cleanup.setup import address_mapper, message_rules
from pyfix.cleanup.store import Store
from pyfix.cleanup.verdict import NotAcceptedError
from pyfix.clients import cleanup as service
from pyfix.clients.bounce import PROTOCOL as BOUNCE_PROTOCOL
from pyfix.clients.bounce import BounceClient, paths
from pyfix.clients.cleanup import FLAG_DISCARD, STAT_OK, STAT_WRITE, UNUSED
from pyfix.clients.rewrite_client import RewriteClient
from pyfix.clients.stream import Channel
from pyfix.clients.trigger import File, Trigger
from pyfix.config.params.mail import MailParams
from pyfix.queue.batch import make_durable
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.unnamed import UnnamedFiles
from pyfix.server import bug, eager
from pyfix.server.context import Context
from pyfix.server.stream import Link, StreamServer
from pyfix.unix import msg
from pyfix.unix.loop import Loop, running
from pyfix.wire.attr import AttrError

NO_UNNAMED = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT})
START = 1 << 18  # bytes after which a message is worked on before its end has come


class Session:
    """One message of one client."""

    def __init__(self, daemon: Cleanup, link: Link, stream: int, store: Store, flags: int) -> None:
        self.store = store
        self._daemon = daemon
        self.link = link
        self._stream = stream
        self._flags = flags
        self._feed = Feed(clean=daemon.rules.replace_stray_cr_lf)
        self._message = Message(store, self._feed, daemon.rules, daemon.mapper, flags)
        self._started = False
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self.may_go_on = False
        """Its client wants the file of a next one."""
        self._next: Store | None = None
        self._refusal: NotAcceptedError | None = None

    def take(self, request: bytes, records: bytes) -> None:
        """Records of the message. request: MORE, TEXT, or one of ENDS."""
        end = service.ENDS.get(request)
        if end is not None:
            request, self.may_go_on = end
        if self._refusal is None:
            self._feed.put(records, request)
        if end is not None:
            self._ended = True
            self._feed.end()
            if self._refusal is not None:
                self._answer_refusal(self._refusal)
                return
        if not self._started and (end is not None or self._feed.size >= START):
            self._started = True
            self._task = eager.start(self._run())

    async def _run(self) -> None:
        try:
            await self._message.process()
            if self._feed.given_up:
                raise GivenUpError
            if self._message.recipients.expanded:
                await self._daemon.bouncer.tell_expanded(self.store.queue_id, self._message.recipients.expanded)
        except GivenUpError:
            self._drop("canceled")
            return
        except NotAcceptedError as refusal:
            tell = self._message.returnable(refusal) and not self._feed.given_up and not self.link.peer_gone()
            if tell and await self._daemon.bouncer.bounce(self.store, refusal):
                self._refuse(NotAcceptedError(STAT_OK), "discarded")
            else:
                self._refuse(refusal)
            return
        except Exception as error:  # a bug in us must not leave the client without an answer
            msg.error(f"{self.store.queue_id}: {bug.line(error, 'message')}")
            self._refuse(NotAcceptedError(STAT_WRITE))
            return
        if self._message.envelope.flags & FLAG_DISCARD:
            self._drop("discarded")
            self.answer(STAT_OK)
            return
        if self.store.is_long:
            try:
                await self.store.write_out()
            except OSError as error:
                self.committed(error)
                return
        self._daemon.commit(self)

    def _refuse(self, refusal: NotAcceptedError, why: str = "canceled") -> None:
        self._refusal = refusal
        self._drop(why)
        if self._ended:
            self._answer_refusal(refusal)

    def unused(self) -> None:
        """There was no message."""
        self.store.remove()

    def lost(self) -> None:
        """The client has gone."""
        if self._feed.size or self.store.has_name:
            self.cancel()
        else:
            self.unused()

    def _answer_refusal(self, refusal: NotAcceptedError) -> None:
        self.answer(refusal.status, refusal.reason)

    def answer(self, status: int, reason: str = "") -> None:
        """The verdict: the client's stream is over."""
        self._daemon.done(self.link, self._stream)
        accepted = status == STAT_OK and not reason
        self.link.send(self._stream, service.ACCEPTED if accepted else service.STATUS.encode(status, reason))

    def cancel(self) -> None:
        """The client has given up. What it said is looked at, and logged, if that was not done yet."""
        if self._refusal is not None:
            return
        if self._ended:
            if self._task is not None:
                self._task.cancel()
            self._drop("canceled")
            return
        self._feed.give_up()
        if not self._started:
            self._started = True
            self._task = eager.start(self._run())

    def _drop(self, why: str) -> None:
        if self._message.recipients.expanded:
            self._daemon.bouncer.forget_expanded(self.store.queue_id)
        try:
            self.store.remove()
        except OSError as error:
            msg.warning(log.remove_error(self.store.queue_id, error))
            return
        msg.info(log.removed(self.store.queue_id, why))

    def committed(self, error: OSError | None) -> None:
        """The file is durable, or it is not."""
        if error is None:
            self.store.close()
            if self._next is None:
                self.answer(STAT_OK)
            else:
                self._go_on(self._next)
            return
        if self._next is not None:
            self._next.remove()
        msg.warning(log.write_error(self.store.queue_id, error))
        self._drop("canceled")
        self.answer(STAT_WRITE)

    def make_next(self) -> None:
        """Have the file of the next one."""
        self._next = self._daemon.unnamed()

    def _go_on(self, store: Store) -> None:
        self._daemon.begin(self.link, self._stream, store, self._flags)
        self.link.send(self._stream, service.accepted_and_next(store.queue_id))


class Cleanup:
    """The cleanup service."""

    def __init__(self, context: Context) -> None:
        mail = MailParams(context.main)
        self.rules = message_rules(context.main)
        self._queue = QueueDirectory.from_config(context.main)
        self._unnamed = UnnamedFiles.if_there(self._queue)
        self._rewriter = RewriteClient(f"private/{mail.rewrite_service_name}", timeout=mail.ipc_timeout)
        self.mapper = address_mapper(context.main, self._rewriter)
        channels = {log: Channel(path, BOUNCE_PROTOCOL, timeout=mail.ipc_timeout) for log, path in paths(mail).items()}
        resolution = mail.delay_logging_resolution_limit
        self.bouncer = Bouncer(BounceClient(dict(channels)), self._queue, resolution=resolution)
        self._qmgr_path = f"public/{mail.queue_service_name}"
        self._qmgr: Trigger
        self._loop: Loop
        self._server = StreamServer(service.PROTOCOL, self)
        self._sessions: dict[tuple[Link, int], Session] = {}
        self._batch: list[Session] = []

    async def start(self) -> None:
        """Know the loop."""
        self._loop = running()
        self._qmgr = Trigger(self._qmgr_path)

    async def serve(self, sock: socket.socket) -> None:
        """Take messages from one client until it goes."""
        await self._server.serve(sock)

    async def retire(self) -> None:
        """Ask all clients to go elsewhere."""
        await self._server.retire()

    def quiet_since(self) -> float:
        """When a client last sent something."""
        return self._server.heard

    def holds(self) -> bool:
        """Whether there is a message."""
        return bool(self._sessions)

    # Frames

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:
        """One frame of one message."""
        session = self._sessions.get((link, stream))
        if session is None:
            self._open(link, stream, attrs)
        elif attrs == service.CANCEL:
            del self._sessions[link, stream]
            session.cancel()
        elif attrs == UNUSED:
            del self._sessions[link, stream]
            session.unused()
        else:
            session.take(attrs, body)

    def _open(self, link: Link, stream: int, attrs: bytes) -> None:
        try:
            (flags,) = service.OPEN.decode(attrs)
        except AttrError:  # of a message that is over
            return
        try:
            store = Store(self._queue)
        except OSError as error:
            msg.warning(log.create_error(error))
            link.send(stream, service.STATUS.encode(STAT_WRITE, ""))
            return
        self.begin(link, stream, store, flags)
        link.send(stream, service.OPENED.encode(store.queue_id))

    def begin(self, link: Link, stream: int, store: Store, flags: int) -> None:
        """A message has a file."""
        self._sessions[link, stream] = Session(self, link, stream, store, flags)

    def unnamed(self) -> Store | None:
        """The file of a message that may come, if one can be made."""
        if self._unnamed is None:
            return None
        try:
            return Store(self._queue, self._unnamed)
        except OSError as error:
            if error.errno in NO_UNNAMED:
                self._unnamed = None
            return None

    def closed(self, link: Link) -> None:
        """A client has gone, with it what it had not finished."""
        for key in [key for key in self._sessions if key[0] is link]:
            self._sessions.pop(key).lost()

    def done(self, link: Link, stream: int) -> None:
        """A message has its verdict."""
        self._sessions.pop((link, stream), None)

    # Batches

    def commit(self, session: Session) -> None:
        """Make this message durable together with the others of this turn."""
        if not self._batch:
            self._loop.poller.after(self._commit_all)
        self._batch.append(session)

    def _commit_all(self) -> None:
        batch = [session for session in self._batch if session.store.file.fd >= 0]
        self._batch = []
        links = {session.link for session in batch}
        gone = {link for link in links if link.peer_gone()}
        if gone:
            for link in gone:
                link.abort()
            links -= gone
            batch = [session for session in batch if session.link not in gone]
        for link in links:
            link.hold()
        try:
            ready = self._make_durable_and_answer(batch)
        except BaseException:  # a bug: no client must wait for ever
            for link in links:
                link.abort()
            raise
        for link in links:
            link.release()
        if ready:
            self._qmgr.name(ready)

    def _make_durable_and_answer(self, batch: list[Session]) -> list[File]:
        """What qmgr is to hear of."""
        going_on = [session for session in batch if session.may_go_on]
        meanwhile = partial(_make_next, going_on) if going_on else None
        results = make_durable([session.store.file for session in batch], meanwhile)
        ready = []
        for session, error in zip(batch, results, strict=True):
            session.committed(error)
            if error is None and session.store.file.queue == "incoming":
                ready.append((session.store.queue_id, session.store.head, session.store.tail))
        return ready


def _make_next(sessions: list[Session]) -> None:
    """Make files for messages that may come; those that are here have been written."""
    for session in sessions:
        session.make_next()
