"""daemon - deliver to the users of this machine

Service:    local
Privileges: root, becomes each recipient for what concerns him and is mail_owner in between; no chroot,
            no network. Started by an ordinary user: delivers to that user only
Parameters: see setup, recipient and what it names, agent
Sources:    local(8)
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from pyfix.delivery.agent import Delivery, SerialAgent
from pyfix.delivery.local import forward
from pyfix.delivery.local.recipient import deliver_recipient
from pyfix.delivery.local.setup import Setup
from pyfix.delivery.local.state import Attempt, State
from pyfix.delivery.outcome import Outcome, Settled
from pyfix.queue.file import Recipient
from pyfix.server.context import Context
from pyfix.server.privileges import is_root
from pyfix.unix import msg
from pyfix.unix.as_user import become, can_switch


class Local(SerialAgent):
    """The service."""

    def __init__(self, context: Context) -> None:
        if is_root() and not context.privileged:
            msg.fatal(f"service {context.service}: needs root privileges: change the unpriv field in master.cf to n")
        self.setup = Setup(context)
        super().__init__(
            context,
            self.deliver,
            relay=context.service,
            concurrency=1,
            status_filter=self.setup.cfg.local_delivery_status_filter,
        )

    def serve(self, sock: socket.socket) -> None:
        """One connection of qmgr's, as mail_owner."""
        os.umask(0o077)
        if can_switch():
            become(self.setup.owner.uid, self.setup.owner.gid)
        super().serve(sock)

    def deliver(self, delivery: Delivery) -> Iterator[Outcome | Settled]:
        """One recipient after the other, each with all that it stands for."""
        attempt = Attempt(self.setup, delivery)
        for recipient in delivery.request.recipients:
            yield from self._deliver(attempt, recipient)
            yield Settled(recipient)

    def _deliver(self, attempt: Attempt, recipient: Recipient) -> Iterator[Outcome]:
        attempt.seen.clear()
        state = State(recipient, attempt.delivery.request.sender)
        yield from deliver_recipient(attempt, state)
        yield from forward.finish(attempt, state)
