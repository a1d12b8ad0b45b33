"""virtual - deliver to the mailboxes of virtual domains

Service:    virtual
Privileges: root, becomes the recipient for each delivery and is mail_owner in between; no chroot, no
            network. Started by an ordinary user: that user, always
Parameters: enable_original_recipient virtual_mailbox_limit, see mailbox, mbox, agent
Sources:    virtual(8)
"""

from __future__ import annotations

import errno
import socket

from pyfix.config.params.mail import MailParams
from pyfix.config.params.virtual import VirtualParams
from pyfix.delivery import log
from pyfix.delivery.agent import CONFIGURATION_ERROR, PROBE, Delivery
from pyfix.delivery.batch import BatchAgent
from pyfix.delivery.mail_copy import Letter, MailboxError
from pyfix.delivery.maildir import Maildir
from pyfix.delivery.mbox import Locking, Mbox, NotOwnedError, NotRegularError
from pyfix.delivery.outcome import Outcome, Turn
from pyfix.delivery.virtual.mailbox import Mailbox, Mailboxes
from pyfix.mail.error import MailError
from pyfix.maps.addresses import extensions_of
from pyfix.maps.maps import Maps
from pyfix.maps.table import Care
from pyfix.queue.file import Recipient
from pyfix.server.context import Context
from pyfix.server.privileges import owner_of
from pyfix.unix import msg
from pyfix.unix.as_user import become, can_switch


class Virtual(BatchAgent):
    """The service."""

    def __init__(self, context: Context) -> None:
        main = context.main
        mail, cfg = MailParams(main), VirtualParams(main)
        limit = cfg.virtual_mailbox_limit
        if 0 < limit < mail.message_size_limit:
            msg.fatal("main.cf configuration error: virtual_mailbox_limit is smaller than message_size_limit")
        if not cfg.virtual_mailbox_base:
            msg.fatal("main.cf configuration error: virtual_mailbox_base is empty")

        def maps(name: str, text: str) -> Maps:
            return Maps(text, name=name, config_dir=main.config_dir, care=Care.PARANOID)

        owner = owner_of(mail.mail_owner)
        self._owner = owner.uid, owner.gid
        self._home = Turn(self._owner)
        self._original = mail.enable_original_recipient
        self._mailboxes = Mailboxes(
            maps("virtual_mailbox_maps", mail.virtual_mailbox_maps),
            maps("virtual_uid_maps", cfg.virtual_uid_maps),
            maps("virtual_gid_maps", cfg.virtual_gid_maps),
            base=cfg.virtual_mailbox_base,
            minimum_uid=cfg.virtual_minimum_uid,
            extensions=extensions_of(mail),
        )
        styles = tuple(cfg.virtual_mailbox_lock.replace(",", " ").split())
        locking = Locking(styles, mail.deliver_lock_attempts, mail.deliver_lock_delay, mail.stale_lock_time)
        self._maildir = Maildir(limit)
        self._mbox = Mbox(locking, limit, strict=mail.strict_mailbox_ownership)
        super().__init__(
            context,
            self.deliver,
            relay="virtual",
            owner=self._owner,
            status_filter=cfg.virtual_delivery_status_filter,
        )

    def serve(self, sock: socket.socket) -> None:
        """One connection of qmgr's, as mail_owner."""
        if can_switch():
            become(*self._owner)
        super().serve(sock)

    async def deliver(self, delivery: Delivery) -> None:
        """One recipient after the other."""
        for recipient in delivery.request.recipients:
            await delivery.settle(await self._outcome(delivery, recipient))

    async def _outcome(self, delivery: Delivery, recipient: Recipient) -> Outcome:
        request = delivery.request
        try:
            mailbox = await self._mailboxes.find(recipient.address)
        except MailError as error:
            return Outcome(recipient, error.status, error.text)
        maildir = mailbox.path.endswith("/")
        if request.flags & PROBE:
            return Outcome(recipient, "2.0.0", f"delivers to {'maildir' if maildir else 'mailbox'}")
        letter = Letter(
            delivery.fd, request.offset, request.size, request.sender, recipient, original=self._original
        )
        turn = Turn((mailbox.uid, mailbox.gid))
        await turn
        if maildir:
            outcome = await self._to_maildir(recipient, mailbox, letter, turn)
        else:
            outcome = self._to_mbox(recipient, mailbox, letter)
        await self._home
        return outcome

    async def _to_maildir(self, recipient: Recipient, mailbox: Mailbox, letter: Letter, turn: Turn) -> Outcome:
        try:
            for sync in self._maildir.steps(mailbox.path, letter):
                turn.sync = sync
                await turn
        except MailboxError as error:
            if error.errno == errno.EACCES:
                msg.warning(log.access_problem(mailbox.uid, mailbox.gid, str(error)))
                msg.warning(log.ACCESS_HINT)
            return Outcome(recipient, error.status, f"maildir delivery failed: {error}", **error.more)
        return Outcome(recipient, "2.0.0", "delivered to maildir")

    def _to_mbox(self, recipient: Recipient, mailbox: Mailbox, letter: Letter) -> Outcome:
        try:
            self._mbox.deliver(mailbox.path, letter, mailbox.uid)
        except NotRegularError:
            msg.warning(log.not_regular(recipient.address.lower(), mailbox.path))
            reason = f"delivery failed to mailbox {mailbox.path}: {CONFIGURATION_ERROR}"
            return Outcome(recipient, "5.3.5", reason)
        except NotOwnedError:
            msg.warning(log.OWNERSHIP_HINT)
            reason = f"destination {mailbox.path} is not owned by recipient"
            return Outcome(recipient, "4.2.0", f"delivery failed to mailbox {mailbox.path}: {reason}")
        except MailboxError as error:
            reason = f"delivery failed to mailbox {mailbox.path}: {error}"
            return Outcome(recipient, error.status, reason, **error.more)
        return Outcome(recipient, "2.0.0", "delivered to mailbox")
