"""pickup - moves submissions from the maildrop directory to cleanup

Service:    pickup       unix  n       -       y       60      1       pickup
Privileges: mail_owner, no network; may be in a chroot
Parameters: params/pickup.py; content_filter receive_override_options
Sources:    pickup(8), queue-file sheet section 6

Any byte on its socket means: look. A submission is removed when cleanup has it, or when it
can never be mail; in all other cases it stays for the next look. postsuper -r puts whole
queue files here, to go through the system once more. Who handed a submission in is the owner of its file; of a
file that mail_owner owns, whom the postdrop service says (see postdropd).
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from pyfix.clients.cleanup import (
    FLAG_AUTOUTF8,
    FLAG_BCC_OK,
    FLAG_BOUNCE,
    FLAG_FILTER,
    FLAG_MAP_OK,
    FLAG_MASK_EXTERNAL,
    FLAG_MILTER,
    STAT_BAD,
    STAT_OK,
    STAT_RCPT,
    detail,
)
from pyfix.clients.cleanup_client import CleanupClient
from pyfix.config.params.mail import MailParams
from pyfix.mail.address import quote
from pyfix.mail.dates import mail_date
from pyfix.mail.error import MailError
from pyfix.queue import records as rec
from pyfix.queue.directory import QueueDirectory, is_ready
from pyfix.queue.records import CorruptQueueFile
from pyfix.queue.walk import Walk
from pyfix.server.context import Context
from pyfix.unix import msg, users

OVERRIDES = {  # receive_override_options: what cleanup is then not to do
    "no_header_body_checks": FLAG_FILTER,
    "no_address_mappings": FLAG_BCC_OK | FLAG_MAP_OK,
    "no_milters": FLAG_MILTER,
    "no_unknown_recipient_checks": 0,
}
AHEAD = 2 * 3600  # seconds; what is dated later is taken as of now
OLD = 86400  # seconds in the queue that are worth a warning
DROPPED = frozenset(rec.FILT + rec.RDR)  # of the envelope
DROPPED_AFTER = frozenset(rec.RRTO + rec.ERTO)  # of what follows the content
KEPT_AFTER = (b"notify_flags=", b"dsn_orig_rcpt=")  # attributes that say something of a recipient
SUBMITTER = rec.SUBMITTER.encode() + b"="
COPY = 65536  # bytes between waits for cleanup


@dataclass(slots=True)
class Submission:
    """One file. file: differs from that of another one of this name, but not when its mode or owner is put right;
    sender: None until it was read.
    """

    id: str
    fd: int
    file: tuple[int, int]
    uid: int
    arrived: int
    requeued: bool
    sender: str | None = None


class MalformedError(Exception):
    """The file is no submission; the text says why."""


class Pickup:
    """The pickup service."""

    def __init__(self, context: Context) -> None:
        mail = MailParams(context.main)
        self._queue = QueueDirectory.from_config(context.main)
        self._owner = _owner(mail.mail_owner)
        self._received_by = f"Received: by {mail.myhostname} ({mail.mail_name}, from userid "
        self._filter = mail.content_filter
        self._flags = cleanup_flags(mail.receive_override_options)
        classes = mail.smtputf8_autodetect_classes.replace(",", " ").split()
        if mail.smtputf8_enable and {"sendmail", "all"} & set(classes):
            self._flags |= FLAG_AUTOUTF8
        self._cleanup = CleanupClient(f"public/{mail.cleanup_service_name}", timeout=mail.ipc_timeout)
        self._kept: dict[str, tuple[int, int]] = {}
        """Files that cleanup has taken, but that could not be removed: they are not to be sent again and again."""
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Nothing to prepare."""

    async def serve(self, sock: socket.socket) -> None:
        """Hear triggers until the peer is done: its NUL, or its end."""
        loop = asyncio.get_running_loop()
        with sock:
            while data := await loop.sock_recv(sock, 100):
                if data.strip(b"\0"):
                    self.look()
                if b"\0" in data:
                    break
        if self._task is not None:
            await asyncio.shield(self._task)

    async def retire(self) -> None:
        """Finish what is being copied."""
        if self._task is not None:
            await self._task
        self._cleanup.close()

    def holds(self) -> bool:
        """Whether it knows of files that another process would send again."""
        return bool(self._kept)

    def look(self) -> None:
        """Take what is in maildrop; while that goes on, look once more afterwards."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._take_all())
            self._task.add_done_callback(self._looked)

    def _looked(self, task: asyncio.Task[None]) -> None:
        if self._task is task:  # else somebody has asked since it was over
            self._task = None

    async def _take_all(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                for queue_id in sorted(self._queue.scan("maildrop")):
                    await self._try(queue_id)
            except (OSError, MailError) as error:
                msg.warning(f"maildrop: {error}")

    async def _try(self, queue_id: str) -> None:
        """Take one; trouble with its file is no trouble of those behind it. MailError: cleanup's, so everybody's."""
        try:
            await self._take(queue_id)
        except OSError as error:
            msg.warning(f"maildrop/{queue_id}: {error.strerror}")

    async def _take(self, queue_id: str) -> None:
        submission = self._open(queue_id)
        if submission is None:
            return
        try:
            finished = submission.file == self._kept.get(queue_id) or await self._hand_over(submission)
        except MalformedError as error:
            msg.warning(f"uid={submission.uid}: {error}")
            finished = True
        finally:
            os.close(submission.fd)
        if finished:
            self._kept[queue_id] = submission.file
            with suppress(FileNotFoundError):
                self._queue.remove("maildrop", queue_id)
            del self._kept[queue_id]

    def _open(self, queue_id: str) -> Submission | None:
        """The submission, when it is complete."""
        try:
            fd = self._queue.open("maildrop", queue_id, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                msg.warning(f"open maildrop/{queue_id}: {error.strerror}")
            return None
        status = os.fstat(fd)
        if not is_ready(status):
            os.close(fd)
            return None
        arrived = self._arrival(queue_id, status)
        requeued = status.st_uid == self._owner and not status.st_mode & stat.S_IROTH
        return Submission(queue_id, fd, (status.st_ino, status.st_mtime_ns), status.st_uid, arrived, requeued)

    def _arrival(self, queue_id: str, status: os.stat_result) -> int:
        now = int(time.time())
        arrived = int(status.st_mtime)
        if arrived > now + AHEAD:
            msg.warning(f"maildrop/{queue_id}: message dated {arrived - now} seconds into the future")
            return now
        if arrived < now - OLD:
            days = (now - arrived) // 86400
            msg.warning(f"maildrop/{queue_id}: message has been queued for {days} days")
        return arrived

    async def _hand_over(self, submission: Submission) -> bool:
        """Give it to cleanup; True: the file is not needed any more."""
        walk = Walk(submission.fd)
        envelope = self._envelope(submission, walk)
        flags = self._flags | FLAG_BOUNCE
        if submission.requeued:
            flags &= ~FLAG_MILTER
        message = await self._cleanup.open(flags)
        try:
            if submission.sender is None:
                msg.warning(f"{message.queue_id}: uid={submission.uid}: no envelope sender")
                message.cancel()
                return True
            msg.info(picked_up(message.queue_id, submission))
            message.write(envelope + rec.encode(rec.MESG) + self._trace(submission, message.queue_id))
            first, sent = True, 0
            for records in self._rest(walk):
                if first and records[:1] in {rec.NORM, rec.CONT} and _begins_white(records):
                    message.write(rec.encode(rec.NORM))
                first = False
                message.write(records)
                sent += len(records)
                if sent >= COPY:
                    sent = 0
                    await message.drain()
        except BaseException:
            message.cancel()
            raise
        status, reason = await message.finish()
        return self._settled(submission, message.queue_id, status, reason)

    def _settled(self, submission: Submission, queue_id: str, status: int, reason: str) -> bool:
        if status == STAT_OK:
            return True
        if status & (STAT_BAD | STAT_RCPT):
            return True
        if not reason:
            path = self._queue.path("maildrop", submission.id)
            msg.warning(f"{path}: error writing {queue_id}: {detail(status).text}")
        return False

    # Records

    def _envelope(self, submission: Submission, walk: Walk) -> bytes:
        """The envelope as cleanup wants it."""
        out = [rec.encode(rec.FILT, self._filter.encode())] if self._filter else []
        dated = False
        for kind, data in _segment(walk, rec.ENVELOPE, rec.MESG):
            if kind == rec.TIME:
                dated = True
            elif kind == rec.FROM and submission.sender is None:
                submission.sender = data.decode("utf-8", "surrogateescape")
            elif kind == rec.ATTR and data.startswith(SUBMITTER):
                self._believe(submission, data[len(SUBMITTER) :])
                continue
            if kind[0] not in DROPPED:
                out.append(rec.encode(kind, data))
        if not dated:
            out.insert(1 if self._filter else 0, rec.encode(rec.TIME, b"%d 0" % submission.arrived))
        return b"".join(out)

    def _believe(self, submission: Submission, uid: bytes) -> None:
        """Who handed it in, when it was the postdrop service that wrote the file."""
        if submission.uid == self._owner and not submission.requeued and uid.isdigit():
            submission.uid = int(uid)

    def _trace(self, submission: Submission, queue_id: str) -> bytes:
        """The Received header of this hop."""
        lines = [
            f"{self._received_by}{submission.uid})",
            f"\tid {queue_id}; {mail_date(time.time())}",
        ]
        return rec.encode_text([line.encode("utf-8", "surrogateescape") for line in lines])

    def _rest(self, walk: Walk) -> Iterator[bytes]:
        """Content and what follows it, record by record."""
        for kind, data in _segment(walk, rec.CONTENT, rec.XTRA):
            yield rec.encode(kind, data)
        yield rec.encode(rec.XTRA)
        for kind, data in _segment(walk, rec.EXTRACTED, rec.END):
            if kind[0] in DROPPED_AFTER or (kind == rec.ATTR and not data.startswith(KEPT_AFTER)):
                continue
            yield rec.encode(kind, data)
        yield rec.encode(rec.END)


def _segment(walk: Walk, allowed: frozenset[int], end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records up to the one that ends this part. MalformedError."""
    while True:
        try:
            _, kind, data = walk.next()
        except CorruptQueueFile as error:
            raise MalformedError(str(error)) from None
        if kind == end[0]:
            return
        if kind not in allowed:
            raise MalformedError(f"unexpected or malformed record type {kind}")
        yield bytes((kind,)), data


def _begins_white(records: bytes) -> bool:
    _, start, end = rec.decode(records, 0)
    return records[start:end][:1] in {b" ", b"\t"}


def _owner(name: str) -> int:
    """The uid of mail_owner; -1 when there is no such user."""
    try:
        return users.user(name).uid
    except LookupError:
        return -1


def cleanup_flags(receive_override_options: str) -> int:
    """What cleanup is to do with submissions."""
    flags = FLAG_MASK_EXTERNAL
    for word in receive_override_options.replace(",", " ").split():
        flags &= ~OVERRIDES.get(word, 0)
    return flags


def picked_up(queue_id: str, submission: Submission) -> str:
    """A submission on its way to cleanup."""
    line = f"{queue_id}: uid={submission.uid} from=<{quote(submission.sender or '')}>"
    return f"{line} orig_id={submission.id}" if submission.requeued else line
