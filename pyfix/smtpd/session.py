"""session - one SMTP conversation: events of the protocol become decisions and replies

Decisions are coroutines; those that need no answer from elsewhere come to their end at once.

Parameters: smtpd_recipient_limit, smtpd_recipient_overshoot_limit, message_size_limit,
queue_minfree, disable_vrfy_command, smtpd_noop_commands, smtpd_forbidden_commands,
smtpd_forbid_unauth_pipelining, smtpd_delay_open_until_valid_rcpt, strict_smtputf8.
Sources: smtpd(8).
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import ClassVar

from pyfix.clients import flush
from pyfix.clients.cleanup import STAT_BARE_LF, STAT_SIZE, STAT_WRITE, Verdict, reply
from pyfix.clients.post_mail import Message
from pyfix.clients.rewrite import FLAG_ERROR
from pyfix.mail.error import MailError, Retry
from pyfix.smtpd import ehlo, log
from pyfix.smtpd.delegated import NOTHING
from pyfix.smtpd.notice import NO_TROUBLE, Trouble, of_status
from pyfix.smtpd.talk import OUT_OF_STEP, Done, Reaction, Rest, Talk, Waiting, neutered
from pyfix.smtpd.transaction import Transaction
from pyfix.unix import msg
from pyfix.unix.moment import Moment
from pyfix.wire import smtp_event as on
from pyfix.wire.smtp_command import BAD_RECIPIENT, BAD_SENDER, COMMANDS, NO_RECIPIENTS, NULL_BDAT
from pyfix.wire.smtp_data import up_to
from pyfix.wire.smtp_params import UnknownNotify
from pyfix.wire.smtp_reply import Reply

OK = Reply(250, "2.0.0", "Ok")
SENDER_OK = Reply(250, "2.1.0", "Ok")
RECIPIENT_OK = Reply(250, "2.1.5", "Ok")
GO_AHEAD = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
BYE = Reply(221, "2.0.0", "Bye")
GOODBYE = Reply(221, "2.7.0", "Error: I can break rules, too. Goodbye.")
NOT_A_COMMAND = Reply(500, "5.5.2", "Error: command not recognized")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Error: command not implemented")
QUEUING = Reply(250, "", "Queuing started")
NO_QUEUING = Reply(458, "", "Unable to queue messages")
NO_BDAT = Reply(521, "5.5.1", "Error: command not implemented")
NO_VRFY = Reply(502, "5.5.1", "VRFY command is disabled")
NO_AUTH = Reply(503, "5.5.1", "Error: authentication not enabled")
NOT_ALLOWED = Reply(550, "5.7.0", "Error: insufficient authorization")
TOO_BIG = Reply(552, "5.3.4", "Message size exceeds fixed limit")
CHUNK_TOO_BIG = Reply(552, "5.3.4", "Chunk exceeds message size limit")
NO_SPACE = Reply(452, "4.3.1", "Insufficient system storage")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Error: too many recipients")
NO_CONTEXT = Reply(451, "4.3.0", "Temporary lookup error")
NOT_ASCII = Reply(553, "5.6.7", "Must declare SMTPUTF8 to send unicode address")
HELP = Reply(214, "2.0.0", "Commands: " + " ".join(sorted(COMMANDS)))
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


class Conversation(Talk):
    """One client's session: what each event leads to."""

    __slots__ = ()

    # Commands without a message

    async def _bad(self, event: on.Bad) -> None:
        client = self.peer.client
        if event.verb == "MAIL" and self._transaction is not None:
            self._transaction.forget_params()
        if event.address is not None:
            msg.warning(log.illegal_address(client, event.verb, event.address))
        if event.verb == "BDAT":
            if "CHUNKING" not in self._keywords:
                event.reply = NO_BDAT
            elif event.reply.code == 521:
                msg.warning(log.bad_bdat(self.queue_id, client, event.text))
            elif event.reply is NULL_BDAT:
                msg.warning(log.null_bdat(self.queue_id, client))
            self._drop_message()
        self.reply(event, event.reply)

    async def _bad_parameter(self, event: on.BadParameter) -> None:
        """A wrong address is worse."""
        transaction = self._transaction
        sender, utf8 = "", event.smtputf8
        if transaction is not None:
            sender, utf8 = transaction.sender, transaction.params.smtputf8
        if event.behind and await self._has_bad_syntax(sender, event.behind, utf8=utf8):
            msg.warning(log.illegal_address(self.peer.client, event.verb, event.given))
            event.reply = BAD_SENDER if event.verb == "MAIL" else BAD_RECIPIENT
        elif isinstance(event.reply, UnknownNotify):
            msg.warning(log.unknown_notify(event.reply.word, event.reply.value))
        self.reply(event, event.reply)

    async def _unknown(self, event: on.Unknown) -> None:
        if event.header or await self._is_forbidden(event.word):
            msg.warning(log.not_smtp(self.peer.client, event.text))
            self.count_refused(event.verb)
            self.wire.greet(GOODBYE)
            self.end()
        else:
            self.reply(event, NOT_A_COMMAND)

    async def _unless_noop(self, event: on.Event) -> None:
        """React to a command, unless it is one that does nothing here."""
        word = event.word if isinstance(event, on.Unknown) else event.verb
        if await self._is_noop(word):
            self.errors += self._junk > self.site.cfg.smtpd_junk_command_limit
            self._junk += 1
            self.wire.greet(OK)
            return
        rest = self._REACTIONS[type(event)](self, event)
        if isinstance(rest, Coroutine):
            await rest

    async def _is_noop(self, word: str) -> bool:
        try:
            return await self.site.noop_commands.matches(word)
        except MailError:
            return False

    async def _is_forbidden(self, word: str) -> bool:
        try:
            return await self.site.forbidden_commands.matches(word)
        except MailError:
            return False

    def _hello(self, event: on.Hello) -> Rest | None:
        if not self._policy.delay:
            return self._ask_about_hello(event)
        self._greet(event)
        return None

    async def _ask_about_hello(self, event: on.Hello) -> None:
        refusal = await self._policy.hello(self._check(event.verb, helo=event.name), self._carried)
        if refusal is not None:
            self.reply(event, refusal)
        else:
            self._greet(event)

    def _greet(self, event: on.Hello) -> None:
        self._forget()
        self.helo = neutered(event.name)
        if event.extended:
            self.protocol = "ESMTP"
            self.reply(event, ehlo.reply(self.site, self._keywords))
        else:
            self.reply(event, self.site.hello)

    def _simple(self, event: on.Simple) -> None:
        if event.verb == "RSET":
            self._forget()
        if event.verb == "QUIT":
            self.end()
        self.reply(event, SIMPLE[event.verb])

    def _denied_or_quit(self, event: on.Simple) -> None:
        if event.verb == "QUIT":
            self._simple(event)
        else:
            self.deny(event)

    async def _vrfy(self, event: on.Verify) -> None:
        if self.site.cfg.disable_vrfy_command:
            self.reply(event, NO_VRFY)
        elif (refusal := self._ascii_only(event.address, event.smtputf8)) is not None:
            self.reply(event, refusal)
        elif await self._has_bad_syntax("", event.address, utf8=event.smtputf8):
            msg.warning(log.illegal_address(self.peer.client, "VRFY", event.given))
            self.reply(event, BAD_RECIPIENT)
        else:
            refusal = await self._policy.rcpt(self._check("VRFY", event.address), self._carried)
            self.reply(event, refusal or Reply(252, "2.0.0", event.given))

    async def _has_bad_syntax(self, sender: str, address: str, *, utf8: bool) -> bool:
        if not utf8 and _is_foreign(address):
            return "@" in address
        return bool((await self.site.rewrite.resolve(sender, address)).flags & FLAG_ERROR)

    async def _etrn(self, event: on.Etrn) -> None:
        refusal = await self._policy.etrn(self._check("ETRN"), self._carried, event.domain)
        self.reply(event, refusal or await self._flush_site(event.domain))

    async def _flush_site(self, domain: str) -> Reply:
        """Have mail for that domain tried, where it is one of fast_flush_domains."""
        if not await self.site.fast_flush_domains.matches(domain.lower()):
            status = flush.DENY
        else:
            path = f"public/{self.site.mail.flush_service_name}"
            status = await flush.ask_later(path, request="send_site", site=domain)
        if status == flush.OK:
            return QUEUING
        if status == flush.DENY:
            msg.warning(log.etrn_refused(domain, self.peer.client))
            return Reply(459, "", f"<{domain}>: service unavailable")
        msg.warning(log.no_flush())
        return NO_QUEUING

    async def _pipelined_command(self, event: on.Pipelined) -> None:
        msg.info(log.pipelining(event.verb, self.peer.client, event.text))
        self._pipelined = True
        if self.site.cfg.smtpd_forbid_unauth_pipelining:
            self.count_refused(event.verb)
            self.say(OUT_OF_STEP)
            self.end()

    async def _long_line(self, event: on.LongLine) -> None:
        if event.endless:
            msg.warning(log.no_more_input(self.peer.server_address, self.peer.server_port))
            self.stop_input()
        msg.warning(log.long_line(self.peer.client, self.site.mail.line_length_limit, event.text))

    async def _long_chunk(self, _: on.LongChunk) -> None:
        msg.warning(log.long_chunk(self.queue_id, self.peer.client))
        self.stop_input()

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

    def _mail(self, event: on.Mail) -> Rest | None:
        address = event.address
        self._sasl_sender = event.params.auth
        flags = 0
        if address:
            resolved = self.site.rewrite.known("", address) if address.isascii() else None
            if resolved is None:
                return self._ask_about_mail(event)
            flags = resolved.flags
        local = self._policy.rewrites_locally.known(self.peer)
        if local is None or flags & FLAG_ERROR or not self._policy.delay or self.site.opens_early:
            return self._ask_about_mail(event)
        refusal = self._size(event)
        if refusal is None:
            self._transaction = Transaction(event, self.protocol, self.helo, "local" if local else "remote")
        self.reply(event, refusal or SENDER_OK)
        return None

    async def _ask_about_mail(self, event: on.Mail) -> None:
        address, params = event.address, event.params
        if address and await self._has_bad_syntax("", address, utf8=params.smtputf8):
            msg.warning(log.illegal_address(self.peer.client, "MAIL", event.given))
            self.reply(event, BAD_SENDER)
            return
        try:
            local = await self._policy.rewrites_locally.has(self.peer)
        except MailError:
            check = self._check("MAIL")
            check.refuse_hard(NO_CONTEXT, Trouble.DATA)
            self.reply(event, check.reply or NO_CONTEXT)
            return
        refusal = self._ascii_only(address, params.smtputf8) or self._size(event)
        if refusal is None and not self._policy.delay:
            check = self._check("MAIL", sender=address, size=params.size)
            refusal = await self._policy.mail(check, self._carried)
        if refusal is not None:
            self.reply(event, refusal)
            return
        self._transaction = Transaction(event, self.protocol, self.helo, "local" if local else "remote")
        if not self.site.utf8:
            self.site.old_defaults.note_address("sender", address, self.peer)
        if self.site.opens_early:
            await self._open(self._transaction)
        self.reply(event, SENDER_OK)

    def _ascii_only(self, address: str, smtputf8: bool) -> Reply | None:
        if address.isascii() or smtputf8:
            return None
        return NOT_ASCII if self.site.mail.strict_smtputf8 and self.site.utf8 else None

    def _size(self, event: on.Mail) -> Reply | None:
        refusal = None
        required = self.site.space_needed
        if self.site.size_limit and event.params.size > self.site.size_limit:
            refusal = TOO_BIG
        elif required and (free := self._space.free()) < required:
            msg.warning(log.low_space(free, required))
            refusal = NO_SPACE
        if refusal is not None:
            self._log("reject", "MAIL", refusal.text, sender=event.address, recipient=None)
        return refusal

    async def _open(self, transaction: Transaction) -> None:
        self._has_file(transaction, await self.site.cleanup.open(transaction.flags(self.site)))

    def _has_file(self, transaction: Transaction, message: Message) -> None:
        transaction.begin(message, self.site, self.peer)
        msg.info(log.client_is(message.queue_id, self.peer.client, transaction.params.auth))

    def _rcpt(self, event: on.Rcpt) -> Rest | None:
        transaction = self._transaction
        assert transaction is not None
        site, address = self.site, event.address
        resolved = site.rewrite.known(transaction.sender, address) if address.isascii() else None
        if (
            resolved is None
            or resolved.flags & FLAG_ERROR
            or transaction.recipients >= site.cfg.smtpd_recipient_limit
            or self._is_traced
            or not self._policy.surely_takes(self.peer, resolved)
        ):
            return self._ask_about_rcpt(event, transaction)
        if transaction.message is None:
            message = site.cleanup.ready(transaction.flags(site))
            if message is None:
                return self._ask_about_rcpt(event, transaction)
            self._has_file(transaction, message)
        transaction.add(event)
        self.reply(event, RECIPIENT_OK)
        self._shorten_history()
        return None

    async def _ask_about_rcpt(self, event: on.Rcpt, transaction: Transaction) -> None:
        address, smtputf8 = event.address, transaction.params.smtputf8
        check = self._check("RCPT", address)
        if not smtputf8 and _is_foreign(address):
            bad = "@" in address
        else:
            bad = (await check.resolve_recipient()).flags & FLAG_ERROR > 0
        refusal = self._ascii_only(address, smtputf8)
        if bad:
            msg.warning(log.illegal_address(self.peer.client, "RCPT", event.given))
            refusal = BAD_RECIPIENT
        if refusal is not None:
            self.reply(event, refusal)
            return
        if transaction.recipients >= self.site.cfg.smtpd_recipient_limit:
            transaction.refused += 1
            self._count_as_ok = transaction.refused <= self.site.cfg.smtpd_recipient_overshoot_limit
            self.reply(event, TOO_MANY_RECIPIENTS)
            return
        if not self.site.utf8:
            self.site.old_defaults.note_address("recipient", address, self.peer)
        refusal = await self._policy.rcpt(check, self._carried)
        if refusal is None:
            if transaction.message is None:
                await self._open(transaction)
            transaction.add(event)
        self.reply(event, refusal or RECIPIENT_OK)
        self._shorten_history()

    def _data(self, event: on.Data) -> Rest | None:
        if self._policy.asks_data:
            return self._ask_about_data(event)
        self._begin_content()
        self.reply(event, GO_AHEAD)
        return None

    async def _ask_about_data(self, event: on.Data) -> None:
        refusal = await self._policy.data(self._check("DATA"))
        if refusal is None:
            self._begin_content()
        self.reply(event, refusal or GO_AHEAD)

    def _begin_content(self) -> None:
        assert self._transaction is not None
        self._transaction.begin_content(self.site, self.peer, self._delegated)

    async def _bdat(self, event: on.Bdat) -> None:
        transaction = self._transaction
        assert transaction is not None
        refusal: Reply | None = None
        if "CHUNKING" not in self._keywords:
            refusal = NO_BDAT
        elif self.site.size_limit and event.size > self.site.size_limit - self.wire.received:
            msg.warning(log.big_chunk(self.queue_id, self.peer.client))
            refusal = CHUNK_TOO_BIG
        elif event.first and self._policy.asks_data:
            refusal = await self._policy.data(self._check("BDAT"))
        if refusal is not None:
            self._drop_message()
            self.reply(event, refusal)
            return
        if event.first:
            self._begin_content()
        self.wire.accept_chunk()

    def _drop_message(self) -> None:
        """The queue file goes, the transaction stays: the client has not been told yet."""
        if self._transaction is not None:
            self._transaction.drop()

    async def _dropped(self, event: on.Dropped) -> None:
        if event.last:
            self._forget()

    def _text(self, event: on.Text) -> Rest | None:
        transaction = self._transaction
        assert transaction is not None
        self._take(event, transaction)
        return self._drain(transaction) if transaction.is_ahead() else None

    def _take(self, event: on.Text | on.MessageEnd, transaction: Transaction) -> None:
        if event.size > self.site.size_limit > 0 and not transaction.status & STAT_SIZE:
            event.blocks, transaction.kept = up_to(event.blocks, event.size, self.site.size_limit)
            if not transaction.status:
                transaction.write(event.blocks)
            transaction.status |= STAT_SIZE
            msg.warning(log.big_message(self.queue_id))
        elif not transaction.status:
            transaction.write(event.blocks)

    async def _drain(self, transaction: Transaction) -> None:
        try:
            await transaction.drain()
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
            self.reply(event, Reply(code, "5.5.2", text))
            return
        if transaction.status:
            refusal = Reply.from_text(reply(transaction.status, ""))
            self._drop_message()
            self.wire.refuse_rest()
            self.history.trouble |= of_status(transaction.status)
            self.reply(event, refusal)
            return
        self.reply(event, Reply(250, "2.0.0", f"Ok: {event.size} bytes"))

    def _message_end(self, event: on.MessageEnd) -> Rest | Waiting | None:
        transaction = self._transaction
        assert transaction is not None
        if event.blocks:
            self._take(event, transaction)
        if event.bare and self._bare_newline == "reject":
            transaction.status |= STAT_BARE_LF
            self._log_bare_lf("END-OF-MESSAGE")
        if self._policy.asks_end_of_data:
            return self._ask_about_end(event, transaction)
        verdict = transaction.end(self._delegated, self._heard)
        if verdict is None:
            self._ended = event
            return self._until_heard
        self._conclude(event, transaction, verdict)
        return None

    async def _ask_about_end(self, event: on.MessageEnd, transaction: Transaction) -> None:
        refusal = await self._policy.end_of_data(self._check("END-OF-MESSAGE", size=event.size))
        if refusal is None:
            moment = Moment()
            verdict: Verdict = transaction.end(self._delegated, moment.come) or await moment
            self._conclude(event, transaction, verdict)
        else:
            transaction.cancel()
            self._message_is_over()
            self.reply(event, refusal)

    def _until_heard(self, done: Done) -> object:
        self._done = done
        return self

    def _heard(self, verdict: Verdict) -> None:
        """What has come of the message."""
        done, event, transaction = self._done, self._ended, self._transaction
        assert done is not None
        assert event is not None
        assert transaction is not None
        self._done = self._ended = None
        try:
            self._conclude(event, transaction, verdict)
        except Exception as error:  # a bug in us
            done(error)
        else:
            done(None)

    def _conclude(self, event: on.MessageEnd, transaction: Transaction, verdict: Verdict) -> None:
        queue_id = transaction.queue_id
        refusal: Reply | None = None
        if isinstance(verdict, Retry):
            msg.warning(f"{queue_id}: {verdict}")
            transaction.status |= STAT_WRITE
            refusal = Reply(451, "4.3.0", "Error: queue file write error")
        else:
            transaction.status, reason = verdict
            if transaction.status:
                refusal = transaction.refusal(self.site, reason)
        self._message_is_over()
        if refusal is not None:
            self.history.trouble |= of_status(transaction.status)
            self.reply(event, refusal)
            return
        self.errors = self._junk = 0
        self.history.trouble = NO_TROUBLE
        size = f"{event.size} bytes " if event.verb == "BDAT" else ""
        self.reply(event, Reply(250, "2.0.0", f"Ok: {size}queued as {queue_id}"))
        self._shorten_history()

    def _message_is_over(self) -> None:
        self._transaction = self._sasl_sender = None
        self._delegated = NOTHING

    _TROUBLES: ClassVar[Mapping[Reply, Trouble]] = {
        BAD_SENDER: Trouble.PROTOCOL,
        BAD_RECIPIENT: Trouble.PROTOCOL,
        NO_AUTH: Trouble.PROTOCOL,
        NOT_IMPLEMENTED: Trouble.PROTOCOL,
        NOT_ALLOWED: Trouble.POLICY,
        NO_VRFY: Trouble.POLICY,
        TOO_BIG: Trouble.POLICY,
        CHUNK_TOO_BIG: Trouble.POLICY,
        NO_SPACE: Trouble.RESOURCE,
        NO_RECIPIENTS: Trouble.NONE,
    }
    _REACTIONS: ClassVar[Mapping[type[on.Event], Reaction]] = {
        on.Bad: _bad,
        on.BadParameter: _bad_parameter,
        on.Unknown: _unknown,
        on.Hello: _hello,
        on.Simple: _simple,
        on.Verify: _vrfy,
        on.Etrn: _etrn,
        on.Pipelined: _pipelined_command,
        on.LongLine: _long_line,
        on.LongChunk: _long_chunk,
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
    _UNLESS_NOOP: ClassVar[Mapping[type[on.Event], Reaction]] = {
        **_REACTIONS,
        **dict.fromkeys(
            (on.Bad, on.BadParameter, on.Unknown, on.Hello, on.Simple, on.Verify, on.Etrn, on.Mail, on.Rcpt, on.Data),
            _unless_noop,
        ),
    }
    _DENIALS: ClassVar[Mapping[type[on.Event], Reaction]] = {
        **dict.fromkeys(_REACTIONS, Talk.deny),
        on.Pipelined: _pipelined_command,
        on.Simple: _denied_or_quit,
    }


def _is_foreign(address: str) -> bool:
    """Its domain is other than ASCII, as domains may be with SMTPUTF8 only."""
    return not address.isascii() and not address.rpartition("@")[2].isascii()
