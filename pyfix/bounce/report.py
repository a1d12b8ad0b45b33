"""report - the text of a report: header, notification, delivery report, the message itself

A Report makes records for cleanup from what is known of a message and its recipients. Nothing in
here decides whom to tell, or sends.

Parameters: bounce_size_limit enable_threaded_bounces requiretls_redact_dsn tls_required_enable
Sources: RFC 3462, RFC 3464, RFC 6533; bounce(8); commands sheet section 4
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pyfix.bounce.original import Original
from pyfix.config.bounce_template import Template
from pyfix.mail.address import quote
from pyfix.mail.dates import mail_date
from pyfix.mail.headers import header_name
from pyfix.queue import records as rec
from pyfix.queue.logs import LogEntry
from pyfix.queue.sendopts import REQUIRETLS, TLS_OPTIONAL
from pyfix.unix import msg

RET_FULL = 1
RET_HDRS = 2

LINE_LENGTH = 79  # bytes of a line that is wrapped
INDENT = "    "
UNAVAILABLE = "    --- The log of this delivery is missing ---"
WHITE = frozenset({b" ", b"\t"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What main.cf says about reports. lifetime: maximal_queue_lifetime, seconds."""

    myhostname: str
    size_limit: int = 50000
    lifetime: int = 432000
    threaded: bool = False
    utf8: bool = True
    tls_required: bool = True
    requiretls: bool = True
    redact: bool = True


