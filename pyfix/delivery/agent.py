"""agent - what every delivery agent does besides delivering

An agent is a function from a request to outcomes. For each request the frame opens the queue
file, takes a shared lock (so that a qmgr that was started anew sees who is at work), asks for
one outcome after the other, and settles each before it asks for the next (an agent that has to wait for others is
a coroutine instead, which has each settled as it comes):

| outcome  | log of the message | line in the log   | recipient in the queue file |
|----------|--------------------|-------------------|-----------------------------|
| sent     | trace, when asked  | status=sent       | R becomes D                 |
| bounced  | bounce             | status=bounced    | R becomes D                 |
| deferred | defer              | status=deferred   | stays R                     |

`sendmail -v` asks for all of them in the trace log, NOTIFY=SUCCESS for what was sent. A recipient
that the bounce log (or a trace log that was asked for) did not take is deferred. What ends by a bug or by trouble that
nobody foresaw defers the recipients that are left. Killed at any point, nothing is lost: what is
not marked is delivered again.

An EventAgent (event_agent.py) serves many requests at once, a SerialAgent one after the other; it takes a few in
advance, so that qmgr and agent wake each other less often. A BatchAgent (batch.py) takes requests through their steps
together. What is here needs no event loop: a process that keeps root imports none.

An outcome may name somebody else who is to know of a bounce (the owner of a list): he is told at once.

Parameters: <agent>_delivery_status_filter, delay_logging_resolution_limit, soft_bounce, ipc_timeout.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from copy import copy
from types import CoroutineType
from typing import Any

from pyfix.clients.bounce import PROTOCOL as BOUNCE_PROTOCOL
from pyfix.clients.bounce import BounceClient, ReportRequest, paths
from pyfix.clients.deliver import (
    CONCURRENCY,
    DEFERRED,
    NORMAL,
    PROTOCOL,
    Answer,
    Dsn,
    Flags,
    Request,
    decode_request,
)
from pyfix.clients.log_adhoc import delivery_status
from pyfix.clients.serial import SerialChannel
from pyfix.config.params.mail import MailParams
from pyfix.delivery import log, status_filter
from pyfix.delivery.outcome import BOUNCED, SENT, Expanded, Outcome, Settled, Turn, Who
from pyfix.mail.dsn import with_class
from pyfix.mail.error import MailError
from pyfix.maps.maps import Maps
from pyfix.maps.run_now import run_now
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.file import CorruptQueueFile, Recipient, mark_done
from pyfix.server import bug
from pyfix.server.context import Context
from pyfix.server.serial_link import SerialLink
from pyfix.unix import msg
from pyfix.unix.locks import flock_shared
from pyfix.wire.attr import AttrError

CONFIGURATION_ERROR = "mail system configuration error"

NOTIFY_SUCCESS = 2
PROBE = Flags.MTA_VRFY | Flags.USR_VRFY
CORRUPT_MODE = 0o400  # of a queue file that qmgr is to move to corrupt

Outcomes = Iterator[Outcome | Settled] | Coroutine[Any, Any, None]
Settle = Callable[["Delivery", Outcome | Settled], Coroutine[Any, Any, None]]


class Delivery:
    """One request under way.

    request: what qmgr asks; fd: the queue file, open for reading and writing; pending: the
    recipients without an outcome, by offset; waiting: how many parts of each were deferred, by offset.
    """

    __slots__ = ("_settle", "answer", "fd", "pending", "request", "waiting")

    def __init__(self, request: Request, fd: int, settle: Settle | None = None) -> None:
        self.request = request
        self.fd = fd
        self.pending = {recipient.offset: recipient for recipient in request.recipients}
        self.answer = Answer()
        self.waiting: dict[int, int] = {}
        self._settle = settle

    def wait_for(self, recipient: Recipient) -> None:
        """One more part of it was deferred."""
        self.waiting[recipient.offset] = self.waiting.get(recipient.offset, 0) + 1

    async def settle(self, outcome: Outcome | Settled) -> None:
        """Settle an outcome now, for an agent that is a coroutine."""
        assert self._settle is not None
        await self._settle(self, outcome)


Deliver = Callable[[Delivery], Outcomes]


class Frame:
    """What both kinds of agent do with a request.

    deliver: the agent's function; relay: what its log lines name when an outcome does not; owner: who settles
    outcomes, where deliveries take turns as others.
    """

    def __init__(
        self,
        queue: QueueDirectory,
        bounce: BounceClient,
        deliver: Deliver,
        *,
        relay: str = "none",
        resolution: int = 2,
        soft_bounce: bool = False,
        status_filter: Maps | None = None,
        owner: Who | None = None,
    ) -> None:
        self._queue = queue
        self._bounce = bounce
        self._deliver = deliver
        self._relay = relay
        self._resolution = resolution
        self._soft_bounce = soft_bounce
        self._status_filter = status_filter or None
        self._owner = None if owner is None else Turn(owner)

    async def handle(self, attrs: bytes, body: bytes, gone: Callable[[], bool]) -> bytes:
        """Do what a frame asks; the attributes of the answer. Raises nothing.

        gone: whether the qmgr that asks has left. Then nothing is begun: the next one asks again, and whoever it asks
        would deliver at the same time.
        """
        try:
            request = decode_request(attrs, body)
        except AttrError as error:
            msg.warning(log.broken_request(str(error)))
            return Answer(DEFERRED).encode()
        request.stats.agent_handoff = time.time()
        fd = self._open(request, gone)
        if fd is None:
            return Answer(DEFERRED).encode()
        delivery = Delivery(request, fd, self._settle)
        try:
            await self._run(delivery, gone)
        finally:
            os.close(fd)
        return delivery.answer.encode()

    def _open(self, request: Request, gone: Callable[[], bool]) -> int | None:
        """The locked queue file; None when it is not to be had (and a warning), or qmgr has left.

        A new qmgr looks for locks when the one before has left for good. So one that was taken before that is seen.
        """
        name, queue_id = request.queue_name, request.queue_id
        fd, trouble = None, ""
        try:
            fd = self._queue.open(name, queue_id, os.O_RDWR)
            if not flock_shared(fd):
                trouble = log.locked(name, queue_id)
        except OSError as error:
            failed = log.open_failed if fd is None else log.lock_failed
            trouble = failed(name, queue_id, error.strerror or str(error))
        left = gone()
        if not trouble and not left:
            return fd
        if not left:
            msg.warning(trouble)
        if fd is not None:
            os.close(fd)
        return None

    async def _run(self, delivery: Delivery, gone: Callable[[], bool]) -> None:
        request = delivery.request
        try:
            await self._settle_all(delivery, self._deliver(delivery))
        except CorruptQueueFile as error:
            await self._be_owner()
            msg.warning(log.corrupted(request.queue_name, request.queue_id, str(error)))
            if not gone():  # the next one has it in incoming, where this says that it is not finished
                os.fchmod(delivery.fd, CORRUPT_MODE)
            delivery.answer.status = DEFERRED
        except Exception as error:
            await self._be_owner()
            delivery.answer.status = DEFERRED
            status, reason = _foreseen(error)
            if not isinstance(error, MailError):
                msg.error(bug.line(error, f"{request.queue_id}: delivery"))
            for recipient in list(delivery.pending.values()):
                await self._settle(delivery, Outcome(recipient, status, reason))
        if delivery.pending:
            delivery.answer.status = DEFERRED

    async def _be_owner(self) -> None:
        if self._owner is not None:
            await self._owner

    async def _settle_all(self, delivery: Delivery, outcomes: Outcomes) -> None:
        if isinstance(outcomes, CoroutineType):  # the abstract Coroutine takes ten times the time
            await outcomes
        else:
            for outcome in outcomes:  # type: ignore[union-attr]  # mypy thinks of other coroutines than async def's
                await self._settle(delivery, outcome)

    async def _settle(self, delivery: Delivery, outcome: Outcome | Settled) -> None:
        if isinstance(outcome, Settled):
            self._settle_parts(delivery, outcome.recipient)
            return
        if not outcome.part:
            delivery.pending.pop(outcome.recipient.offset, None)
        if isinstance(outcome, Expanded):
            await self._trace(delivery.request, outcome)
            return
        if self._status_filter is not None:
            await status_filter.apply(self._status_filter, outcome)
        if outcome.site:
            delivery.answer.site = outcome.dsn
        fate = outcome.fate
        if delivery.request.flags & PROBE:
            done = await self._settle_probe(delivery, outcome)
        elif fate is SENT:
            done = await self._sent(delivery, outcome)
        elif fate is BOUNCED and not self._soft_bounce:
            done = await self._bounced(delivery, outcome)
        else:
            done = await self._deferred(delivery, outcome)
        if not done:
            delivery.answer.status = DEFERRED
            delivery.wait_for(outcome.recipient)
        elif not outcome.part and delivery.request.flags & (Flags.SUCCESS if fate is SENT else Flags.BOUNCE):
            mark_done(delivery.fd, outcome.recipient.offset)

    def _settle_parts(self, delivery: Delivery, recipient: Recipient) -> None:
        delivery.pending.pop(recipient.offset, None)
        if recipient.offset not in delivery.waiting and delivery.request.flags & NORMAL:
            mark_done(delivery.fd, recipient.offset)

    async def _sent(self, delivery: Delivery, outcome: Outcome) -> bool:
        request, recipient = delivery.request, outcome.recipient
        asked = recipient.notify & NOTIFY_SUCCESS or request.flags & Flags.RECORD
        if asked and not await self._trace(request, outcome):
            return await self._deferred(delivery, Outcome(recipient, "4.3.0", log.trace_failed(request.queue_id)))
        self._log(delivery, outcome, "sent")
        return True

    async def _bounced(self, delivery: Delivery, outcome: Outcome) -> bool:
        request = delivery.request
        if not await self._tell_of_bounce(request, outcome) or not await self._record(delivery, outcome):
            msg.info(log.bounce_failed(request.queue_id))
            return await self._deferred(delivery, Outcome(outcome.recipient, "4.3.0", log.BOUNCE_FAILED))
        delivery.answer.bounced += outcome.blamed is None
        self._log(delivery, outcome, "bounced")
        return True

    async def _tell_of_bounce(self, request: Request, outcome: Outcome) -> bool:
        """In the message's log, for its sender; at once when it is somebody else who is to know."""
        if outcome.blamed is None:
            return await self._append("bounce", request, outcome.recipient, outcome.dsn)
        report = ReportRequest(
            request.queue_id,
            outcome.blamed,
            queue_name=request.queue_name,
            encoding=request.encoding,
            sendopts=request.sendopts,
        )
        return await self._bounce.one(report, outcome.recipient, outcome.dsn)

    async def _deferred(self, delivery: Delivery, outcome: Outcome) -> bool:
        word = "deferred"
        if outcome.fate is BOUNCED:
            word = "SOFTBOUNCE"
            outcome.dsn.status = with_class(outcome.dsn.status, "4")
            outcome.dsn.action = "delayed"
        await self._append("defer", delivery.request, outcome.recipient, outcome.dsn)
        self._log(delivery, outcome, word)
        await self._record(delivery, outcome)
        return False

    async def _record(self, delivery: Delivery, outcome: Outcome) -> bool:
        """Write what was not delivered to the trace log too, when everything was asked for."""
        request = delivery.request
        if not request.flags & Flags.RECORD:
            return True
        return await self._trace(request, outcome)

    async def _settle_probe(self, delivery: Delivery, outcome: Outcome) -> bool:
        """A probe is never deferred: what became of it is what was asked."""
        word = outcome.dsn.action = outcome.fate.probe
        if delivery.request.flags & Flags.USR_VRFY:
            await self._trace(delivery.request, outcome)
        self._log(delivery, outcome, word)
        return True

    async def _trace(self, request: Request, outcome: Outcome) -> bool:
        """For who asked: with the way it went."""
        dsn, relay = outcome.dsn, self._relay_of(outcome)
        if relay and relay != "none":
            dsn = copy(dsn)
            dsn.reason = f"delivery via {relay}: {dsn.reason}"
        return await self._append("trace", request, outcome.recipient, dsn)

    def _relay_of(self, outcome: Outcome) -> str:
        return self._relay if outcome.relay is None else outcome.relay

    async def _append(self, service: str, request: Request, recipient: Recipient, dsn: Dsn) -> bool:
        done = await self._bounce.append(service, request.queue_id, recipient, dsn)
        if not done:
            msg.warning(log.service_failure(request.queue_id, service))
        return done

    def _log(self, delivery: Delivery, outcome: Outcome, status: str) -> None:
        msg.info(
            delivery_status(
                delivery.request.queue_id,
                outcome.recipient,
                self._relay_of(outcome),
                delivery.request.stats,
                outcome.dsn,
                status,
                now=time.time(),
                limit=self._resolution,
                features=outcome.features,
            )
        )


