"""notify - who is told of what became of a message, and in which words

| request      | sender of the message | told                                                          |
|--------------|-----------------------|---------------------------------------------------------------|
| flush, verp, | somebody              | that one; with notify_classes=bounce bounce_notice_recipient  |
| one          | nobody (<>)           | with notify_classes=2bounce or bounce 2bounce_notice_recipient|
|              | double-bounce         | nobody                                                        |
| warn         | somebody              | that one; with notify_classes=delay delay_notice_recipient    |
|              | nobody (<>)           | with notify_classes=delay delay_notice_recipient              |
| trace        | somebody              | that one                                                      |
|              | nobody (<>)           | with notify_classes=2bounce 2bounce_notice_recipient          |

A report to somebody comes from <>, one to a postmaster from double-bounce. Recipients that want no
such report (NOTIFY) are left out; when none is left no report is sent. A log goes once its report is
on disk, never before, and not when it has grown since: qmgr may have died, and the next one's agents be at work.

Parameters: notify_classes and the ..._notice_recipient parameters, double_bounce_sender
Sources: bounce(8), commands sheet section 4
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyfix.bounce import log
from pyfix.bounce.original import Original
from pyfix.bounce.report import RET_FULL, RET_HDRS, Report, Rules
from pyfix.clients.bounce import ReportRequest
from pyfix.clients.cleanup import FLAG_AUTOUTF8, FLAG_FILTER, FLAG_MASK_INTERNAL, FLAG_MILTER, FLAG_REQTLS
from pyfix.clients.cleanup_client import CleanupClient
from pyfix.clients.deliver import Flags
from pyfix.clients.post_mail import post_mail
from pyfix.config.bounce_template import DEFAULTS, Template, expand_body
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.bounce import BounceParams
from pyfix.config.params.mail import MailParams
from pyfix.mail.address import quote, split_address
from pyfix.mail.error import Retry
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.logs import LogEntry, read_log, remove_log
from pyfix.queue.sendopts import REQUIRETLS
from pyfix.unix import msg

NEVER, SUCCESS, FAILURE, DELAY = 1, 2, 4, 8  # NOTIFY
ANY = NEVER | SUCCESS | FAILURE | DELAY

SENDER, POSTMASTER = "sender", "postmaster"
NON_DELIVERY, DELAYED, STATUS = "non-delivery", "delay", "delivery status"

_WORDS = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class Told:
    """The postmaster of one kind of trouble. classes: of notify_classes, any of them is enough."""

    address: str
    classes: frozenset[str]


class Notifier:
    """All reports of one service. clock: seconds since 1970."""

    def __init__(
        self,
        main: MainCf,
        queue: QueueDirectory,
        cleanup: CleanupClient,
        templates: dict[str, Template],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        mail, cfg = MailParams(main), BounceParams(main)
        self._main = main
        self._mail = mail
        self._queue = queue
        self._cleanup = cleanup
        self._templates = templates
        self._clock = clock
        self._classes = frozenset(_WORDS.split(cfg.notify_classes))
        self._bounce = Told(cfg.bounce_notice_recipient, frozenset({"bounce"}))
        self._double = Told(cfg.two_bounce_notice_recipient, frozenset({"bounce", "2bounce"}))
        self._delay = Told(cfg.delay_notice_recipient, frozenset({"delay"}))
        self._double_bounce = f"{mail.double_bounce_sender}@{mail.myhostname}"
        self._rules = _rules(mail, cfg)
        self._flags = _cleanup_flags(mail)

    # The requests

    async def flush(self, service: str, request: ReportRequest) -> bool:
        """Report what failed (service defer: what was given up), remove the log; False: try again later."""
        entries = read_log(self._queue, service, request.queue_id) or None
        done = await self._failed(request, entries, request.sender)
        return done and self._remove(service, request, entries)

    async def verp(self, service: str, request: ReportRequest, delimiters: str) -> bool:
        """The same with a report of its own for each recipient, sent to sender+recipient=domain@..."""
        entries = read_log(self._queue, service, request.queue_id)
        for entry in entries:
            to = verp_sender(request.sender, entry.recipient.address, delimiters)
            if not await self._failed(request, [entry], to):
                return False
        return self._remove(service, request, entries)

    async def one(self, request: ReportRequest, entry: LogEntry) -> bool:
        """Report one recipient at once; there is no log."""
        return await self._failed(request, [entry], request.sender)

    async def warn(self, service: str, request: ReportRequest) -> bool:
        """Report a delay, keep the log."""
        if self._is_double_bounce(request.sender):
            return True
        entries = read_log(self._queue, service, request.queue_id) or None
        with _opened(self, request) as original:
            make = self._maker(original, "delay")
            if not request.sender:
                return await self._postmaster(make, entries, self._delay, RET_HDRS, DELAYED)
            sent = await self._sender(make, _wanted(entries, DELAY), request.sender, RET_HDRS, DELAYED)
            if sent:
                await self._postmaster(make, entries, self._delay, RET_HDRS, DELAYED)
            return sent

    async def trace(self, service: str, request: ReportRequest) -> bool:
        """Report what somebody wanted to know, remove the log. request.flags: of the delivery."""
        if self._is_double_bounce(request.sender):
            msg.info(log.no_trace(request.queue_id, "double-bounce"))
            return True
        entries = read_log(self._queue, service, request.queue_id)
        asked = request.flags & (Flags.USR_VRFY | Flags.RECORD)
        with _opened(self, request) as original:
            make = self._maker(original, "verify" if asked else "success")
            told = _wanted(entries, ANY if asked else SUCCESS)
            if request.sender:
                sent = await self._sender(make, told, request.sender, RET_HDRS, STATUS)
            elif "2bounce" in self._classes:
                sent = await self._sender(make, told, self._double.address, RET_HDRS, STATUS)
            else:
                msg.info(log.no_trace(request.queue_id, "single-bounce"))
                sent = True
        return sent and self._remove(service, request, entries)

    # What they have in common

    def _remove(self, service: str, request: ReportRequest, told: Entries) -> bool:
        """Remove a log that was told; False: there is more in it now, and all is told next time."""
        if len(read_log(self._queue, service, request.queue_id)) > len(told or ()):
            return False
        remove_log(self._queue, service, request.queue_id)
        return True

    async def _failed(self, request: ReportRequest, entries: Entries, to: str) -> bool:
        if self._is_double_bounce(request.sender):
            msg.warning(log.discarded(request.queue_id))
            return True
        with _opened(self, request) as original:
            make = self._maker(original, "failure")
            if not request.sender:
                return await self._postmaster(make, entries, self._double, RET_FULL, NON_DELIVERY)
            ret = request.ret_flags or RET_FULL
            sent = await self._sender(make, _wanted(entries, FAILURE), to, ret, NON_DELIVERY)
            if sent:
                await self._postmaster(make, entries, self._bounce, RET_HDRS, NON_DELIVERY)
            return sent

    async def _sender(self, make: Make, entries: Entries, to: str, ret: int, kind: str) -> bool:
        return await self._send(make(entries), to, ret, SENDER, kind, copy=False)

    async def _postmaster(self, make: Make, entries: Entries, told: Told, ret: int, kind: str) -> bool:
        if not told.classes & self._classes:
            return True
        return await self._send(make(entries), told.address, ret, POSTMASTER, kind, copy=True)

    async def _send(self, report: Report, to: str, ret: int, word: str, kind: str, *, copy: bool) -> bool:
        """Post a report; whether it is on disk, or there is none to send."""
        if not report.needed:
            return True
        request = report.original.request
        null_sender = not copy and bool(request.sender)
        try:
            new_id = await post_mail(
                self._cleanup,
                "" if null_sender else self._double_bounce,
                to,
                report.records(quote(to), ret=ret, postmaster=copy),
                flags=self._flags | self._tls_flag(request),
                host=self._mail.myhostname,
                mail_name=self._mail.mail_name,
                clock=self._clock,
            )
        except Retry as error:
            msg.warning(log.post_failed(request.queue_id, word, to, str(error)))
            return False
        msg.info(log.notification(request.queue_id, word, kind, new_id))
        return True

    def _tls_flag(self, request: ReportRequest) -> int:
        rules = self._rules
        keep = rules.requiretls and not rules.redact and request.sendopts & REQUIRETLS
        return FLAG_REQTLS if keep else 0

    def _maker(self, original: Original, name: str) -> Make:
        """Makes reports about one message with the words of one template."""
        template, body = self._words_of(name)
        now = int(self._clock())

        def make(entries: Entries) -> Report:
            return Report(original, entries, template, body, self._rules, now)

        return make

    def _words_of(self, name: str) -> tuple[Template, list[str]]:
        """A template and its body, the built-in one where a $name in it can't be expanded: a report must go out."""
        try:
            return self._templates[name], expand_body(self._templates[name], self._main)
        except BadConfig as error:
            msg.warning(f"{error} -- ignoring this template")
            return DEFAULTS[name], expand_body(DEFAULTS[name], self._main)

    def open(self, request: ReportRequest) -> Original:
        """The message that a request is about."""
        return Original(self._queue, request, f"MAILER-DAEMON@{self._mail.myhostname}")

    def _is_double_bounce(self, sender: str) -> bool:
        return sender.lower() == self._double_bounce.lower()


