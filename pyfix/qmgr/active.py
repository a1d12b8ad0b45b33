"""active - messages enter and leave the active queue

| step    | before                     | after                          | killed in between                  |
|---------|----------------------------|--------------------------------|------------------------------------|
| start   | active/ID                  | incoming/ID                    | the next start goes on             |
| feed    | incoming/ID or deferred/ID | active/ID                      | the next start moves it to incoming|
| locked  | active/ID                  | incoming/ID, not before 60 s   | the same, without the 60 s         |
| stuck   | active/ID                  | incoming/ID, at a queue run    | as after start                     |
| bug     | active/ID                  | deferred/ID, time of next try  | as after start                     |
| corrupt | active/ID                  | corrupt/ID                     | it is read again; of an agent that |
|         |                            |                                | found that: as start, to corrupt   |
| report  | active/ID, a log           | active/ID (report.py)          | read again, and reported if not yet|
| defer   | active/ID                  | deferred/ID, time of next try  | as after start                     |
| remove  | active/ID, all done        | nothing                        | read again: all done, removed      |

No step needs an fsync: after a crash of the machine a message may be in the queue it came from,
and be delivered again. Feeding costs lstat, rename, open, flock, read, close; of a file whose maker has named it and
said what is in it only rename. He is not believed of a file that was in active before: some of its recipients may be
done since, and somebody may be at work on it. What nobody foresaw is one message's trouble: it waits, the others go on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

from pyfix.clients.deliver import Dsn
from pyfix.qmgr import log
from pyfix.qmgr.defer import Backoff
from pyfix.qmgr.deliver import Deliveries
from pyfix.qmgr.message import UNTHROTTLE, Message
from pyfix.qmgr.report import NOTIFY_SUCCESS, Reports
from pyfix.qmgr.resolve import Policy, Resolver, resolve_message
from pyfix.queue.directory import READY, QueueDirectory, is_ready
from pyfix.queue.file import CorruptQueueFile, Recipient, mark_done, read_envelope, read_recipients
from pyfix.queue.logs import remove_log
from pyfix.queue.usual import usual_envelope
from pyfix.server import bug, eager
from pyfix.unix import msg
from pyfix.unix.locks import flock_exclusive

LOCKED_DELAY = 60.0  # seconds until a file that an agent still works on is looked at again
FRESH = 2.0  # seconds: a file that was written so soon after its arrival was never deferred
FRESH_MODE = READY
NOTHING = (b"", b"")

DISCARDED = Dsn("2.0.0", "undeliverable postmaster notification discarded", "delivered")


class Active:
    """The active queue.

    room: called when there is room after a message has left; limits: messages, recipients in memory.
    deliveries and reports are set by whoever makes all of them.
    """

    deliveries: Deliveries
    reports: Reports

    def __init__(
        self,
        queue: QueueDirectory,
        resolver: Resolver,
        policy: Policy,
        backoff: Backoff,
        room: Callable[[], None],
        *,
        message_limit: int = 20000,
        recipient_limit: int = 20000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.messages: dict[str, Message] = {}
        self._queue = queue
        self._resolver = resolver
        self._policy = policy
        self._flush_policy = replace(policy, defer_transports=frozenset())
        self._backoff = backoff
        self._room = room
        self._message_limit = message_limit
        self._recipient_limit = recipient_limit
        self._recipients = 0
        self._clock = clock
        self._were_active: set[str] = set()  # files of incoming that were in active, until they are there again
        self._stuck: set[str] = set()  # files of active that nobody works on: not to be moved, or not there

    @property
    def full(self) -> bool:
        """Whether nothing more may enter."""
        return len(self.messages) >= self._message_limit or self._recipients >= self._recipient_limit

    def on_deferred(self, message: Message) -> None:
        """Hook: a message has to wait."""

    def start_over(self) -> None:
        """Move what an earlier qmgr left in active back to incoming."""
        self._stuck.update(self._queue.scan("active"))
        self.free_stuck()

    def free_stuck(self) -> bool:
        """Move what is stuck in active back to incoming; whether there was any.

        What is worked on again is not: it was on hold, or moved away by hand, and has come back.
        """
        stuck, self._stuck = self._stuck - self.messages.keys(), set()
        for queue_id in stuck:
            if self._found_corrupt(queue_id):
                self._corrupt(queue_id, "")
            elif self._move(queue_id, "active", "incoming", when=self._clock()):
                self._were_active.add(queue_id)
        self._stuck = {queue_id for queue_id in self._stuck if os.path.lexists(self._queue.path("active", queue_id))}
        return bool(stuck)

    # In

    def feed(
        self,
        queue_name: str,
        queue_id: str,
        status: os.stat_result | None,
        *,
        flush: bool = False,
        handed: tuple[bytes, bytes] = NOTHING,
    ) -> None:
        """Take a file of incoming or deferred into the active queue and start its delivery.

        status: None for one that has just become complete; flush: whoever asked for it wants it tried, even by
        one of defer_transports; handed: what stands before and behind the content of one that is new.
        """
        if queue_id in self.messages or not self._move(queue_id, queue_name, "active"):
            return
        mode = FRESH_MODE if status is None else status.st_mode
        envelope = None
        again = queue_id in self._were_active
        if again:
            self._were_active.remove(queue_id)
        elif handed[0]:
            envelope = usual_envelope(*handed)
        try:
            message = self._read(queue_id, mode) if envelope is None else Message(queue_id, envelope, mode)
            if message is not None:
                old = status is not None and (queue_name != "incoming" or status.st_mtime > message.arrival + FRESH)
                self._take(message, status, old=again or old, flush=flush)
        except Exception as error:
            self._put_off(queue_id, error)

    def _take(self, message: Message, status: os.stat_result | None, *, old: bool, flush: bool) -> None:
        """Start the delivery of a message that is in active. old: not for the first time."""
        queue_id = message.queue_id
        message.flush = flush or message.unthrottle
        self.messages[queue_id] = message
        self._recipients += message.recipients
        envelope = message.envelope
        everybody = envelope.done_count + len(envelope.recipients) + max(envelope.rcpt_unread, 0)
        msg.info(log.queue_active(queue_id, envelope.sender, envelope.content_len, everybody))
        if message.force_expire and self.reports.log_exists("defer", queue_id):
            message.deferred = True
            self.done(message)
            return
        if old:
            remove_log(self._queue, "defer", queue_id)
            if not message.bounced and not envelope.rcpt_offset:  # of an agent that died before its mark
                remove_log(self._queue, "bounce", queue_id)
        if message.unthrottle and status is not None:
            self._clear_unthrottle(queue_id, status)
        eager.start(self._deliver(message))

    def _read(self, queue_id: str, mode: int) -> Message | None:
        """The message; None when it is not to be had now, and the file is out of the way."""
        try:
            fd = self._queue.open("active", queue_id)
        except OSError as error:
            self._unreadable(queue_id, "open", error)
            return None
        try:
            if not flock_exclusive(fd):
                self._still_locked(queue_id)
                return None
            envelope = read_envelope(fd)
        except CorruptQueueFile as error:
            self._corrupt(queue_id, str(error))
            return None
        except OSError as error:
            self._unreadable(queue_id, "read", error)
            return None
        finally:
            os.close(fd)
        for text in envelope.warnings:
            msg.warning(log.problem(queue_id, text))
        return Message(queue_id, envelope, mode)

    async def _deliver(self, message: Message) -> None:
        """Find out where the recipients in memory go, and send them there."""
        policy = self._flush_policy if message.flush else self._policy
        try:
            routes, discarded = await resolve_message(self._resolver, message.envelope, policy)
        except Exception as error:
            msg.error(log.problem(message.queue_id, f"address resolver failure: {error}"))
            message.deferred = True
            self.done(message)
            return
        if discarded:
            self._discard(message, discarded)
        self.deliveries.assign(message, routes)

    def _discard(self, message: Message, recipients: list[Recipient]) -> None:
        """Recipients that get nothing, and nobody is told."""
        queue_id = message.queue_id
        try:
            fd = self._queue.open("active", queue_id, os.O_RDWR)
        except OSError as error:
            msg.warning(log.queue_trouble("open", "active", queue_id, error.strerror or str(error)))
            message.deferred = True
            return
        try:
            for recipient in recipients:
                msg.info(self.deliveries.status_line(message, recipient, DISCARDED, "sent"))
                mark_done(fd, recipient.offset)
        except (OSError, ValueError) as error:
            msg.warning(log.queue_trouble("update", "active", queue_id, str(error)))
            message.deferred = True
        finally:
            os.close(fd)

    # Out

    def done(self, message: Message) -> None:
        """Every recipient in memory is decided, or deferred."""
        try:
            if message.envelope.rcpt_offset and self._next_recipients(message):
                return
            if message.deferred and self._queue.status("active", message.queue_id) is None:
                self._leave(message)
                self._missing_or_corrupt(message.queue_id)
                self._room()
            elif self.reports.wanted(message):
                eager.start(self._report(message))
            else:
                self._go_on(message)
        except Exception as error:
            self._put_off(message.queue_id, error)

    def _put_off(self, queue_id: str, error: Exception) -> None:
        """Something that nobody foresaw: it is this message's, which waits."""
        msg.error(bug.line(error, f"{queue_id}: queue manager"))
        message = self.messages.get(queue_id)
        if message is not None:
            self._leave(message)
        self._move(queue_id, "active", "deferred", when=self._clock() + self._backoff.minimal)
        self._room()

    async def _report(self, message: Message) -> None:
        """Let the sender be told what there is to tell, then go on."""
        try:
            await self.reports.send(message)
        except Exception as error:
            msg.error(log.problem(message.queue_id, f"report: {error}"))
            message.deferred = True
        self._go_on(message)

    def _go_on(self, message: Message) -> None:
        self._leave(message)
        if message.deferred:
            now = self._clock()
            age = now - message.create_time
            self._move(message.queue_id, "active", "deferred", when=now + self._backoff.delay(age))
            self.on_deferred(message)
        else:
            self._remove(message)
        self._room()

    def _leave(self, message: Message) -> None:
        del self.messages[message.queue_id]
        message.jobs.clear()  # they refer to it
        self._recipients -= message.recipients

    def _next_recipients(self, message: Message) -> bool:
        """Read the next batch and deliver to it; False when it can't be read."""
        envelope = message.envelope
        try:
            fd = self._queue.open("active", message.queue_id)
            try:
                recipients = read_recipients(fd, envelope)
            finally:
                os.close(fd)
        except (OSError, CorruptQueueFile) as error:
            msg.warning(log.queue_trouble("read", "active", message.queue_id, str(error)))
            message.deferred = True
            return False
        message.bounced = message.bounced or envelope.done_count > 0
        self._recipients += len(recipients) - message.recipients
        message.recipients = len(recipients)
        message.jobs.clear()
        if not recipients:
            return False
        eager.start(self._deliver(message))
        return True

    def _remove(self, message: Message) -> None:
        queue_id = message.queue_id
        try:
            if message.envelope.qmgr_opts & NOTIFY_SUCCESS:
                remove_log(self._queue, "trace", queue_id)
            self._queue.remove("active", queue_id)
        except FileNotFoundError:
            self._stuck.add(queue_id)
            msg.warning(log.queue_trouble("remove", "active", queue_id, "No such file or directory"))
            return
        except OSError as error:
            msg.warning(log.queue_trouble("remove", "active", queue_id, error.strerror or str(error)))
            self._move(queue_id, "active", "deferred", when=self._clock() + self._backoff.minimal)
            return
        msg.info(log.removed(queue_id))

    def _found_corrupt(self, queue_id: str) -> bool:
        """Whether an agent has taken the mode of a file away; in incoming it would count as not finished."""
        try:
            status = os.lstat(self._queue.path("active", queue_id))
        except OSError:
            return False
        return not is_ready(status)

    def _missing_or_corrupt(self, queue_id: str) -> None:
        """An agent could not read the file and took its mode away, or somebody removed it."""
        if os.path.lexists(self._queue.path("active", queue_id)):
            self._corrupt(queue_id, "")
        else:
            self._stuck.add(queue_id)

    def _unreadable(self, queue_id: str, action: str, error: OSError) -> None:
        """Trouble that may pass."""
        msg.warning(log.queue_trouble(action, "active", queue_id, error.strerror or str(error)))
        self._move(queue_id, "active", "deferred", when=self._clock() + self._backoff.minimal)

    def _still_locked(self, queue_id: str) -> None:
        msg.info(log.skipped(queue_id))
        self._were_active.add(queue_id)
        self._move(queue_id, "active", "incoming", when=self._clock() + LOCKED_DELAY)

    def _corrupt(self, queue_id: str, reason: str) -> None:
        if reason:
            msg.warning(log.problem(queue_id, reason))
        msg.warning(log.saving_corrupt(queue_id))
        try:
            self._queue.corrupt("active", queue_id)
        except OSError as error:
            self._stuck.add(queue_id)
            msg.warning(log.queue_trouble("save corrupt", "active", queue_id, error.strerror or str(error)))

    def _move(self, queue_id: str, from_queue: str, to_queue: str, *, when: float | None = None) -> bool:
        """Rename, with a time stamp first when there is to be one; False (and a warning) when that failed."""
        try:
            if when is not None:
                self._queue.set_time(from_queue, queue_id, when)
            self._queue.rename(queue_id, from_queue, to_queue)
        except FileNotFoundError:  # somebody else moved or removed it, or the directory is away
            if from_queue == "active":
                self._stuck.add(queue_id)
            return False
        except OSError as error:
            if from_queue == "active":
                self._stuck.add(queue_id)
            action = f"rename to {to_queue}:"
            msg.warning(log.queue_trouble(action, from_queue, queue_id, error.strerror or str(error)))
            return False
        return True

    def _clear_unthrottle(self, queue_id: str, status: os.stat_result) -> None:
        try:
            os.chmod(self._queue.path("active", queue_id), status.st_mode & 0o7777 & ~UNTHROTTLE)
        except OSError as error:
            msg.warning(log.queue_trouble("chmod", "active", queue_id, error.strerror or str(error)))