def _foreseen(error: Exception) -> tuple[str, str]:
    """Status and reason of recipients that were left when a delivery ended by this."""
    if isinstance(error, MailError):
        return error.status, error.text
    return "4.3.0", "unknown mail transport error"


def make_frame(
    context: Context, bounce: BounceClient, deliver: Deliver, relay: str, filter_maps: str, owner: Who | None = None
) -> Frame:
    """A frame as main.cf wants it. filter_maps: tables that may change what became of a recipient."""
    cfg = MailParams(context.main)
    return Frame(
        QueueDirectory.from_config(context.main),
        bounce,
        deliver,
        relay=relay,
        resolution=cfg.delay_logging_resolution_limit,
        soft_bounce=cfg.soft_bounce,
        status_filter=Maps(
            filter_maps, name=f"{context.program}_delivery_status_filter", config_dir=context.main.config_dir
        ),
        owner=owner,
    )


class SerialAgent:
    """An agent that does one thing at a time, in as many processes as are needed.

    concurrency: requests that it takes in advance.
    """

    max_idle: float | None = None

    def __init__(
        self,
        context: Context,
        deliver: Deliver,
        *,
        relay: str,
        concurrency: int = 4,
        status_filter: str = "",
        owner: Who | None = None,
    ) -> None:
        mail = MailParams(context.main)
        channels = {
            log: SerialChannel(path, BOUNCE_PROTOCOL, timeout=mail.ipc_timeout) for log, path in paths(mail).items()
        }
        self._frame = make_frame(context, BounceClient(dict(channels)), deliver, relay, status_filter, owner)
        self._greeting = [(CONCURRENCY, str(concurrency))]
        self._wake = context.wake

    def serve(self, sock: socket.socket) -> None:
        """One connection of qmgr's, to its end."""
        link = SerialLink(sock, PROTOCOL, self._greeting, self._wake, self.max_idle)
        for stream, attrs, body in link.requests():
            link.send(stream, run_now(self._frame.handle(attrs, body, link.peer_gone)))
