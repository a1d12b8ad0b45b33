"""notice - mail to the postmaster with what was said in a conversation that had trouble

     In:  220 mx.example.com ESMTP
     Out: EHLO client.example.com

Parameters: notify_classes, error_notice_recipient, double_bounce_sender, internal_mail_filter_classes
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from pyfix.clients.cleanup import FLAG_FILTER, FLAG_MASK_INTERNAL, FLAG_MILTER
from pyfix.clients.post_mail import Cleanup, post_mail
from pyfix.config.hosts import SEPARATORS
from pyfix.config.main_cf import MainCf
from pyfix.config.params.bounce import BounceParams
from pyfix.config.params.mail import MailParams
from pyfix.mail.address import quote
from pyfix.mail.error import Retry
from pyfix.queue import records as rec
from pyfix.unix import msg

WIDTH = 79


def folded(prefix: str, line: str) -> list[str]:
    """A line of the conversation as it is shown. prefix: " In:  " or " Out: "."""
    return textwrap.wrap(
        prefix + line, WIDTH, subsequent_indent="     ", break_on_hyphens=False, break_long_words=False
    )


class Notices:
    """Sends them. wanted: what notify_classes has."""

    def __init__(self, main: MainCf) -> None:
        self._mail = mail = MailParams(main)
        self.wanted = frozenset(SEPARATORS.split(BounceParams(main).notify_classes.lower()))
        self._flags = FLAG_MASK_INTERNAL
        if "notify" in SEPARATORS.split(mail.internal_mail_filter_classes.lower()):
            self._flags |= FLAG_FILTER | FLAG_MILTER

    async def send(
        self, cleanup: Cleanup, program: str, peer: str, text: Iterable[str], recipient: str | None = None
    ) -> None:
        """Tell the administrator. What goes wrong with this is only logged.

        program: such as "SMTP client"; recipient: who gets it in fact, None: whom the header names,
        error_notice_recipient.
        """
        mail = self._mail
        lines = [
            f"From: Mail Delivery System <MAILER-DAEMON@{mail.myhostname}>",
            f"To: Postmaster <{quote(mail.error_notice_recipient)}>",
            f"Subject: {mail.mail_name} {program}: errors from {peer}",
            "",
            *text,
            "",
            "For other details, see the local mail logfile",
        ]
        try:
            await post_mail(
                cleanup,
                f"{mail.double_bounce_sender}@{mail.myhostname}",
                recipient or mail.error_notice_recipient,
                [rec.encode_text([line.encode("utf-8", "surrogateescape") for line in lines])],
                flags=self._flags,
                host=mail.myhostname,
                mail_name=mail.mail_name,
            )
        except Retry as error:
            msg.warning(not_sent(peer, error.text))


def not_sent(peer: str, reason: str) -> str:
    """(warning) Nobody was told."""
    return f"{peer}: postmaster notice not sent: {reason}"
