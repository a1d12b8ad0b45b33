"""serial_rewrite - ask trivial-rewrite from a program without an event loop

A rewrite.Rewriter whose coroutines never wait for a loop (run_now). While the service is away it
asks once a second, as rewrite.RewriteClient does, but not when it is time to leave: nobody ends an agent that waits
for a service whose master is gone, and it would go on beside the agents of the next one.
"""

from __future__ import annotations

import select

from pyfix.clients.answer import ServiceGone
from pyfix.clients.rewrite import (
    PAUSE,
    PROTOCOL,
    RESOLVE,
    RESOLVE_ANSWER,
    RESOLVE_REQUEST,
    REWRITE,
    REWRITE_ANSWER,
    REWRITE_REQUEST,
    Resolved,
    problem_talking,
)
from pyfix.clients.serial import SerialChannel
from pyfix.unix import msg


class SerialRewriteClient:
    """The rewrite service. timeout: ipc_timeout, seconds; wake: as Context.wake, -1: never leave."""

    def __init__(self, service: str = "rewrite", *, timeout: float = 3600, wake: int = -1) -> None:
        self._service = service
        self._channel = SerialChannel(f"private/{service}", PROTOCOL, timeout=timeout)
        self._wake = [wake] if wake >= 0 else []

    async def rewrite(self, rule: str, address: str) -> str:
        """An address (external form) completed by a rule: RULE_LOCAL or RULE_REMOTE."""
        _, rewritten = REWRITE_ANSWER.decode(self._ask(REWRITE_REQUEST.encode(REWRITE, rule, address)))
        return str(rewritten)

    async def resolve(self, sender: str, address: str) -> Resolved:
        """Where an address goes (internal form; the empty sender is the null sender)."""
        _, *values = RESOLVE_ANSWER.decode(self._ask(RESOLVE_REQUEST.encode(RESOLVE, sender, address)))
        return Resolved(*values)

    def _ask(self, request: bytes) -> bytes:
        while True:
            try:
                return self._channel.request_now(request)[0]
            except ServiceGone as gone:
                msg.warning(problem_talking(self._service, gone))
                if select.select(self._wake, [], [], PAUSE)[0]:
                    raise
