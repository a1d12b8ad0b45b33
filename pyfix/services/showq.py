"""showq - tell what is in the queue

Service:    showq (unix, public)
Privileges: user mail_owner, chroot possible, no network
Parameters: authorized_mailq_users, hash_queue_names, hash_queue_depth, empty_address_recipient
Sources:    showq(8)

A session is one report: maildrop, active, incoming, deferred, hold. After a few messages the loop may do
something else, so that a report of a hundred thousand is no obstacle for others. The queue goes on
moving meanwhile: a message may be told twice or not at all.

The kernel says who asks; whom authorized_mailq_users does not name hears the greeting only. root and mail_owner
may always look.
"""

import asyncio
import os
import socket
from collections.abc import Iterator

from pyfix.clients import showq
from pyfix.config.params.mail import MailParams
from pyfix.maps.user_acl import UserAcl
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.report import Listed, list_message
from pyfix.server.context import Context
from pyfix.unix import msg, sockets

BATCH = 20
"""Messages read before the loop gets its turn."""
WRITE = 32768
"""Bytes that are written at once, or a little more."""


class Showq:
    """The showq service."""

    def __init__(self, context: Context) -> None:
        self._queue = QueueDirectory.from_config(context.main)
        mail = MailParams(context.main)
        self._null_sender = mail.empty_address_recipient
        self._acl = UserAcl(mail.authorized_mailq_users, "authorized_mailq_users")

    async def start(self) -> None:
        """Nothing to prepare."""

    async def serve(self, sock: socket.socket) -> None:
        """One report."""
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(sock, showq.GREETING)
            uid = sockets.peer_credentials(sock).uid
            if uid not in {0, os.geteuid()} and (name := await self._acl.refused(uid)):
                msg.warning(f"User {name}({uid}) is not allowed to view the mail queue")
                return
            text = bytearray()
            for count, message in enumerate(self._messages(), 1):
                if message is not None:
                    text += message
                if len(text) >= WRITE:
                    await loop.sock_sendall(sock, text)
                    text = bytearray()
                if count % BATCH == 0:
                    await asyncio.sleep(0)
            await loop.sock_sendall(sock, text + showq.END)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the reader has seen enough
        finally:
            sock.close()

    async def retire(self) -> None:
        """Nothing to finish."""

    def _messages(self) -> Iterator[bytes | None]:
        """Each message as it is sent; None for one that there is nothing to say of."""
        bounced = self._bounced()
        for name in showq.QUEUES:
            try:
                for queue_id in self._queue.scan(name):
                    logs = ("defer", "bounce") if queue_id in bounced else ("defer",)
                    listed = list_message(self._queue, name, queue_id, logs)
                    yield None if listed is None else self._told(name, listed)
            except OSError as error:
                msg.warning(f"scan {name}: {error.strerror}")

    def _bounced(self) -> set[str]:
        """Messages with bounce logs. They are few: the others need not be asked for theirs."""
        try:
            return set(self._queue.scan("bounce"))
        except OSError as error:
            msg.warning(f"scan bounce: {error.strerror}")
            return set()

    def _told(self, name: str, listed: Listed) -> bytes:
        null = self._null_sender
        recipients = [(original, address or null, log, why) for original, address, log, why in listed.recipients]
        return showq.encode(
            name,
            listed.queue_id,
            listed.time,
            listed.size,
            listed.forced_expire,
            listed.sender or null,
            recipients,
        )
