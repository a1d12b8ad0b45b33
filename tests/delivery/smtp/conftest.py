"""The client in a queue of the test's own, told what qmgr would tell it."""

import asyncio
from dataclasses import replace

import pytest

from pyfix.clients.deliver import Answer, decode_answer
from pyfix.config.main_cf import MainCf
from pyfix.delivery.agent import Frame
from pyfix.delivery.smtp.daemon import Smtp
from pyfix.dns.memory import MemoryResolver
from pyfix.server.context import Context
from tests.delivery.conftest import Logs, Store, logs, store

__all__ = ["logs", "store"]

MAIN_CF = (
    "compatibility_level = 3.11\nmyhostname = client.test\ninet_protocols = ipv4\ninet_interfaces = loopback-only\n"
)


class Rewriter:
    """All addresses are complete."""

    async def rewrite(self, rule: str, address: str) -> str:
        return address


class Client:
    """Delivers messages of the store."""

    def __init__(self, store: Store, logs: Logs) -> None:
        self.store = store
        self.logs = logs
        self.resolver = MemoryResolver({})

    def deliver(
        self, queue_id: str, nexthop: str, *, main_cf: str = "", program: str = "smtp", args=(), **more
    ) -> Answer:
        """One request; the answer."""
        return self.deliver_all([self.store.request(queue_id, nexthop, **more)], main_cf, program, args)[0]

    def deliver_all(self, requests, main_cf: str = "", program: str = "smtp", args=()) -> list[Answer]:
        """One request after the other, by one worker."""

        async def run() -> list[Answer]:
            context = Context(program, program, MainCf.from_text(MAIN_CF + main_cf), args=args)
            agent = Smtp(context)
            agent.finder._resolver = self.resolver
            if agent.generic is not None:
                agent.generic = replace(agent.generic, rewriter=Rewriter())
            frame = Frame(self.store.queue, self.logs, agent.deliver, soft_bounce=agent.soft_bounce)
            answers = [decode_answer(await frame.handle(*request.encode(), lambda: False)) for request in requests]
            await agent.cache.close()
            return answers

        return asyncio.run(run())


@pytest.fixture
def client(store: Store, logs: Logs) -> Client:
    return Client(store, logs)
