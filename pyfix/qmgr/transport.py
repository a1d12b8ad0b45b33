"""transport - one way out: its destinations, its jobs, its agents

ready:     entries leave while agents have room
dead:      no agent can be reached, or one was lost; `why` says it until transport_retry_time is over
suspended: <transport>_transport_rate_delay runs
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from pyfix.clients.deliver import Dsn
from pyfix.qmgr.agents import Agent, Agents
from pyfix.qmgr.entry import Entry
from pyfix.qmgr.job import JobList
from pyfix.qmgr.limits import Limits
from pyfix.qmgr.queue import Queue

Send = Callable[["Transport", Agent, Entry], None]


class Transport:
    """name: of the service in private/; send: gives an entry to an agent; failed: hears that none can be
    reached, and why.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        *,
        send: Send,
        failed: Callable[[Transport, str], None],
        retry_time: float = 60,
        ipc_timeout: float = 60,
    ) -> None:
        self.name = name
        self.limits = limits
        self.queues: dict[str, Queue] = {}
        self.jobs = JobList()
        self.busy = 0
        self.why: Dsn | None = None
        self.stopped = False
        self.agents = Agents(
            f"private/{name}", self.drain, lambda reason: failed(self, reason), timeout=ipc_timeout
        )
        self._send = send
        self._retry_time = retry_time
        self._suspended = False
        self._timers: set[asyncio.TimerHandle] = set()

    def queue(self, name: str, nexthop: str) -> Queue:
        """The destination of that name, a new one when it is not known."""
        queue = self.queues.get(name)
        if queue is None:
            queue = self.queues[name] = Queue(name, nexthop, self.limits.rules)
        return queue

    def drain(self) -> None:
        """Send what may leave."""
        if self.stopped or self._suspended or self.why is not None:
            return
        while self.jobs.ready:
            if self.limits.transport_rate_delay and self.busy:
                return
            agent = self.agents.free()
            if agent is None:
                if self.jobs.waiting():
                    self.agents.open()
                return
            entry = self.jobs.next()
            if entry is None:
                return
            self.busy += 1
            agent.busy += 1
            self._send(self, agent, entry)

    def finished(self, queue: Queue) -> None:
        """An entry of this destination has come back."""
        self.busy -= 1
        queue.done()
        if self.limits.destination_rate_delay and not queue.dead:
            queue.suspended = True
            self._later(self.limits.destination_rate_delay, lambda: self._resume_queue(queue))
        if self.limits.transport_rate_delay:
            self._suspended = True
            self._later(self.limits.transport_rate_delay, self._resume)
        self.settle(queue)

    def settle(self, queue: Queue) -> None:
        """Something about a destination has changed: it may send again, or be forgotten."""
        if queue.todo:
            self.jobs.offer(queue)
        elif queue.idle:
            self.queues.pop(queue.name, None)

    def kill_queue(self, queue: Queue, why: Dsn, delay: float) -> None:
        """A destination is in trouble for the next `delay` seconds."""
        queue.why = why
        self._later(delay, lambda: self.revive_queue(queue))

    def revive_queue(self, queue: Queue) -> None:
        """A destination may be tried again."""
        if queue.why is not None:
            queue.why = None
            queue.window.revive(queue.busy)
            self.settle(queue)
            self.drain()

    def kill(self, why: Dsn) -> None:
        """No delivery works for the next transport_retry_time."""
        self.why = why
        self._later(self._retry_time, self.revive)

    def revive(self) -> None:
        """The whole transport may be tried again."""
        self.why = None
        self.drain()

    def waiting(self) -> Iterator[Entry]:
        """Take out every entry that has not left."""
        for queue in list(self.queues.values()):
            while queue.todo:
                yield queue.todo.popleft()
            self.settle(queue)

    def close(self) -> None:
        """Hang up and forget the timers."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.agents.close()

    def _resume(self) -> None:
        self._suspended = False
        self.drain()

    def _resume_queue(self, queue: Queue) -> None:
        queue.suspended = False
        self.settle(queue)
        self.drain()

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(delay, run)
        self._timers.add(timer)
