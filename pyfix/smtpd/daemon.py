"""smtpd - receives mail over SMTP

Service:     smtp (inet), submission, smtps; smtpd (pass), behind postscreen
Privileges:  mail_owner, chroot possible; network: accepts connections, asks the resolver
Parameters:  pyfix.config.params.smtpd
Sources:     smtpd(8), RFC 5321 and its extensions

Each session is a Connection (bytes), a Conversation (decisions) and a protocol state machine
(pyfix.wire.smtp_server). All sessions of a worker share a Site (configuration, tables,
services) and a Policy (restriction lists).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from pyfix.config.params.smtpd import SmtpdParams
from pyfix.server.context import Context
from pyfix.server.transport import SocketTransport
from pyfix.smtpd import peer
from pyfix.smtpd.connection import Connection
from pyfix.smtpd.policy import open_policy
from pyfix.smtpd.session import Conversation
from pyfix.smtpd.site import Site
from pyfix.smtpd.space import Space


class Smtpd:
    """The SMTP server."""

    def __init__(self, context: Context) -> None:
        self.site = Site(context.main, context.service, jailed=context.jailed)
        self.site.cfg.check()
        self._policy = open_policy(self.site)
        self._space = Space()
        self._looking_up: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Nothing to begin: clients of other services connect when first used."""

    def take(self, sock: socket.socket, over: Callable[[BaseException | None], None]) -> None:
        """Begin a session; over: see Connection."""
        try:
            client = peer.addresses(sock)
        except OSError:  # gone already
            sock.close()
            over(None)
            return
        names = self.site.names.known(client.address)
        if names is not None:
            self._begin(sock, client, names, over)
            return
        task = asyncio.get_running_loop().create_task(self._look_up_and_begin(sock, client, over))
        self._looking_up.add(task)
        task.add_done_callback(self._looking_up.discard)

    async def _look_up_and_begin(
        self, sock: socket.socket, client: peer.Addresses, over: Callable[[BaseException | None], None]
    ) -> None:
        self._begin(sock, client, await self.site.names.names(client.address), over)

    def _begin(
        self,
        sock: socket.socket,
        client: peer.Addresses,
        names: peer.Names,
        over: Callable[[BaseException | None], None],
    ) -> None:
        known = peer.Peer(names, *client, log_port=self.site.cfg.smtpd_client_port_logging)
        conversation = Conversation(self.site, self._policy, self._space, known)
        connection = Connection(conversation, self.site.cfg.smtpd_timeout, over)
        SocketTransport(asyncio.get_running_loop(), sock, connection).begin()

    def stress(self, on: bool) -> None:
        """The service has no sessions left, or has again: parameters that ask for `stress` change at once."""
        overloaded = self.site.main.with_overrides([("stress", "yes" if on else "")])
        self.site.cfg = SmtpdParams(overloaded)

    async def retire(self) -> None:
        """Sessions come to their end by themselves; what they kept for the next goes."""
        self._policy.close()
