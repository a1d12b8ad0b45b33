"""session - one SMTP conversation: events of the protocol become decisions and replies

Every reply goes through Conversation.reply: there it is softened, counted, given its footer
and slowed down. Decisions are coroutines; those that need no answer from elsewhere come
to their end at once.

Parameters: smtpd_{soft,hard}_error_limit, smtpd_junk_command_limit,
smtpd_recipient_limit, smtpd_forbid_*, smtpd_reject_footer, soft_bounce.
Sources: smtpd(8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar

from pyfix.clients.cleanup import STAT_BARE_LF, STAT_SIZE, STAT_WRITE
from pyfix.clients.rewrite import FLAG_ERROR
from pyfix.mail.error import MailError, Retry
from pyfix.smtpd import ehlo, log
from pyfix.smtpd.peer import Peer
from pyfix.smtpd.policy import Policy
from pyfix.smtpd.restrictions import Check
from pyfix.smtpd.site import Site
from pyfix.smtpd.space import Space, needed
from pyfix.smtpd.transaction import Transaction
from pyfix.unix import msg
from pyfix.wire import smtp_event as on
from pyfix.wire.smtp_reply import Reply
from pyfix.wire.smtp_server import BAD_RECIPIENT, BAD_SENDER, COMMANDS, Limits, Session

OK = Reply(250, "2.0.0", "Ok")
SENDER_OK = Reply(250, "2.1.0", "Ok")
RECIPIENT_OK = Reply(250, "2.1.5", "Ok")
GO_AHEAD = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
BYE = Reply(221, "2.0.0", "Bye")
GOODBYE = Reply(221, "2.7.0", "Error: I can break rules, too. Goodbye.")
NOT_A_COMMAND = Reply(500, "5.5.2", "Error: command not recognized")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Error: command not implemented")
NO_BDAT = Reply(521, "5.5.1", "Error: command not implemented")
OUT_OF_STEP = Reply(554, "5.5.0", "Error: SMTP protocol synchronization")
NO_VRFY = Reply(502, "5.5.1", "VRFY command is disabled")
NO_AUTH = Reply(503, "5.5.1", "Error: authentication not enabled")
NOT_ALLOWED = Reply(550, "5.7.0", "Error: insufficient authorization")
TOO_BIG = Reply(552, "5.3.4", "Message size exceeds fixed limit")
CHUNK_TOO_BIG = Reply(552, "5.3.4", "Chunk exceeds message size limit")
NO_SPACE = Reply(452, "4.3.1", "Insufficient system storage")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Error: too many recipients")
NOT_ASCII = Reply(553, "5.6.7", "Must declare SMTPUTF8 to send unicode address")
HELP = Reply(214, "2.0.0", "Commands: " + " ".join(sorted(COMMANDS)))
NO_NOTES = str.maketrans(dict.fromkeys(' <>()\\";@', "?"))
BARE_NEWLINE = frozenset({"normalize", "reject", "note", "no"})
HANG_UP = frozenset({421, 521})
CONTENT_VERBS = frozenset({"DATA", "BDAT"})


class Conversation:
    """One client's session."""

    def __init__(self, site: Site, policy: Policy, space: Space, peer: Peer) -> None:
        self.site = site
        self.peer = peer
        self.wire = Session(Limits())
        self.over = False
        """Send what is to be sent, then hang up."""
        self.errors = 0
        self.counts: dict[str, list[int]] = {}
        self.note_bare_lf = False
        self._policy = policy
        self._space = space
        self._limit = site.mail.message_size_limit
        self._transaction: Transaction | None = None
        self._denied: Reply | None = None
        self._keywords: frozenset[str] = frozenset()
        self._junk = 0
        self._pipelined = False
        self._count_as_ok = False
        self._bare_newline = "no"

    # The session

    async def begin(self) -> None:
        """The client is there and has a name: greet it."""
        msg.info(log.connect(self.peer.client))
        self._keywords = await ehlo.offered(self.site, self.peer.address)
        await self._set_limits()
        self._denied = await self._policy.connect(self._check("CONNECT"))
        if self._denied is None:
            self.wire.greet(Reply(220, "", self.site.cfg.smtpd_banner))
        else:
            self.wire.greet(self._denied)
            self.over = self._denied.code in HANG_UP

    async def _set_limits(self) -> None:
        cfg = self.site.cfg
        mode = cfg.smtpd_forbid_bare_newline.lower()
        mode = mode if mode in BARE_NEWLINE else "normalize"
        if mode != "no" and await self._is_excluded():
            mode = "no"
        self._bare_newline = mode
        self.note_bare_lf = mode == "note"
        self.wire.limits = replace(
            self.wire.limits,
            line_length=self.site.mail.line_length_limit,
            exact_line_ends=mode != "no",
            tell_bare_lines=mode == "reject",
            utf8=self.site.utf8,
            strict_paths=cfg.strict_rfc821_envelopes,
            hello_required=cfg.smtpd_helo_required,
            offered=self._keywords,
        )

    async def _is_excluded(self) -> bool:
        try:
            return await self.site.bare_newline_exclusions.matches(self.peer.address, self.peer.name)
        except MailError:
            return False

    async def receive(self, data: bytes) -> None:
        """React to what the client has sent."""
        for event in self.wire.receive(data):
            await self._react(event)
            if self.over:
                return
            if self.errors >= self.site.cfg.smtpd_hard_error_limit:
                self._too_many_errors()
                return

    async def _react(self, event: on.Event) -> None:
        react = self._REACTIONS[type(event)]
        if self._denied is not None and not isinstance(event, on.Pipelined) and event.verb != "QUIT":
            client = self.peer.client
            await self.reply(event, Reply(503, "5.7.0", f"Error: access denied for {client}"))
            return
        try:
            await react(self, event)
        except MailError as error:
            if error.detail:
                msg.warning(f"{self.queue_id}: {error}")
            await self.reply(event, Reply(error.code, error.status, f"Error: {error.text}"))

    def _too_many_errors(self) -> None:
        msg.info(log.too_many_errors(self.queue_id, self.wire.where, self.peer.client))
        self.say_goodbye(421, "4.7.0", "Error: too many errors")

    def say_goodbye(self, code: int, status: str, text: str) -> None:
        """End the session with a reply nobody asked for."""
        self.wire.greet(Reply(code, status, f"{self.site.mail.myhostname} {text}"))
        self.over = True

    def too_early(self, data: bytes) -> None:
        """The client talked before the greeting."""
        msg.info(log.pipelining("CONNECT", self.peer.client, data))
        self.wire.greet(OUT_OF_STEP)
        self.over = True

    def lost(self) -> None:
        """The client is gone, or about to be: nothing of a message under way stays."""
        if self._transaction is not None:
            self._transaction.cancel()
            self._transaction = None

    @property
    def queue_id(self) -> str:
        """Of the message under way, or NOQUEUE."""
        return "NOQUEUE" if self._transaction is None else self._transaction.queue_id

    @property
    def received(self) -> int | None:
        """Bytes of content so far; None when none is expected."""
        return self.wire.received if self.wire.where in CONTENT_VERBS else None

    # Replies

    async def reply(self, event: on.Event, reply: Reply, *, soft: bool = True) -> None:
        """Answer an event. All answers pass here."""
        if soft and self.site.mail.soft_bounce:
            reply = reply.softened()
        self._count(event, reply)
        if self.errors > self.site.cfg.smtpd_soft_error_limit and self.site.cfg.smtpd_error_sleep_time:
            await asyncio.sleep(self.site.cfg.smtpd_error_sleep_time)
        if reply.code in HANG_UP:
            self.over = True
        self.wire.reply(self._with_footer(reply))

    def _count(self, event: on.Event, reply: Reply) -> None:
        ok = (reply.ok or self._count_as_ok) and not isinstance(event, on.Unknown)
        self._count_as_ok = False
        self.errors += not ok
        row = self.counts.setdefault(event.verb, [0, 0])
        if isinstance(event, on.MessageEnd) and event.verb == "DATA":  # counted when it was accepted
            row[0] -= not ok
            return
        row[0] += ok
        row[1] += 1
        command = COMMANDS.get(event.verb)
        if command is not None and command.junk:
            self._junk += 1
            self.errors += self._junk > self.site.cfg.smtpd_junk_command_limit + 1

    def _with_footer(self, reply: Reply) -> Reply:
        footer = self.site.cfg.smtpd_reject_footer
        if not footer or reply.ok:
            return reply
        footer = self.site.main.expand(footer)
        lines = list(reply.lines)
        if footer.startswith("\\c"):
            first, *rest = footer[2:].split("\\n")
            lines[-1] += first
            return Reply(reply.code, reply.status, *lines, *rest)
        return Reply(reply.code, reply.status, *lines, *footer.split("\\n"))

    # Decisions

    def _check(self, stage: str, recipient: str | None = None, sender: str | None = None) -> Check:
        transaction = self._transaction
        if transaction is not None:
            sender = transaction.sender
            recipient = transaction.only_recipient if recipient is None else recipient

        def log_reject(action: str, reply: Reply) -> None:
            self._log(action, stage, reply.text, sender=sender, recipient=recipient)

        check = Check(
            self.site, self.peer, log_reject, helo=self.helo, sender=sender, recipient=recipient
        )
        check.pipelined = self._pipelined
        return check

    def _log(self, action: str, stage: str, text: str, *, sender: str | None, recipient: str | None) -> None:
        msg.info(
            log.policy(
                self.queue_id,
                action,
                stage,
                self.peer.client,
                text,
                sender=sender,
                recipient=recipient,
                protocol=self.protocol,
                helo=self.helo,
            )
        )

    @property
    def protocol(self) -> str:
        """SMTP or ESMTP."""
        return "ESMTP" if self.wire.extended else "SMTP"

    @property
    def helo(self) -> str | None:
        """The HELO name as it is logged and recorded."""
        return None if self.wire.hello is None else _neutered(self.wire.hello.name)

    def _forget(self) -> None:
        if self._transaction is not None:
            self._transaction.cancel()
            self._transaction = None

    # Commands without a message

    async def _bad(self, event: on.Bad) -> None:
        client = self.peer.client
        if event.address is not None:
            msg.warning(log.illegal_address(client, event.verb, event.address))
        if event.verb == "BDAT":
            if "CHUNKING" not in self._keywords:
                event.reply = NO_BDAT
            elif event.reply.code == 521:
                msg.warning(log.bad_bdat(self.queue_id, client, event.text))
            self._drop_message()
        await self.reply(event, event.reply)

    async def _unknown(self, event: on.Unknown) -> None:
        if await self._is_noop(event.word):
            self.errors += self._junk > self.site.cfg.smtpd_junk_command_limit
            self._junk += 1
            self.wire.greet(OK)
        elif event.header or await self._is_forbidden(event.word):
            msg.warning(log.not_smtp(self.peer.client, event.text))
            self.counts.setdefault(event.verb, [0, 0])[1] += 1
            self.wire.greet(GOODBYE)
            self.over = True
        else:
            await self.reply(event, NOT_A_COMMAND)

    async def _is_noop(self, word: str) -> bool:
        return bool(self.site.noop_commands) and await self.site.noop_commands.matches(word)

    async def _is_forbidden(self, word: str) -> bool:
        try:
            return await self.site.forbidden_commands.matches(word)
        except MailError:
            return False

    async def _hello(self, event: on.Hello) -> None:
        check = self._check(event.verb)
        check.helo = event.name
        refusal = await self._policy.hello(check)
        if refusal is not None:
            await self.reply(event, refusal)
            return
        self._forget()
        if event.extended:
            await self.reply(event, Reply(250, "", *ehlo.lines(self.site, self._keywords)))
        else:
            await self.reply(event, Reply(250, "", self.site.mail.myhostname))

    async def _simple(self, event: on.Simple) -> None:
        if event.verb == "RSET":
            self._forget()
        if event.verb == "QUIT":
            self.over = True
        await self.reply(event, SIMPLE[event.verb])

    async def _vrfy(self, event: on.Verify) -> None:
        if self.site.cfg.disable_vrfy_command:
            await self.reply(event, NO_VRFY)
        elif await self._has_bad_syntax("", event.address, utf8=True):
            msg.warning(log.illegal_address(self.peer.client, "VRFY", event.given))
            await self.reply(event, BAD_RECIPIENT)
        else:
            refusal = await self._policy.rcpt(self._check("VRFY", event.address))
            await self.reply(event, refusal or Reply(252, "2.0.0", event.given))

    async def _has_bad_syntax(self, sender: str, address: str, *, utf8: bool) -> bool:
        """Only with SMTPUTF8 may a domain be other than ASCII."""
        if not utf8 and not address.isascii() and not address.rpartition("@")[2].isascii():
            return "@" in address
        return bool((await self.site.rewrite.resolve(sender, address)).flags & FLAG_ERROR)

    async def _etrn(self, event: on.Etrn) -> None:
        refusal = await self._policy.etrn(self._check("ETRN"), event.domain)
        if refusal is None:
            msg.warning(log.etrn_refused(event.domain, self.peer.client))
            refusal = Reply(459, "", f"<{event.domain}>: service unavailable")
        await self.reply(event, refusal)

    async def _pipelined_command(self, event: on.Pipelined) -> None:
        msg.info(log.pipelining(event.verb, self.peer.client, event.text))
        self._pipelined = True
        if self.site.cfg.smtpd_forbid_unauth_pipelining:
            self.counts.setdefault(event.verb, [0, 0])[1] += 1
            self.wire.greet(OUT_OF_STEP)
            self.over = True

    async def _long_line(self, event: on.LongLine) -> None:
        msg.warning(log.long_line(self.peer.client, self.site.mail.line_length_limit, event.text))

    async def _bare_line(self, _: on.BareLine) -> None:
        self._log_bare_lf(self.wire.where)
        code = self.site.cfg.smtpd_forbid_bare_newline_reject_code
        self.say_goodbye(code, "5.5.2", "Error: bare <LF> received")

    def _log_bare_lf(self, stage: str) -> None:
        transaction = self._transaction
        self._log(
            "reject",
            stage,
            "bare <LF> received",
            sender=None if transaction is None else transaction.sender,
            recipient=None if transaction is None else transaction.only_recipient,
        )

    # A message

    async def _mail(self, event: on.Mail) -> None:
        if event.address and await self._has_bad_syntax(
            "", event.address, utf8=event.params.smtputf8
        ):
            msg.warning(log.illegal_address(self.peer.client, "MAIL", event.given))
            await self.reply(event, BAD_SENDER)
            return
        check = self._check("MAIL", sender=event.address)
        refusal = self._ascii_only(event) or self._size(event) or await self._policy.mail(check)
        if refusal is not None:
            await self.reply(event, refusal)
            return
        local = await self._policy.rewrites_locally(check)
        self._transaction = Transaction(
            event, protocol=self.protocol, helo=self.helo, context="local" if local else "remote"
        )
        if not self.site.cfg.smtpd_delay_open_until_valid_rcpt:
            await self._open(self._transaction)
        await self.reply(event, SENDER_OK)

    def _ascii_only(self, event: on.Mail) -> Reply | None:
        strict = self.site.mail.strict_smtputf8 and self.site.utf8
        return NOT_ASCII if strict and not event.address.isascii() and not event.params.smtputf8 else None

    def _size(self, event: on.Mail) -> Reply | None:
        refusal = None
        required = needed(self.site.cfg.queue_minfree, self._limit)
        if self._limit and event.params.size > self._limit:
            refusal = TOO_BIG
        elif required and (free := self._space.free()) < required:
            msg.warning(log.low_space(free, required))
            refusal = NO_SPACE
        if refusal is not None:
            self._log("reject", "MAIL", refusal.text, sender=event.address, recipient=None)
        return refusal

    async def _open(self, transaction: Transaction) -> None:
        await transaction.open(self.site, self.peer)
        msg.info(log.client_is(transaction.queue_id, self.peer.client))

    async def _rcpt(self, event: on.Rcpt) -> None:
        transaction = self._transaction
        assert transaction is not None
        utf8 = transaction.params.smtputf8
        if await self._has_bad_syntax(transaction.sender, event.address, utf8=utf8):
            msg.warning(log.illegal_address(self.peer.client, "RCPT", event.given))
            await self.reply(event, BAD_RECIPIENT)
            return
        if transaction.recipients >= self.site.cfg.smtpd_recipient_limit:
            transaction.refused += 1
            self._count_as_ok = transaction.refused <= self.site.cfg.smtpd_recipient_overshoot_limit
            await self.reply(event, TOO_MANY_RECIPIENTS)
            return
        refusal = await self._policy.rcpt(self._check("RCPT", event.address))
        if refusal is None:
            if transaction.message is None:
                await self._open(transaction)
            transaction.add(event)
        await self.reply(event, refusal or RECIPIENT_OK)

    async def _data(self, event: on.Data) -> None:
        refusal = await self._policy.data(self._check("DATA"))
        if refusal is None:
            self._begin_content()
        await self.reply(event, refusal or GO_AHEAD)

    def _begin_content(self) -> None:
        assert self._transaction is not None
        self._transaction.begin_content(self.site, self.peer)

    async def _bdat(self, event: on.Bdat) -> None:
        transaction = self._transaction
        assert transaction is not None
        refusal: Reply | None = None
        if "CHUNKING" not in self._keywords:
            refusal = NO_BDAT
        elif self._limit and event.size > self._limit - self.wire.received:
            msg.warning(log.big_chunk(self.queue_id, self.peer.client))
            refusal = CHUNK_TOO_BIG
        elif event.first:
            refusal = await self._policy.data(self._check("BDAT"))
        if refusal is not None:
            self._drop_message()
            await self.reply(event, refusal)
            return
        if event.first:
            self._begin_content()
        self.wire.accept_chunk()

    def _drop_message(self) -> None:
        """The queue file goes, the transaction stays: the client has not been told yet."""
        if self._transaction is not None:
            self._transaction.cancel()
            self._transaction.message = None

    async def _dropped(self, event: on.Dropped) -> None:
        if event.last:
            self._forget()

    async def _text(self, event: on.Text) -> None:
        transaction = self._transaction
        assert transaction is not None
        if self._limit and self.wire.received > self._limit and not transaction.status & STAT_SIZE:
            transaction.status |= STAT_SIZE
            msg.warning(log.big_message(self.queue_id))
        if not transaction.status:
            try:
                await transaction.write(event.blocks)
            except Retry as error:
                msg.warning(f"{self.queue_id}: {error}")
                transaction.status |= STAT_WRITE

    async def _chunk_end(self, event: on.ChunkEnd) -> None:
        transaction = self._transaction
        assert transaction is not None
        if event.bare and self._bare_newline == "reject":
            self._log_bare_lf("BDAT")
            code = self.site.cfg.smtpd_forbid_bare_newline_reject_code
            text = f"{self.site.mail.myhostname} Error: bare <LF> received"
            self._drop_message()
            self.wire.refuse_rest()
            await self.reply(event, Reply(code, "5.5.2", text))
            return
        await self.reply(event, Reply(250, "2.0.0", f"Ok: {event.size} bytes"))

    async def _message_end(self, event: on.MessageEnd) -> None:
        transaction = self._transaction
        assert transaction is not None
        if event.bare and self._bare_newline == "reject":
            transaction.status |= STAT_BARE_LF
            self._log_bare_lf("END-OF-MESSAGE")
        queue_id = transaction.queue_id
        refusal = await self._policy.end_of_data(self._check("END-OF-MESSAGE"))
        if refusal is None:
            refusal = await self._finish(transaction)
        else:
            transaction.cancel()
        self._transaction = None
        if refusal is not None:
            await self.reply(event, refusal)
            return
        self.errors = self._junk = 0
        size = f"{event.size} bytes " if event.verb == "BDAT" else ""
        await self.reply(event, Reply(250, "2.0.0", f"Ok: {size}queued as {queue_id}"))

    async def _finish(self, transaction: Transaction) -> Reply | None:
        try:
            return await transaction.finish(self.site)
        except Retry as error:
            msg.warning(f"{transaction.queue_id}: {error}")
            return Reply(451, "4.3.0", "Error: queue file write error")


    _REACTIONS: ClassVar[dict[type[on.Event], Callable[..., Awaitable[None]]]] = {
        on.Bad: _bad,
        on.Unknown: _unknown,
        on.Hello: _hello,
        on.Simple: _simple,
        on.Verify: _vrfy,
        on.Etrn: _etrn,
        on.Pipelined: _pipelined_command,
        on.LongLine: _long_line,
        on.BareLine: _bare_line,
        on.Mail: _mail,
        on.Rcpt: _rcpt,
        on.Data: _data,
        on.Bdat: _bdat,
        on.Dropped: _dropped,
        on.Text: _text,
        on.ChunkEnd: _chunk_end,
        on.MessageEnd: _message_end,
    }


def _neutered(name: str) -> str:
    return log.printable(name).translate(NO_NOTES)


SIMPLE = {
    "RSET": OK,
    "NOOP": OK,
    "QUIT": BYE,
    "HELP": HELP,
    "AUTH": NO_AUTH,
    "STARTTLS": NOT_IMPLEMENTED,
    "XCLIENT": NOT_ALLOWED,
    "XFORWARD": NOT_ALLOWED,
}