Entries = list[LogEntry] | None  # None: there is no log
Make = Callable[[Entries], Report]


class _opened:  # noqa: N801 - reads like contextlib.closing
    """The original, for the time of a report."""

    def __init__(self, notifier: Notifier, request: ReportRequest) -> None:
        self._original = notifier.open(request)

    def __enter__(self) -> Original:
        return self._original

    def __exit__(self, *_: object) -> None:
        self._original.close()


def _wanted(entries: Entries, notify: int) -> Entries:
    """The recipients of whom the sender wants to hear that (NOTIFY), or said nothing about it."""
    if entries is None:
        return None
    return [entry for entry in entries if not entry.recipient.notify or entry.recipient.notify & notify]


def verp_sender(sender: str, recipient: str, delimiters: str) -> str:
    """`owner@list` and `user@there` are `owner+user=there@list` with the delimiters `+=`."""
    local, domain = split_address(sender)
    user, there = split_address(recipient)
    first, second = delimiters[:1] or "+", delimiters[1:2] or "="
    middle = user if there is None else f"{user}{second}{there}"
    return f"{local}{first}{middle}" + ("" if domain is None else f"@{domain}")


def _rules(mail: MailParams, cfg: BounceParams) -> Rules:
    return Rules(
        mail.myhostname,
        size_limit=cfg.bounce_size_limit,
        lifetime=mail.maximal_queue_lifetime,
        threaded=cfg.enable_threaded_bounces,
        utf8=mail.smtputf8_enable,
        tls_required=cfg.tls_required_enable,
        requiretls=cfg.requiretls_enable,
        redact=cfg.requiretls_redact_dsn,
    )


def _cleanup_flags(mail: MailParams) -> int:
    """What cleanup does with reports."""
    flags = FLAG_MASK_INTERNAL
    if "bounce" in _WORDS.split(mail.internal_mail_filter_classes):
        flags |= FLAG_FILTER | FLAG_MILTER
    if mail.smtputf8_enable and {"bounce", "all"} & set(_WORDS.split(mail.smtputf8_autodetect_classes)):
        flags |= FLAG_AUTOUTF8
    return flags
