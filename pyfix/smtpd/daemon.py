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

from pyfix.config.params.smtpd import SmtpdParams
from pyfix.server.context import Context
from pyfix.smtpd import peer
from pyfix.smtpd.connection import Connection
from pyfix.smtpd.policy import open_policy
from pyfix.smtpd.session import Conversation
from pyfix.smtpd.site import Site
from pyfix.smtpd.space import Space


class Smtpd:
    """The SMTP server."""

    def __init__(self, context: Context) -> None:
        self.site = Site(context.main, context.service)
        self.site.cfg.check()
        self._policy = open_policy(self.site)
        self._space = Space()

    async def start(self) -> None:
        """Nothing to begin: clients of other services connect when first used."""

    async def serve(self, sock: socket.socket) -> None:
        """One session."""
        try:
            address, port, server_address, server_port, family = peer.addresses(sock)
        except OSError:  # gone already
            sock.close()
            return
        client = peer.Peer(
            await self.site.names.names(address),
            address,
            port,
            server_address,
            server_port,
            family,
            log_port=self.site.cfg.smtpd_client_port_logging,
        )
        conversation = Conversation(self.site, self._policy, self._space, client)
        timeout = self.site.cfg.smtpd_timeout
        loop = asyncio.get_running_loop()
        _, connection = await loop.connect_accepted_socket(lambda: Connection(conversation, timeout), sock)
        await connection.over

    def stress(self, on: bool) -> None:
        """The service has no sessions left, or has again: parameters that ask for `stress` change at once."""
        overloaded = self.site.main.with_overrides([("stress", "yes" if on else "")])
        self.site.cfg = SmtpdParams(overloaded)

    async def retire(self) -> None:
        """Sessions come to their end by themselves."""
