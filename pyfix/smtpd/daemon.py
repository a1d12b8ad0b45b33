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
from typing import Any

from pyfix.maps import regexp
from pyfix.server.context import Context
from pyfix.server.worker import Over
from pyfix.smtpd import peer
from pyfix.smtpd.connection import Connection, Watch
from pyfix.smtpd.policy import open_policy
from pyfix.smtpd.session import Conversation
from pyfix.smtpd.site import Site
from pyfix.smtpd.space import Space
from pyfix.unix.loop import Loop, running
from pyfix.unix.transport import SocketTransport

assert regexp  # smtpd_forbidden_commands has such a table by default: once for all workers, before they are forked


class Smtpd:
    """The SMTP server."""

    def __init__(self, context: Context) -> None:
        self.site = Site(context.main, context.service, jailed=context.jailed)
        self.site.cfg.check()
        self._policy = open_policy(self.site)
        self._space = Space()
        self._loop: Loop
        self._watch: Watch
        self._looking_up: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Know the loop. Clients of other services connect when first used."""
        self._loop = running()
        self._watch = Watch(self._loop)

    def take(self, sock: socket.socket, client: Any, over: Over) -> None:
        """Begin a session. client: the peer as accept() tells it; over: see Connection."""
        try:
            ends = peer.addresses(sock, client)
        except OSError:  # gone already
            sock.close()
            over(None)
            return
        names = self.site.names.known(ends[0])
        if names is not None:
            self._begin(sock, ends, names, over)
            return
        task = self._loop.create_task(self._look_up_and_begin(sock, ends, over))
        self._looking_up.add(task)
        task.add_done_callback(self._looking_up.discard)

    async def _look_up_and_begin(self, sock: socket.socket, ends: peer.Addresses, over: Over) -> None:
        try:
            self._begin(sock, ends, await self.site.names.names(ends[0]), over)
        except Exception as error:  # a bug in us: nobody else would say that it is over
            over(error)

    def _begin(self, sock: socket.socket, ends: peer.Addresses, names: peer.Names, over: Over) -> None:
        site = self.site
        known = peer.Peer(names, *ends, site.cfg.smtpd_client_port_logging)
        conversation = Conversation(site, self._policy, self._space, known)
        connection = Connection(conversation, site.cfg.smtpd_timeout, self._watch, over)
        SocketTransport(self._loop, sock, connection).begin()

    def stress(self, on: bool) -> None:
        """The service has no sessions left, or has again: parameters that ask for `stress` change at once."""
        self.site.configure(self.site.main.with_overrides([("stress", "yes" if on else "")]))

    def holds(self) -> bool:
        """Whether the postmaster is being told of a session that is over."""
        return self.site.postmaster is not None and self.site.postmaster.busy()

    async def retire(self) -> None:
        """Sessions come to their end by themselves; what they kept for the next goes."""
        self._policy.close()
