"""transaction - one message: its envelope, its Received: header, its way to cleanup

The queue file is opened with the first recipient that is accepted. Envelope records are
collected and go out with the first content; content goes out as it comes.

Record order: queue file format of postcat(1), written for cleanup(8).
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from functools import lru_cache

from pyfix.clients.cleanup import FLAG_SMTPUTF8, STAT_BARE_LF, Verdict, reply
from pyfix.clients.post_mail import Message
from pyfix.mail.address import quote
from pyfix.mail.dates import mail_date
from pyfix.queue import records as rec
from pyfix.smtpd.delegated import NOTHING, Delegated
from pyfix.smtpd.peer import Peer
from pyfix.smtpd.site import Site
from pyfix.wire.smtp_data import Piece, Rows
from pyfix.wire.smtp_event import Mail, Rcpt
from pyfix.wire.smtp_params import NO_MAIL_PARAMS, MailParams, xtext
from pyfix.wire.smtp_reply import Reply

COUNTER = itertools.count()
DRAIN = 1 << 20  # bytes of content between two looks at how cleanup is doing


class Transaction:
    """A message from MAIL to its end."""

    __slots__ = (
        "_envelope",
        "_instance",
        "_undrained",
        "arrived",
        "context",
        "first_recipient",
        "helo",
        "kept",
        "message",
        "params",
        "protocol",
        "queue_id",
        "recipients",
        "refused",
        "sender",
        "status",
    )

    def __init__(self, mail: Mail, protocol: str, helo: str | None, context: str) -> None:
        """protocol: SMTP or ESMTP; context: "local" or "remote" header rewriting."""
        self.sender = mail.address
        self.params = mail.params
        self.protocol = protocol
        self.helo = helo
        self.context = context
        self.arrived = time.time()
        self.recipients = 0
        self.first_recipient = ""
        self.refused = 0
        """RCPT commands over smtpd_recipient_limit."""
        self.status = 0
        """Trouble with the content, STAT bits of the cleanup service."""
        self.kept: int | None = None
        """Bytes of the content up to where it grew too large; None: it has not."""
        self.message: Message | None = None
        self.queue_id = "NOQUEUE"
        """For the log."""
        self._envelope: list[bytes] = []
        self._undrained = 0
        self._instance = ""

    @property
    def instance(self) -> str:
        """Names this message to policy servers."""
        if not self._instance:
            arrived = self.arrived
            self._instance = f"{os.getpid():x}.{int(arrived):x}.{int(arrived % 1 * 1e6):x}.{next(COUNTER):x}"
        return self._instance

    def forget_params(self) -> None:
        """Another MAIL, though it was refused, did not say them: all but the size, envid and auth."""
        if self.params is not NO_MAIL_PARAMS:
            said, self.params = self.params, MailParams()
            self.params.size, self.params.envid, self.params.auth = said.size, said.envid, said.auth

    @property
    def only_recipient(self) -> str | None:
        """The recipient, when there is just one."""
        return self.first_recipient if self.recipients == 1 else None

    def flags(self, site: Site) -> int:
        """What cleanup is to do with it."""
        return site.cleanup_flags | FLAG_SMTPUTF8 if self.params.smtputf8 else site.cleanup_flags

    def begin(self, message: Message, site: Site, peer: Peer) -> None:
        """It has got a queue file."""
        self.message = message
        self.queue_id = message.queue_id
        self._envelope = [self._head(site, peer, message.queue_id)]

    def add(self, rcpt: Rcpt) -> None:
        """One more recipient."""
        self.recipients += 1
        self.first_recipient = self.first_recipient or rcpt.address
        self._envelope.append(_recipient(rcpt.address, rcpt.given, rcpt.params.notify, rcpt.params.orcpt))

    def begin_content(self, site: Site, peer: Peer, delegated: Delegated) -> None:
        """The envelope is complete; the content begins with prepended headers and our Received:."""
        assert self.message is not None
        text = self._received(site, peer, self.message.queue_id).encode("utf-8", "surrogateescape")
        lines, clean = text.split(b"\n"), text.find(b"\r") < 0
        if delegated is not NOTHING:
            prepended = delegated.headers()
            lines, clean = prepended + lines, clean and not prepended
            self._envelope.append(delegated.take())
        self._envelope += [MESG, rec.encode_text(lines)]
        self.message.write(b"".join(self._envelope), clean=clean)
        self._envelope.clear()

    def write(self, blocks: list[Piece]) -> None:
        """Some content."""
        assert self.message is not None
        clean = True
        parts: list[bytes | bytearray] = []
        for block in blocks:
            clean = clean and block.clean
            if type(block) is Rows:
                parts.append(rec.encode_rows(block.data, block.width))
            else:
                parts.append(rec.encode_text(block.lines))
                if block.partial is not None:
                    parts.append(rec.encode(rec.CONT, block.partial))
        records = parts[0] if len(parts) == 1 else b"".join(parts)
        self.message.write(records, text=clean)
        self._undrained += len(records)

    def is_ahead(self) -> bool:
        """So much was written that it is time to drain()."""
        return self._undrained > DRAIN

    async def drain(self) -> None:
        """Wait while cleanup is behind. Retry: it is gone."""
        assert self.message is not None
        self._undrained = 0
        await self.message.drain()

    def end(self, delegated: Delegated, hear: Callable[[Verdict], None]) -> Verdict | None:
        """All has come. The verdict, if it is there; else `hear` is called with it, and raises nothing."""
        assert self.message is not None
        if self.status:
            self.cancel()
            return self.status, ""
        after = b"" if delegated is NOTHING else delegated.take()
        self.message.write(XTRA + after + END if after else NOTHING_AFTER, clean=not after)
        return self.message.end(hear)

    def refusal(self, site: Site, reason: str) -> Reply:
        """What the client hears of its status. reason: what cleanup says of it."""
        if self.status != STAT_BARE_LF:
            return Reply.from_text(reply(self.status, reason))
        code = site.cfg.smtpd_forbid_bare_newline_reject_code
        return Reply(code, "5.5.2", f"{site.mail.myhostname} Error: bare <LF> received")

    def drop(self) -> None:
        """Nothing of it stays, but the client has not been told yet."""
        self.cancel()
        self.message = None

    def cancel(self) -> None:
        """Nothing of it stays."""
        if self.message is not None:
            self.message.cancel()

    # Records

    def _head(self, site: Site, peer: Peer, queue_id: str) -> bytes:
        params = self.params
        envelope = _envelope(
            site.mail.content_filter,
            self.context,
            peer.origin,
            peer.name,
            peer.address,
            peer.names.reverse_name,
            peer.server_address,
            peer.server_port,
            peer.family,
            self.helo or "",
            self.protocol,
            params.body,
        )
        arrived = b"%d %d" % divmod(int(self.arrived * 1e6), 1000000)
        sender = rec.encode(rec.FROM, self.sender.encode("utf-8", "surrogateescape"))
        if params is not NO_MAIL_PARAMS:
            sender = self._about_sender() + sender
        ident, port = queue_id.encode(), peer.port.encode()
        size = len(port)
        return envelope % (len(arrived), arrived, 10 + len(ident), ident, sender, 16 + size, port, 12 + size, port)

    def _about_sender(self) -> bytes:
        params = self.params
        parts = []
        if params.auth:
            parts.append(rec.attribute("sasl_sender", params.auth))
        if params.envid is not None:
            parts.append(rec.attribute("envelope_id", xtext(params.envid) or ""))
        if params.ret:
            parts.append(rec.attribute("ret_flags", str(params.ret)))
        return b"".join(parts)

    def _received(self, site: Site, peer: Peer, queue_id: str) -> str:
        protocol = "UTF8SMTP" if self.params.smtputf8 else self.protocol
        date = mail_date(self.arrived)
        end = f"\n\tfor <{quote(self.first_recipient)}>; {date}" if self.recipients == 1 else f";\n\t{date}"
        return (
            f"Received: from {self.helo or peer.name} ({peer.name} [{peer.literal}])\n"
            f"\tby {site.mail.myhostname} ({site.mail.mail_name}) with {protocol} id {queue_id}{end}"
        )


MESG = rec.encode(rec.MESG)
XTRA = rec.encode(rec.XTRA)
END = rec.encode(rec.END)
NOTHING_AFTER = XTRA + END


@lru_cache(1000)
def _envelope(
    content_filter: str,
    context: str,
    origin: str,
    name: str,
    address: str,
    reverse_name: str,
    server_address: str,
    server_port: str,
    family: int,
    helo: str,
    protocol: str,
    body: str,
) -> bytes:
    """The first records of all messages that a client sends in one way, with `%` for what differs: when it came (%c:
    the length, %b), log_ident (the same), records about the sender (%b), log_client_port, client_port."""
    before = [("encoding", body), ("log_client_name", name), ("log_client_address", address)]
    between = [
        ("log_message_origin", origin),
        ("log_helo_name", helo),
        ("log_protocol_name", protocol),
        ("client_name", name),
        ("reverse_client_name", reverse_name),
        ("client_address", address),
    ]
    behind = [
        ("server_address", server_address),
        ("server_port", server_port),
        ("helo_name", helo),
        ("protocol_name", protocol),
        ("client_address_type", str(family)),
    ]
    fixed = [
        rec.encode(rec.FILT, content_filter.encode("utf-8", "surrogateescape")) if content_filter else b"",
        rec.attribute("rewrite_context", context),
        rec.attributes(before),
        rec.attributes(between),
        rec.attributes(behind),
    ]
    filter_, rewrite, first, second, third = [part.replace(b"%", b"%%") for part in fixed]
    return (
        b"%b%%c%%b%b%b%%clog_ident=%%b%b%%b%b%b%%clog_client_port=%%b%b%b%%cclient_port=%%b%b"
        % (rec.TIME, filter_, rec.ATTR, rewrite, first, rec.ATTR, second, rec.ATTR, third)
    )


@lru_cache(1000)
def _recipient(address: str, given: str, notify: int, orcpt: str) -> bytes:
    """Its records. What the client calls it in DSN is, when it does not say, what it gave between the brackets."""
    about = [("notify_flags", str(notify))] if notify else []
    if orcpt:
        about.append(("dsn_orig_rcpt", orcpt))
    else:
        kind = "rfc822" if address.isascii() else "utf-8"
        about.append(("dsn_orig_rcpt", f"{kind};{given[1:-1] if given[:1] == '<' and given[-1:] == '>' else given}"))
    return rec.attributes(about) + rec.encode(rec.RCPT, address.encode("utf-8", "surrogateescape"))
