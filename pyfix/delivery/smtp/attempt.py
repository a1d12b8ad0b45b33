"""attempt - one delivery request: destinations, their servers, what each says

| trouble                                       | whose     | with more servers to try | at the last server  |
|-----------------------------------------------|-----------|--------------------------|---------------------|
| no connection, connection lost, time-out      | site      | next server              | deferred            |
| greeting, HELO refused (4xx; 5xx if skipped)  | site      | next server              | deferred            |
| greeting, HELO refused (5xx)                  | site      | bounced                  | bounced             |
| MAIL, DATA, end of data refused (4xx)         | message   | next server              | deferred            |
| MAIL, DATA, end of data refused (5xx)         | message   | bounced                  | bounced             |
| RCPT refused (4xx)                            | recipient | next server              | deferred            |
| RCPT refused (5xx)                            | recipient | bounced                  | bounced             |

What is the site's is told to qmgr, unless some server had a whole conversation with us before.

Parameters: best_mx_transport, smtp_fallback_relay, relayhost, smtp_mx_address_limit, smtp_mx_session_limit,
smtp_skip_5xx_greeting, smtp_connect_timeout, soft_bounce, disable_mime_output_conversion,
smtp_address_verify_target, smtp_quote_rfc821_envelope, smtp_send_xforward_command, smtp_send_dummy_mail_auth.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pyfix.clients.deliver import Dsn
from pyfix.delivery.agent import NOTIFY_SUCCESS, PROBE, Delivery
from pyfix.delivery.deliver_pass import NoTransportError, deferred
from pyfix.delivery.outcome import Outcome, Settled
from pyfix.delivery.pass_on import pass_on
from pyfix.delivery.smtp import destination, log, message
from pyfix.delivery.smtp.addresses import Found, Loops, Server
from pyfix.delivery.smtp.connection import CanNotConnect
from pyfix.delivery.smtp.destination import Destination
from pyfix.delivery.smtp.notice import COMMAND_TROUBLE
from pyfix.delivery.smtp.sasl import NotLoggedInError
from pyfix.delivery.smtp.session import Key, Lost, Session, Silent, is_end
from pyfix.mail.address import quote
from pyfix.mail.dsn import with_class
from pyfix.mail.error import MailError
from pyfix.queue.file import Recipient
from pyfix.queue.sendopts import UTF8_HEADER, UTF8_RECIPIENT, UTF8_REQUESTED, UTF8_SENDER
from pyfix.unix import msg
from pyfix.wire.smtp_answer import Answer
from pyfix.wire.smtp_client import (
    Accepted,
    Done,
    Event,
    GoAhead,
    Ignored,
    Ready,
    Refused,
    Rejected,
    SmtpClient,
    Stage,
    mail_command,
    rcpt_command,
)
from pyfix.wire.smtp_forward import forward_commands

if TYPE_CHECKING:
    from pyfix.delivery.smtp.daemon import Smtp
    from pyfix.delivery.smtp.requiretls import Demand
    from pyfix.delivery.smtp.tls_level import Level

UTF8_NEEDED = UTF8_HEADER | UTF8_SENDER | UTF8_RECIPIENT


class Attempt:
    """One request, whose outcomes are settled as they come.

    left: recipients without an outcome, by offset; why: the last trouble.
    """

    def __init__(self, smtp: Smtp, delivery: Delivery) -> None:
        self._smtp = smtp
        self._cfg = smtp.cfg
        self._delivery = delivery
        self._request = delivery.request
        self._settle = delivery.settle
        self._fd = delivery.fd
        self.left: dict[int, Recipient] = {one.offset: one for one in delivery.request.recipients}
        self.why: Dsn | None = None
        self._last_destination = False
        self._last_server: bool | None = False  # None: not found out yet
        self._talked = False  # some server had a whole conversation with us
        self._site_told = False
        self._seen: set[int] = set()  # recipients that this session has decided on
        self._tls = ""
        self._loops = False
        self._broken = False
        self._load = False  # a connection that was kept may be used
        self._store = False  # a connection is to be kept
        self._where: Destination | None = None  # of a kept connection
        self._nexthop: Key | None = None  # the first destination's
        self._demand: Demand | None = None  # of mail that requires TLS

    async def run(self) -> None:
        """Every recipient's outcome."""
        level = await self._smtp.tls_level(self._request)
        if level.needs_tls and not self._smtp.may_return(self._request, level):
            self._wants_tls(level)
            await self._fail(site=True, last=True)
            return
        words = destination.split(self._request.nexthop)
        nexthops = len(words)
        words += destination.split(self._cfg.smtp_fallback_relay)
        for at, word in enumerate(words):
            self._last_destination = self._last_destination or at == len(words) - 1
            self._tls = ""
            await self._destination(word, level)
            if self._last_destination or not self.left:
                break
        if self.left:
            await self._left_over(words[0], fallback=at >= nexthops)

    # Which server

    async def _destination(self, word: str, level: Level) -> None:
        try:
            where = destination.parse(word, self._smtp.ports, self._cfg.smtp_tcp_port, lmtp=self._smtp.lmtp)
            self._load, self._store = await self._smtp.reuses(where, self._request)
            self._demand = demand = await self._smtp.requires_tls(where, self._request, level)
        except MailError as error:
            self.why = Dsn(error.status, error.text)
            return
        if level.needs_tls and (demand is None or not demand.reason):
            self._wants_tls(level)
            return
        if demand is not None:
            level, self._load = demand.level, self._load and not demand.reason
        key = self._smtp.key(where, self._request)
        first, self._nexthop = self._nexthop is None, self._nexthop or key
        kept = self._smtp.cache.take(key) if self._load and first else None
        used: Server | None = None
        if kept is not None and await kept.still_there():
            used, self._tls = kept.server, level.reused
            kept.reuse_count += 1
            self._where, self._last_server = where, None
            await self._converse(kept)
        if not self.left:
            return
        try:
            found = await self._find(where)
        except MailError as error:
            self.why = Dsn(error.status, error.text)
            if isinstance(error, Loops):
                self._last_destination = self._loops = True
            return
        self._last_destination = self._last_destination or found.last
        servers = self._others(found.servers, used)
        if demand is not None and demand.reason:
            self._no_tls(word, servers, demand)
            return
        await self._servers(key, servers, level, sessions=int(used is not None))

    def _others(self, servers: list[Server], used: Server | None) -> list[Server]:
        """Those that may be tried; used: the one of a kept connection, which counts."""
        most = self._cfg.smtp_mx_address_limit or len(servers)
        if used is None:
            return servers[:most]
        if self._cfg.smtp_mx_session_limit == 1:
            return []
        return [server for server in servers if server != used][: max(most - 1, 0)]

    def _wants_tls(self, level: Level) -> None:
        """Nothing may be sent without TLS, which we don't have."""
        self.why, self._tls = Dsn("4.7.5", log.NO_TLS), level.blocked

    def _no_tls(self, word: str, servers: list[Server], demand: Demand) -> None:
        """None of these is asked: the sender requires TLS, which there is none of."""
        for server in servers:
            self.why = Dsn(demand.status, log.last_attempted(demand.reason, server))
            self._tls = demand.level.unconnected
            msg.warning(log.no_tls_policy(word, server, self.why.reason))

    async def _is_last(self, session: Session | None) -> bool:
        """Whether no other server can be tried. On a kept connection that is found out only when it matters."""
        if self._last_server is None:
            assert session is not None
            self._last_server = self._last_destination and not await self._has_others(session.server)
        return self._last_server

    async def _has_others(self, used: Server) -> bool:
        """Whether the destination has more servers than this one, as far as that can be told now."""
        assert self._where is not None
        try:
            found = await self._find(self._where)
        except MailError:
            return False
        return bool(self._others(found.servers, used))

    async def _keep(self) -> None:
        """Mail for a domain of which this system is the best exchanger: to best_mx_transport, if there is one."""
        delivery, transport = self._delivery, self._cfg.best_mx_transport
        for recipient in list(self.left.values()) if transport else []:
            del self.left[recipient.offset]
            try:
                answer = await pass_on(transport, self._request, recipient, seconds=self._smtp.ipc_timeout)
            except NoTransportError:
                await self._settle(Outcome(recipient, "4.3.0", "mail transport unavailable"))
                continue
            delivery.answer.bounced += answer.bounced
            if deferred(answer):
                delivery.answer.status = answer.status
                delivery.wait_for(recipient)
            await self._settle(Settled(recipient))

    async def _find(self, where: Destination) -> Found:
        if where.path:
            return Found([Server(self._smtp.myhostname, where.path)])
        return await self._smtp.finder.find(where)

    async def _servers(self, key: Key, servers: list[Server], level: Level, sessions: int) -> None:
        """sessions: how many there have been."""
        for at, server in enumerate(servers):
            more = at < len(servers) - 1
            self._tls = level.unconnected
            session = await self._session(server, key)
            if session is not None:
                session.nexthop = self._nexthop or key
                session.best = server.preference == servers[0].preference
                sessions += session.reuse_count > 0
                self._last_server = self._last_destination and not more
                if session.reuse_count == 0:
                    await self._greet(session, level)
                    if session.bad:
                        self._smtp.release(session)
                        if not self.left:
                            return
                        continue
                    sessions += 1
                else:
                    self._tls = level.reused
                more = more and sessions != self._cfg.smtp_mx_session_limit
                self._last_server = self._last_destination and not more
                await self._converse(session)
            if not more or not self.left:
                return

    async def _session(self, server: Server, key: Key) -> Session | None:
        """A connection to that server, a kept one if there is one; None: it can't be reached."""
        kept = self._smtp.cache.take_server(server, key) if self._load else None
        if kept is not None and await kept.still_there():
            kept.reuse_count += 1
            kept.server, kept.key = server, key
            return kept
        self._request.stats.reuse_count = 0
        try:
            return await self._smtp.connect(server, key, self._request)
        except CanNotConnect as error:
            self.why = Dsn("4.4.1", log.connect_failed(server, error.text))
            if server.port:  # of a Unix socket Postfix has no line
                msg.info(self.why.reason)
            return None

    # One conversation

    async def _greet(self, session: Session, level: Level) -> None:
        """The greetings; session.bad when they went wrong."""
        session.queue_id = self._request.queue_id
        self._seen = set()
        try:
            event = await session.next()
        except (Lost, Silent) as error:
            event = None
            session.bad = True
            self._set_broken(session, error)
        if isinstance(event, Refused):
            session.bad = True
            self._set_said(session, event.answer, log.refused(session.server, event.answer.line))
            skip = event.stage is Stage.GREETING and event.answer.kind == 5 and self._cfg.smtp_skip_5xx_greeting
            if skip and self.why is not None:
                self.why.status = with_class(self.why.status, "4")
        elif isinstance(event, Ready):
            self._tls = level.connected
            session.bad = self._is_myself(session) or not await self._logs_in(session)
        if session.bad:
            await self._fail(session, site=True)

    async def _logs_in(self, session: Session) -> bool:
        """Log in where that is to be done; whether the session can go on."""
        if self._smtp.sasl is None:
            return True
        try:
            await self._smtp.sasl.log_in(session, self._request.sender)
        except NotLoggedInError as error:
            self.why = error.why
        except (Lost, Silent) as error:
            self._set_broken(session, error)
        else:
            return True
        return False

    def _is_myself(self, session: Session) -> bool:
        """The server has our own name: mail would loop."""
        client, me = session.client, self._smtp.myhostname.lower()
        if session.server.port != 25 or self._smtp.lmtp:
            return False
        if client.greeted_as.lower() == me:
            msg.warning(log.greeted_as_me(session.server, self._smtp.myhostname))
        if client.helloed_as.lower() != me:
            return False
        msg.warning(log.helloed_as_me(session.server, self._smtp.myhostname))
        self.why = Dsn("5.4.6" if session.best else "4.4.6", log.loops(self._request.nexthop))
        return True

    async def _converse(self, session: Session) -> None:
        """The message for all recipients that are left; then the connection is kept or ended."""
        self._seen = set()
        session.queue_id = self._request.queue_id
        try:
            await self._transfer(session)
            self._talked = True
        except (Lost, Silent) as error:
            session.bad = True
            if session.client.stage is not Stage.RSET:  # after which nothing is open
                self._set_broken(session, error)
                await self._fail(session, site=True)
        finally:
            self._smtp.release(session)

    async def _transfer(self, session: Session) -> None:
        if self._demand is not None and self._demand.starttls:
            await self._no_starttls(session, self._demand.level)
            return
        if not self._fits(session):
            await self._fail(session)
            return
        client, request = session.client, self._request
        text = await self._text(session)
        recipients = list(self.left.values())
        client.keep = self._store and self._smtp.may_keep(session)
        client.probe_only = bool(request.flags & PROBE) and self._cfg.smtp_address_verify_target.lower() != "data"
        request.stats.reuse_count = session.reuse_count
        request.stats.conn_setup_done = time.time()
        commands = [await self._rcpt(session, one) for one in recipients]
        client.begin(await self._mail(session), commands, self._forward(client))
        while True:
            event = await session.next()
            if isinstance(event, GoAhead):
                await session.send_text(text.wire())
            await self._said(session, event, recipients)
            if is_end(event):
                session.bad = session.bad or (event.stage is Stage.RSET and event.answer.kind != 2)
                return

    async def _said(self, session: Session, event: Event, recipients: list[Recipient]) -> None:
        """What an event means to recipients."""
        if event.stage is Stage.DOT:
            self._request.stats.deliver_done = time.time()
        if isinstance(event, Rejected):
            self._set_said(
                session, event.answer, log.said(session.server, event.answer.line, event.stage.command)
            )
            chosen = [recipients[event.index]] if event.index >= 0 else None
            await self._fail(session, only=chosen)
        elif isinstance(event, Ignored):
            msg.warning(log.forward_refused(session.server, event.answer.line, event.stage.command))
        elif isinstance(event, Done):
            chosen = [recipients[event.index]] if event.index >= 0 else recipients
            for recipient in chosen:
                if recipient.offset not in self._seen:
                    await self._settle(self._sent(session, recipient, event.answer))
        elif isinstance(event, Accepted) and session.client.probe_only:
            await self._settle(self._sent(session, recipients[event.index], event.answer))

    async def _no_starttls(self, session: Session, level: Level) -> None:
        """The sender requires TLS, which is not offered, or which we don't have."""
        if "STARTTLS" in session.client.features:
            self.why = Dsn("4.7.5", log.NO_TLS)
        else:
            self.why = Dsn("5.7.30", log.no_starttls(session.server))
        if await self._is_last(session):
            self._tls = level.unconnected
            await self._fail(session, last=True)
        else:
            msg.info(log.skipped(self._request.queue_id, self.why.reason))

    def _fits(self, session: Session) -> bool:
        """Whether the server takes a message like this; else why says why not."""
        request, server, features = self._request, session.server, session.client.features
        if session.size_limit and request.size > session.size_limit:
            self.why = Dsn("5.3.4", log.too_big(request.size, session.size_limit, server))
        elif _needs_utf8(request.sendopts) and "SMTPUTF8" not in features:
            self.why = Dsn("5.6.7", log.no_utf8(server))
        else:
            return True
        return False

    async def _text(self, session: Session) -> message.Text:
        request = self._request
        text = message.Text(
            self._fd,
            request.offset,
            line_limit=self._cfg.smtp_line_length_limit,
            broken=self._tell_broken,
            head=message.head(self._smtp.flags, request.sender, request.recipients[0]) if self._smtp.flags else b"",
            seven_bit=self._needs_seven_bit(session),
        )
        if self._smtp.generic is not None:
            await text.rewrite(self._smtp.generic.headers)
        return text

    def _needs_seven_bit(self, session: Session) -> bool:
        if "8BITMIME" in session.client.features or self._cfg.disable_mime_output_conversion:
            return False
        return self._request.encoding != "7bit"

    def _tell_broken(self) -> None:
        if not self._broken:
            self._broken = True
            msg.info(log.breaking(self._request.queue_id, self._cfg.smtp_line_length_limit))

    async def _mail(self, session: Session) -> bytes:
        request = self._request
        return mail_command(
            await self._quoted(request.sender),
            session.client.features,
            size=None if self._needs_seven_bit(session) else request.size,  # converted, it has another
            encoding=request.encoding,
            envelope_id=request.envelope_id,
            ret_flags=request.ret_flags,
            utf8=bool(request.sendopts & UTF8_REQUESTED),
            authenticated=session.authenticated and self._cfg.smtp_send_dummy_mail_auth,
        )

    async def _rcpt(self, session: Session, recipient: Recipient) -> bytes:
        orcpt = recipient.dsn_orig_rcpt
        if not orcpt and recipient.original:
            original = quote(recipient.original)
            orcpt = f"{'utf-8' if self._request.sendopts and not original.isascii() else 'rfc822'};{original}"
        return rcpt_command(
            await self._quoted(recipient.address), session.client.features, orcpt=orcpt, notify=recipient.notify
        )

    def _forward(self, client: SmtpClient) -> list[tuple[Stage, bytes]]:
        """Where the message came from, for servers that may know."""
        if not self._cfg.smtp_send_xforward_command or "XFORWARD" not in client.features:
            return []
        request = self._request
        known = {
            "NAME": request.log_client_name,
            "ADDR": request.log_client_address,
            "PORT": request.log_client_port,
            "PROTO": request.log_protocol_name,
            "HELO": request.log_helo_name,
            "IDENT": request.log_ident,
            "SOURCE": "LOCAL" if request.rewrite_context == "local" else "REMOTE",
        }
        return forward_commands(client.features, known)

    async def _quoted(self, address: str) -> str:
        if self._smtp.generic is not None and address:
            address = await self._smtp.generic.address(address)
        return quote(address) if self._cfg.smtp_quote_rfc821_envelope else address

    # Outcomes

    def _sent(self, session: Session, recipient: Recipient, answer: Answer) -> Outcome:
        self.left.pop(recipient.offset, None)
        self._seen.add(recipient.offset)
        if "DSN" in session.client.features and recipient.notify & NOTIFY_SUCCESS:
            notify = recipient.notify & ~NOTIFY_SUCCESS  # the server reports
            recipient = Recipient(
                recipient.offset, recipient.address, recipient.original, recipient.dsn_orig_rcpt, notify
            )
        return Outcome(
            recipient,
            answer.status,
            answer.line,
            relay=session.server.name_port,
            action=self._smtp.sent_action("DSN" in session.client.features),
            features=self._tls,
            diag_type="smtp",
            diag_text=answer.line,
            mta_type="dns",
            mta_mname=session.server.host,
        )

    def _set_broken(self, session: Session, error: MailError) -> None:
        text = log.timed_out if isinstance(error, Silent) else log.lost
        self.why = Dsn("4.4.2", text(session.server, session.doing))

    def _set_said(self, session: Session, answer: Answer, reason: str) -> None:
        bad = answer.status[:1] not in {"4", "5"}
        if bad or answer.code in COMMAND_TROUBLE:
            session.note_trouble()
        reason = log.PROTOCOL_ERROR + reason if answer.status[:1] == "2" else reason
        self.why = Dsn(
            "5.5.0" if bad else answer.status,
            reason,
            diag_type="smtp",
            diag_text=answer.line,
            mta_type="dns",
            mta_mname=session.server.host,
        )

    async def _fail(
        self,
        session: Session | None = None,
        *,
        site: bool = False,
        last: bool = False,
        only: list[Recipient] | None = None,
    ) -> None:
        """What `why` means for these recipients (None: all that this session has not decided on)."""
        why = self.why
        assert why is not None
        if site and session is not None:
            session.bad = True
        soft = why.status[:1] == "4" or self._smtp.soft_bounce
        chosen = only if only is not None else [one for one in self.left.values() if one.offset not in self._seen]
        self._seen.update([one.offset for one in chosen])
        if soft and not last and not await self._is_last(session):
            msg.info(log.skipped(self._request.queue_id, why.reason))
            return
        if only is None:
            self._stop_clock()
        for recipient in chosen:
            await self._settle(self._failed(session, recipient, why, tell=site and soft))

    def _failed(self, session: Session | None, recipient: Recipient, why: Dsn, *, tell: bool) -> Outcome:
        self.left.pop(recipient.offset, None)
        tell = tell and not self._talked and not self._site_told
        self._site_told = self._site_told or tell
        return Outcome(
            recipient,
            why.status,
            why.reason,
            relay=session.server.name_port if session is not None else "none",
            site=tell,
            features=self._tls,
            diag_type=why.diag_type,
            diag_text=why.diag_text,
            mta_type=why.mta_type,
            mta_mname=why.mta_mname,
        )

    def _stop_clock(self) -> None:
        stats = self._request.stats
        stats.deliver_done = time.time()
        if not stats.conn_setup_done:
            stats.conn_setup_done = stats.deliver_done

    async def _left_over(self, nexthop: str, *, fallback: bool) -> None:
        """No server could be asked, or the last one has gone."""
        self._request.stats.reuse_count = 0
        self._seen = set()
        if self.why is None or not self.why.status:
            self.why = Dsn("4.3.0", log.NO_SERVER)
        elif self.why.status[:1] != "4":
            await self._excuse(nexthop, fallback=fallback)
        await self._fail(site=True, last=True)

    async def _excuse(self, nexthop: str, *, fallback: bool) -> None:
        """Trouble with a relay that the administrator chose does not bounce mail, nor what would come back perhaps."""
        assert self.why is not None
        if fallback:
            msg.warning(log.configuration_problem("smtp_fallback_relay"))
            self.why.status = "4.3.5"
        elif not self._smtp.lmtp and nexthop == self._smtp.relayhost:
            msg.warning(log.configuration_problem("relayhost"))
            self.why.status = "4.3.5"
        elif self._loops:
            await self._keep()


def _needs_utf8(sendopts: int) -> bool:
    """The sender asked for SMTPUTF8, and something in the message can't do without."""
    return bool(sendopts & UTF8_REQUESTED and sendopts & UTF8_NEEDED)
