"""deliver - give recipients to transports, and hear what became of them

| answer                          | message    | destination             | transport                     |
|---------------------------------|------------|-------------------------|-------------------------------|
| all decided                     |            | window may grow         |                               |
| some deferred                   | deferred   | window may grow         |                               |
| some deferred, site in trouble  | deferred   | window shrinks, or dead |                               |
| no answer: the agent was lost   | deferred   |                         | dead for transport_retry_time |
| no agent can be reached         | deferred   |                         | dead for transport_retry_time |
| a request that can't be made    | deferred   |                         |                               |

Mail for what is dead goes to the retry service, which defers it with the reason; when that one
is dead too, or can't be asked, qmgr tells the defer service itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyfix.clients.answer import Answer, ServiceGone
from pyfix.clients.bounce import BounceClient
from pyfix.clients.deliver import Answer as Verdict
from pyfix.clients.deliver import Dsn, decode_answer
from pyfix.clients.log_adhoc import delivery_status
from pyfix.qmgr import log
from pyfix.qmgr.agents import Agent
from pyfix.qmgr.entry import Entry
from pyfix.qmgr.limits import Limits
from pyfix.qmgr.message import Message
from pyfix.qmgr.queue import Queue
from pyfix.qmgr.transport import Transport
from pyfix.queue.file import Recipient
from pyfix.server import bug, eager
from pyfix.unix import msg
from pyfix.wire.attr import AttrError

if TYPE_CHECKING:
    from pyfix.qmgr.resolve import Routes

RETRY = "retry"
SUSPENDED = "delivery temporarily suspended: "
NO_TRANSPORT = Dsn("4.3.0", "mail transport unavailable")
LOST_TRANSPORT = Dsn("4.3.0", "unknown mail transport error")


class Delivery:
    """One request under way: hears its answer."""

    __slots__ = ("_agent", "_deliveries", "_entry", "_stream", "_transport")

    def __init__(
        self, deliveries: Deliveries, transport: Transport, agent: Agent, entry: Entry, request: tuple[bytes, bytes]
    ) -> None:
        self._deliveries = deliveries
        self._transport = transport
        self._agent = agent
        self._entry = entry
        self._stream = agent.connection.call(self, *request)

    def deliver(self, answer: Answer | ServiceGone) -> None:
        """The answer, or that the agent is gone."""
        self._agent.busy -= 1
        self._agent.connection.forget(self._stream)
        verdict = None
        if not isinstance(answer, ServiceGone):
            try:
                verdict = decode_answer(answer[0])
            except AttrError as error:
                msg.warning(log.problem(f"private/{self._transport.name}", str(error)))
        if verdict is None:
            self._deliveries.lost(self._transport, self._entry)
        else:
            self._deliveries.answered(self._transport, self._entry, verdict)


class Deliveries:
    """All transports.

    limits: those of a transport by its name; done: hears when every entry of a message is decided;
    backoff: seconds that a dead destination rests; retry_time: seconds that a dead transport rests.
    """

    def __init__(
        self,
        limits: Callable[[str], Limits],
        bounce: BounceClient,
        done: Callable[[Message], None],
        *,
        backoff: float = 300,
        retry_time: float = 60,
        ipc_timeout: float = 60,
        resolution: int = 2,
    ) -> None:
        self.transports: dict[str, Transport] = {}
        self.under_way = 0
        self._limits = limits
        self._bounce = bounce
        self._done = done
        self._backoff = backoff
        self._retry_time = retry_time
        self._ipc_timeout = ipc_timeout
        self._resolution = resolution
        self._stopped = False
        self._idle = asyncio.Event()  # set when nothing is under way any more after stop()

    def assign(self, message: Message, routes: Routes) -> None:
        """Hand a message's recipients to the transports; `done` may be called before this returns."""
        message.outstanding += 1
        touched: set[Transport] = set()
        for where, recipients in routes.items():
            touched.add(self._assign(message, *where, recipients))
        for transport in touched:
            transport.drain()
        if RETRY in self.transports:
            self._drain_retry()
        self._decided(message)

    def transport(self, name: str) -> Transport:
        """The transport of that name."""
        found = self.transports.get(name)
        if found is None:
            found = self.transports[name] = Transport(
                name,
                self._limits(name),
                send=self._send,
                failed=self._unreachable,
                retry_time=self._retry_time,
                ipc_timeout=self._ipc_timeout,
            )
            found.stopped = self._stopped
        return found

    def revive_all(self) -> None:
        """Try again what is dead."""
        for transport in self.transports.values():
            for queue in list(transport.queues.values()):
                transport.revive_queue(queue)
            transport.revive()

    async def stop(self) -> None:
        """Send nothing more; wait for what is under way."""
        self._stopped = True
        for transport in self.transports.values():
            transport.stopped = True
        if self.under_way:
            await self._idle.wait()

    def close(self) -> None:
        """Hang up everywhere."""
        for transport in self.transports.values():
            transport.close()

    # From recipients to requests

    def _assign(self, message: Message, name: str, nexthop: str, recipients: list[Recipient]) -> Transport:
        """Queue the recipients of one route; the transport that they are on now."""
        transport = self.transport(name)
        if message.unthrottle:
            transport.revive()
        limit = transport.limits.recipient_limit or len(recipients)
        for at in range(0, len(recipients), limit):
            some = recipients[at : at + limit]
            message.outstanding += 1
            if transport.why is not None:
                self._suspend(message, some, transport.why)
                continue
            queue = transport.queue(nexthop if limit > 1 else _own_queue(some[0], nexthop), nexthop)
            if message.unthrottle:
                transport.revive_queue(queue)
            if queue.why is not None:
                self._suspend(message, some, queue.why)
            else:
                self._enqueue(message, transport, queue, some)
        return transport

    def _enqueue(
        self, message: Message, transport: Transport, queue: Queue, recipients: list[Recipient]
    ) -> None:
        job = message.jobs.get(transport.name)
        if job is None:
            job = message.jobs[transport.name] = transport.jobs.job(message)
        queue.todo.append(Entry(job, queue, recipients))
        transport.jobs.offer(queue)

    def _send(self, transport: Transport, agent: Agent, entry: Entry) -> None:
        message = entry.job.message
        try:
            request = message.request(entry)
        except Exception as error:
            msg.error(bug.line(error, f"{message.queue_id}: delivery request"))
            agent.busy -= 1
            transport.finished(entry.queue)
            eager.start(self._defer(message, entry.recipients, LOST_TRANSPORT))
            return
        self.under_way += 1
        Delivery(self, transport, agent, entry, request)

    # From answers to decisions

    def answered(self, transport: Transport, entry: Entry, verdict: Verdict) -> None:
        """An agent has done what it could."""
        self._one_less()
        message, queue = entry.job.message, entry.queue
        message.deferred = message.deferred or verdict.status != 0
        message.bounced = message.bounced or verdict.bounced > 0
        if verdict.site.status and verdict.status:
            self._site_failed(transport, queue, verdict.site)
        else:
            queue.window.succeeded(queue.busy)
        transport.finished(queue)
        self._decided(message)
        transport.drain()

    def _one_less(self) -> None:
        self.under_way -= 1
        if not self.under_way and self._stopped:
            self._idle.set()

    def _site_failed(self, transport: Transport, queue: Queue, site: Dsn) -> None:
        if queue.why is None and queue.window.failed():
            status = site.status if site.status.startswith("4.") else "4.0.0"
            why = Dsn(status, SUSPENDED + (site.reason or "unknown error"))
            transport.kill_queue(queue, why, self._backoff)
            waiting = list(queue.todo)
            queue.todo.clear()
            self._suspend_all(waiting, why)

    def lost(self, transport: Transport, entry: Entry) -> None:
        """The agent went away without an answer; it may have delivered, the queue file knows."""
        self._one_less()
        transport.finished(entry.queue)
        if self._stopped:
            return
        if transport.why is None:
            msg.warning(log.transport_failure(transport.name))
            transport.kill(LOST_TRANSPORT)
            self._suspend_all(list(transport.waiting()), LOST_TRANSPORT)
        entry.job.message.deferred = True
        self._suspend(entry.job.message, entry.recipients, LOST_TRANSPORT)
        self._drain_retry()

    def _unreachable(self, transport: Transport, reason: str) -> None:
        msg.warning(log.connect_failed(transport.name, reason))
        transport.kill(NO_TRANSPORT)
        self._suspend_all(list(transport.waiting()), NO_TRANSPORT)

    def _suspend_all(self, entries: list[Entry], why: Dsn) -> None:
        for entry in entries:
            self._suspend(entry.job.message, entry.recipients, why)
        self._drain_retry()

    def _drain_retry(self) -> None:
        self.transport(RETRY).drain()

    def _suspend(self, message: Message, recipients: list[Recipient], why: Dsn) -> None:
        """Let the retry service defer recipients that were counted as outstanding."""
        retry = self.transport(RETRY)
        if retry.why is None:
            nexthop = f"{why.status} {why.reason}"
            self._enqueue(message, retry, retry.queue(nexthop, nexthop), recipients)
        else:
            eager.start(self._defer(message, recipients, why))

    async def _defer(self, message: Message, recipients: list[Recipient], why: Dsn) -> None:
        message.deferred = True
        try:
            for recipient in recipients:
                dsn = Dsn(why.status, why.reason, "delayed")
                await self._bounce.append("defer", message.queue_id, recipient, dsn)
                msg.info(self.status_line(message, recipient, dsn, "deferred"))
        except Exception as error:
            msg.error(bug.line(error, f"{message.queue_id}: defer"))
        self._decided(message)

    def status_line(self, message: Message, recipient: Recipient, dsn: Dsn, status: str) -> str:
        """The log line of a recipient that no agent saw."""
        return delivery_status(
            message.queue_id,
            recipient,
            "none",
            message.stats(),
            dsn,
            status,
            now=time.time(),
            limit=self._resolution,
        )

    def _decided(self, message: Message) -> None:
        """One entry less."""
        message.outstanding -= 1
        if message.outstanding == 0:
            self._done(message)


def _own_queue(recipient: Recipient, nexthop: str) -> str:
    """With one recipient in each request the recipient, not the domain, is the destination."""
    local, _, _ = recipient.address.rpartition("@")
    return f"{local or recipient.address}@{nexthop}".lower()
