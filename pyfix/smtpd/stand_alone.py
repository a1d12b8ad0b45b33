"""stand_alone - an SMTP server on standard input and output, for `sendmail -bs`

Runs as the caller, who may send what he could send by sendmail: nobody asks restrictions, tables or the resolver.
The message goes where sendmail's goes (pyfix.clients.submit), through the same filter as every submission, and so
without what a server would say of its client.

See also: smtpd(8), option -S.
"""

import asyncio
import os
import socket

from pyfix.clients import submit
from pyfix.clients.cleanup import STAT_BAD, STAT_OK, STAT_SIZE, STAT_WRITE
from pyfix.clients.rewrite import Resolved
from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.mail.error import Retry
from pyfix.maps.run_now import run_now
from pyfix.maps.user_acl import UserAcl
from pyfix.queue.submitted import Filter, MalformedError
from pyfix.server.context import Context
from pyfix.smtpd.connection import Connection, Watch
from pyfix.smtpd.peer import OK, Names, Peer
from pyfix.smtpd.policy import open_policy
from pyfix.smtpd.session import Conversation
from pyfix.smtpd.site import Site
from pyfix.smtpd.space import Space
from pyfix.unix import msg
from pyfix.unix.loop import running
from pyfix.unix.transport import SocketTransport

NOT_ASKED = (
    *(f"smtpd_{stage}_restrictions" for stage in ("client", "helo", "sender", "relay", "data", "end_of_data", "etrn")),
    *("canonical_maps", "sender_canonical_maps", "recipient_canonical_maps", "virtual_alias_maps"),
    *("local_recipient_maps", "relay_recipient_maps", "virtual_mailbox_maps"),
    "smtpd_discard_ehlo_keyword_address_maps",
)
SETTINGS = (
    *((name, "") for name in NOT_ASKED),
    ("mynetworks", "127.0.0.1"),
    ("smtpd_recipient_restrictions", "permit_mynetworks, reject"),
    ("smtpd_reject_unlisted_recipient", "no"),
    ("smtpd_reject_unlisted_sender", "no"),
    ("fast_flush_domains", ""),
    ("smtpd_peername_lookup", "no"),
    ("smtpd_forbid_unauth_pipelining", "no"),  # programs write all they have to say at once
)


class Message:
    """A message on its way to maildrop."""

    def __init__(self, submission: "submit.Submission", uid: int, limit: int) -> None:
        self.queue_id = submission.queue_id
        self._submission = submission
        self._filter = Filter(uid, warn=False)
        self._limit = limit
        self._size = 0
        self._status = STAT_OK
        self._reason = ""

    def write(self, records: bytes | bytearray, *, text: bool = False, clean: bool = False) -> None:
        """Add records; trouble is told at the end."""
        del text, clean  # all are looked at
        if self._status:
            return
        try:
            passed = self._filter.feed(bytes(records))
            self._size += len(passed)
            if self._limit and self._size > self._limit:
                raise submit.RefusedError(STAT_SIZE, "")
            self._submission.write(passed)
        except MalformedError:
            self._status = STAT_BAD
        except submit.RefusedError as error:
            self._status, self._reason = error.status, str(error)
        except OSError as error:
            msg.warning(f"{self.queue_id}: {error.strerror}")
            self._status = STAT_WRITE

    async def drain(self) -> None:
        """Writing waits by itself."""

    async def finish(self) -> tuple[int, str]:
        """The verdict: STAT bits, reason."""
        return self.end()

    def end(self, hear: object = None) -> tuple[int, str]:
        """The same at once."""
        del hear
        if self._status == STAT_OK:
            try:
                self._submission.finish()
            except submit.RefusedError as error:
                self._status, self._reason = error.status, str(error)
            except OSError as error:
                msg.warning(f"{self.queue_id}: {error.strerror}")
                self._status = STAT_WRITE
        if self._status:
            self.cancel()
        return self._status, self._reason

    def cancel(self) -> None:
        """Nothing of it stays."""
        self._submission.cancel()


class Maildrop:
    """In place of the cleanup service."""

    def __init__(self, mail: MailParams) -> None:
        self._directory = mail.queue_directory
        self._long_ids = mail.enable_long_queue_ids
        self._limit = mail.message_size_limit

    def ready(self, flags: int) -> None:
        """None ever is."""

    async def open(self, flags: int) -> Message:
        """A new message. Retry: there is no way in."""
        del flags  # what cleanup is to do with a submission is pickup's to say
        try:
            submission = submit.begin(self._directory, long_ids=self._long_ids)
        except (submit.UnavailableError, submit.RefusedError) as error:
            raise Retry("queue file write error", detail=str(error)) from None
        return Message(submission, os.getuid(), self._limit)


class Unresolved:
    """In place of the rewrite service: every address will do."""

    async def resolve(self, sender: str, address: str) -> Resolved:
        """Nobody looks at the answer but for its flags."""
        return self.known(sender, address)

    def known(self, sender: str, address: str) -> Resolved:
        """The same."""
        del sender
        return Resolved("", "", address, 0)


class StandAlone:
    """One session."""

    def __init__(self, context: Context) -> None:
        mail = MailParams(context.main)
        uid = os.getuid()
        if name := run_now(UserAcl(mail.authorized_submit_users, "authorized_submit_users").refused(uid)):
            msg.fatal(f"User {name}({uid}) is not allowed to submit mail")
        self._site = Site(_alone(context.main), context.service)
        self._site.cleanup = Maildrop(mail)
        self._site.rewrite = Unresolved()
        self._site.postmaster = None
        self._policy = open_policy(self._site)

    async def serve(self, sock: socket.socket) -> None:
        """Speak SMTP until the client goes."""
        names = Names("localhost", "localhost", OK, OK)
        peer = Peer(names, "127.0.0.1", "0", "127.0.0.1", "0", socket.AF_INET)
        conversation = Conversation(self._site, self._policy, Space(), peer)
        loop = running()
        timeout = self._site.cfg.smtpd_timeout
        over: asyncio.Future[None] = loop.create_future()
        connection = Connection(conversation, timeout, Watch(loop), lambda _: over.set_result(None))
        SocketTransport(loop, sock, connection).begin()
        await over


def _alone(main: MainCf) -> MainCf:
    return main.with_overrides(SETTINGS)