class Report:
    """One kind of report about one message.

    entries: the recipients that it names, None: nothing is known of them; body: of the template, with
    its names expanded; now: seconds, when it is made.
    """

    def __init__(
        self,
        original: Original,
        entries: Iterable[LogEntry] | None,
        template: Template,
        body: list[str],
        rules: Rules,
        now: int,
    ) -> None:
        self.original = original
        self._unavailable = entries is None
        self._entries = list(entries or ())
        self._template = template
        self._body = body
        self._rules = rules
        self._boundary = f"{original.request.queue_id}.{now}/{rules.myhostname}"
        self._eight_bit = rules.utf8 or original.eight_bit
        self._failure = template.name == "failure"
        self._delay = template.name == "delay"

    @property
    def needed(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._entries) or self._unavailable

    def records(self, recipient: str, *, ret: int, postmaster: bool = False) -> Iterator[bytes]:
        """The message to `recipient` (external form), from its From: on.

        ret: RET_FULL or RET_HDRS; postmaster: a copy for the administrator, without the template's text.
        """
        lines = [*self._header(recipient, postmaster), *self._notification(postmaster), *self._delivery_report()]
        yield rec.encode_text([line.encode("utf-8", "surrogateescape") for line in lines])
        if self.original.envelope is not None:
            yield from self._message(ret)
        yield rec.encode_text([b"", f"--{self._boundary}--".encode()])

    # The header

    def _header(self, recipient: str, postmaster: bool) -> Iterator[str]:
        template = self._template
        yield f"From: {template.sender}"
        yield f"Subject: {template.postmaster_subject if postmaster else template.subject}"
        yield f"To: {recipient}"
        if self._rules.threaded and (message_id := self.original.message_id()):
            yield f"References: {message_id}"
            yield f"In-Reply-To: {message_id}"
        if self._rules.tls_required and self.original.request.sendopts & (TLS_OPTIONAL | REQUIRETLS) == TLS_OPTIONAL:
            yield "TLS-Required: no"
        yield f"Auto-Submitted: {'auto-generated' if postmaster else 'auto-replied'}"
        yield "MIME-Version: 1.0"
        yield "Content-Type: multipart/report; report-type=delivery-status;"
        yield f'\tboundary="{self._boundary}"'
        yield from self._encoding()
        yield ""
        yield "This is a MIME-encapsulated message."

    def _encoding(self) -> Iterator[str]:
        """Of the whole, and of the parts that hold text of others."""
        encoding = "8bit" if self._eight_bit else self.original.request.encoding
        if encoding:
            yield f"Content-Transfer-Encoding: {encoding}"

    def _part(self, description: str, content_type: str) -> Iterator[str]:
        yield ""
        yield f"--{self._boundary}"
        yield f"Content-Description: {description}"
        yield f"Content-Type: {content_type}"

    # The notification

    def _notification(self, postmaster: bool) -> Iterator[str]:
        charset = self._template.charset
        if self._eight_bit and charset.lower() == "us-ascii":
            charset = "utf-8"
        yield from self._part("Notification", f"text/plain; charset={charset}")
        yield from self._encoding()
        yield ""
        if not postmaster:
            yield from self._body
        if self._unavailable:
            yield from ("", UNAVAILABLE)
        for entry in self._entries:
            yield ""
            yield from wrap(self._explanation(entry))

    @staticmethod
    def _explanation(entry: LogEntry) -> str:
        """`<address> (expanded from <original>): reason`."""
        recipient = entry.recipient
        expanded = ""
        if recipient.original and recipient.original.lower() != recipient.address.lower():
            expanded = f" (expanded from <{quote(recipient.original)}>)"
        return f"<{quote(recipient.address)}>{expanded}: {entry.reason}"

    # The delivery report

    def _delivery_report(self) -> Iterator[str]:
        original, request = self.original, self.original.request
        utf8 = original.utf8
        kind = "message/global-delivery-status" if utf8 else "message/delivery-status"
        yield from self._part("Delivery report", kind)
        if utf8:
            yield "Content-Transfer-Encoding: 8bit"
        yield ""
        yield f"Reporting-MTA: dns; {self._rules.myhostname}"
        if request.envelope_id:
            yield f"Original-Envelope-Id: {request.envelope_id}"
        yield f"X-Postfix-Queue-ID: {request.queue_id}"
        yield f"X-Postfix-Sender: {self._address_type(original.sender)}; {original.sender}"
        if original.arrival:
            yield f"Arrival-Date: {mail_date(original.arrival)}"
        for entry in self._entries:
            yield ""
            yield from self._recipient(entry)

    def _recipient(self, entry: LogEntry) -> Iterator[str]:
        recipient = entry.recipient
        address = quote(recipient.address)
        yield f"Final-Recipient: {self._address_type(address)}; {address}"
        if recipient.dsn_orig_rcpt:
            yield f"Original-Recipient: {recipient.dsn_orig_rcpt}"
        elif recipient.original:
            yield f"Original-Recipient: {self._address_type(recipient.original)};{quote(recipient.original)}"
        yield f"Action: {'failed' if self._failure else entry.action}"
        yield f"Status: {entry.status}"
        if entry.mta_type and entry.mta_name:
            yield f"Remote-MTA: {entry.mta_type}; {entry.mta_name}"
        if entry.diag_type and entry.diag_text:
            yield from wrap(f"Diagnostic-Code: {entry.diag_type}; {entry.diag_text}")
        else:
            yield from wrap(f"Diagnostic-Code: X-Postfix; {entry.reason}")
        if self._delay and self.original.arrival:
            yield f"Will-Retry-Until: {mail_date(self.original.arrival + self._rules.lifetime)}"

    def _address_type(self, address: str) -> str:
        return "utf-8" if self.original.utf8 and not address.isascii() else "rfc822"

    # The message

    def _message(self, ret: int) -> Iterator[bytes]:
        headers_only = ret == RET_HDRS or self.original.size > self._rules.size_limit or self._redacted()
        what = "Undelivered Message" if self._failure or self._delay else "Message"
        utf8 = self.original.utf8
        if headers_only:
            part = self._part(f"{what} Headers", "message/global-headers" if utf8 else "text/rfc822-headers")
        else:
            part = self._part(what, "message/global" if utf8 else "message/rfc822")
        lines = [*part, *self._encoding(), "", f"Return-Path: <{self.original.sender}>"]
        yield rec.encode_text([line.encode("utf-8", "surrogateescape") for line in lines])
        yield from self._text(headers_only)

    def _redacted(self) -> bool:
        rules = self._rules
        return rules.requiretls and rules.redact and bool(self.original.request.sendopts & REQUIRETLS)

    def _text(self, headers_only: bool) -> Iterator[bytes]:
        """The text of the message, or all of its headers, however long."""
        unfinished = False
        try:
            for kind, data in self.original.content():
                if headers_only and not unfinished and header_name(data) is None and data[:1] not in WHITE:
                    break
                yield rec.encode(kind, data)
                unfinished = kind == rec.CONT
        except rec.CorruptQueueFile as error:
            msg.warning(f"{self.original.request.queue_id}: {error}")
        if unfinished:
            yield rec.encode(rec.NORM)


def wrap(text: str) -> list[str]:
    """Lines of up to LINE_LENGTH bytes, broken at blanks only; those after the first are indented."""
    wide = text.encode("utf-8", "surrogateescape").decode("latin-1")
    lines = textwrap.wrap(
        wide,
        LINE_LENGTH,
        subsequent_indent=INDENT,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.encode("latin-1").decode("utf-8", "surrogateescape") for line in lines] or [""]
