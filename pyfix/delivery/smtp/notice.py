"""notice - what was said in a conversation that broke the protocol, for the administrator

Written down only where notify_classes has "protocol". Sent when the connection ends, if the server answered
what SMTP does not provide for: 50x, a reply of another class than can be, a line that is no reply.

     In:  220 mx.example.com ESMTP
     Out: EHLO client.example.com

With -v, and with a server of debug_peer_list, the lines go to the log as they come.

Parameters: notify_classes, error_notice_recipient, double_bounce_sender, internal_mail_filter_classes
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pyfix.clients.cleanup import FLAG_FILTER, FLAG_MASK_INTERNAL, FLAG_MILTER, CleanupClient
from pyfix.clients.post_mail import post_mail
from pyfix.config.hosts import SEPARATORS
from pyfix.config.main_cf import MainCf
from pyfix.config.params.bounce import BounceParams
from pyfix.config.params.mail import MailParams
from pyfix.delivery.smtp import log
from pyfix.delivery.smtp.addresses import Server
from pyfix.mail.address import quote
from pyfix.mail.error import Retry
from pyfix.maps.debug_peer import DebugPeers
from pyfix.queue import records as rec
from pyfix.unix import msg

WIDTH = 77
MOST_LINES = 1000
COMMAND_TROUBLE = range(500, 505)  # answers to what should not have been sent, or not so


class Transcript:
    """One conversation. broken: it is one to tell of. logged: it goes to the log too, as one with this server."""

    def __init__(self, logged: Server | None = None) -> None:
        self.lines: list[str] = []
        self.broken = False
        self._logged = logged

    def sent(self, data: bytes) -> None:
        """Commands."""
        self._add(">", " Out: ", data)

    def received(self, data: bytes) -> None:
        """Whole lines of replies."""
        self._add("<", " In:  ", data)

    def _add(self, direction: str, prefix: str, data: bytes) -> None:
        for line in data.decode("utf-8", "replace").splitlines():
            if self._logged is not None:
                msg.info(log.talk(direction, self._logged, line))
            if len(self.lines) < MOST_LINES:
                self.lines += textwrap.wrap(prefix + line, WIDTH, subsequent_indent="     ", break_on_hyphens=False)


class Notices:
    """Sends them."""

    def __init__(self, main: MainCf, cleanup: CleanupClient) -> None:
        self._mail = mail = MailParams(main)
        self._cleanup = cleanup
        self._debug_peers = DebugPeers(mail)
        self.wanted = "protocol" in SEPARATORS.split(BounceParams(main).notify_classes.lower())
        self._flags = FLAG_MASK_INTERNAL
        if "notify" in SEPARATORS.split(mail.internal_mail_filter_classes.lower()):
            self._flags |= FLAG_FILTER | FLAG_MILTER

    async def transcript(self, server: Server) -> Transcript | None:
        """Where a new conversation is to be written down, if it is."""
        logged = await self._debug_peers.level(server.address, server.name)
        return Transcript(server if logged else None) if self.wanted or logged else None

    async def send(self, server: Server, transcript: Transcript, *, lmtp: bool) -> None:
        """Tell the administrator, where that is wanted. What goes wrong with that is only logged."""
        if not self.wanted:
            return
        mail = self._mail
        try:
            await post_mail(
                self._cleanup,
                f"{mail.double_bounce_sender}@{mail.myhostname}",
                mail.error_notice_recipient,
                [rec.encode_text([line.encode() for line in self._text(server, transcript, lmtp)])],
                flags=self._flags,
                host=mail.myhostname,
                mail_name=mail.mail_name,
            )
        except Retry as error:
            msg.warning(log.no_notice(server, error.text))

    def _text(self, server: Server, transcript: Transcript, lmtp: bool) -> Iterator[str]:
        mail = self._mail
        yield "From: Mail Delivery System <MAILER-DAEMON>"
        yield f"To: Postmaster <{quote(mail.error_notice_recipient)}>"
        yield f"Subject: {mail.mail_name} {'LMTP' if lmtp else 'SMTP'} client: errors from {server.name_port}"
        yield ""
        yield f"{server.name_port} did not keep to the protocol."
        yield ""
        yield "This is what was said:"
        yield ""
        yield from transcript.lines
        yield ""
        yield "The log of the mail system has more."
