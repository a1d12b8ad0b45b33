"""notice - what was said in a session that had trouble, for the postmaster

Each refusal is trouble of a class; when the session ends, or is long enough to be forgotten, and had trouble
that notify_classes has, its transcript goes to error_notice_recipient (bounce_notice_recipient where
something in it was a bounce). Trouble that a message made up for is forgotten.

Parameters: notify_classes, error_notice_recipient, bounce_notice_recipient, smtpd_history_flush_threshold.
Sources: postconf(5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from enum import Flag, auto

from pyfix.clients.cleanup import (
    STAT_BARE_LF,
    STAT_CONT,
    STAT_HOPS,
    STAT_RCPT,
    STAT_SIZE,
    STAT_WRITE,
)
from pyfix.clients.notice import Notices, folded
from pyfix.clients.post_mail import Cleanup
from pyfix.config.main_cf import MainCf
from pyfix.config.params.bounce import BounceParams
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply


class Trouble(Flag):
    """The classes of notify_classes that sessions know."""

    NONE = 0
    BOUNCE = auto()
    DATA = auto()
    POLICY = auto()
    PROTOCOL = auto()
    RESOURCE = auto()
    SOFTWARE = auto()


OF_STATUS = (
    (STAT_WRITE, Trouble.RESOURCE),
    (STAT_SIZE | STAT_HOPS | STAT_RCPT, Trouble.BOUNCE),
    (STAT_CONT, Trouble.POLICY),
    (STAT_BARE_LF, Trouble.PROTOCOL),
)


def of_status(status: int) -> Trouble:
    """What kind of trouble a verdict of cleanup's is. status: STAT bits."""
    for bits, trouble in OF_STATUS:
        if status & bits:
            return trouble
    return Trouble.SOFTWARE


NO_TROUBLE = Trouble.NONE  # a member's name is looked up in ten times the time


class History:
    """What was said since the last time that it was forgotten, with the trouble in it."""

    __slots__ = ("aborted", "said", "trouble")

    def __init__(self) -> None:
        self.said: list[bytes | Reply] = []
        """Commands and replies."""
        self.aborted = ""
        """Why the session did not come to its end."""
        self.trouble = NO_TROUBLE

    def is_longer(self, limit: int) -> bool:
        """Whether it has more lines than that. (Commands have one, most replies one, EHLO's ten.)"""
        return sum([1 if isinstance(item, bytes) else len(item.lines) for item in self.said]) > limit

    def forget(self) -> None:
        """Begin anew."""
        self.said.clear()
        self.trouble = NO_TROUBLE

    def lines(self) -> Iterable[str]:
        """As they are shown."""
        for item in self.said:
            prefix, data = (" In:  ", item.partition(b"\0")[0]) if isinstance(item, bytes) else (" Out: ", item.data)
            for line in data.decode("utf-8", "surrogateescape").rstrip("\r\n").split("\r\n"):
                yield from folded(prefix, msg.printable(line))


class Postmaster:
    """Who is told of sessions."""

    def __init__(self, main: MainCf) -> None:
        self._notices = Notices(main)
        self._for_bounces = BounceParams(main).bounce_notice_recipient
        self._wanted = Trouble.NONE
        for trouble in Trouble:
            if trouble.name is not None and trouble.name.lower() in self._notices.wanted:
                self._wanted |= trouble
        self._tasks: set[asyncio.Task[None]] = set()

    def busy(self) -> bool:
        """Whether something is being sent."""
        return bool(self._tasks)

    def tell(self, cleanup: Cleanup, client: str, history: History) -> None:
        """Send the transcript, if there was trouble of a kind that the postmaster wants to know."""
        if not history.trouble & self._wanted:
            return
        text = ["Transcript of session follows.", "", *history.lines(), ""]
        if history.aborted:
            text.append(f"Session aborted, reason: {history.aborted}")
        recipient = self._for_bounces if history.trouble & Trouble.BOUNCE else None
        task = asyncio.get_running_loop().create_task(
            self._notices.send(cleanup, "SMTP server", client, text, recipient)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
