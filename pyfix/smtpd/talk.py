"""talk - the frame of an SMTP conversation: greeting, replies, errors, what is logged

Every reply goes through Talk.reply: there it is softened, counted, given its footer and
slowed down.

Parameters: smtpd_{soft,hard}_error_limit, smtpd_error_sleep_time, smtpd_junk_command_limit,
smtpd_forbid_bare_newline, smtpd_reject_footer, soft_bounce.
Sources: smtpd(8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache, partial
from typing import Any, ClassVar

from pyfix.config.expand import ExpandError
from pyfix.mail.error import MailError
from pyfix.server.eager import ENDED, Driven, begun
from pyfix.smtpd import ehlo, log
from pyfix.smtpd.delegated import NOTHING, Delegated
from pyfix.smtpd.expand import expanded, names
from pyfix.smtpd.notice import NO_TROUBLE, History, Trouble
from pyfix.smtpd.peer import Peer
from pyfix.smtpd.policy import Policy
from pyfix.smtpd.restrictions import NOT_CARRIED, Carried, Check, Envelope
from pyfix.smtpd.site import Site
from pyfix.smtpd.space import Space
from pyfix.smtpd.trace import Trace, TracedCheck
from pyfix.smtpd.transaction import Transaction
from pyfix.unix import msg
from pyfix.wire import smtp_event as on
from pyfix.wire.smtp_command import COMMANDS
from pyfix.wire.smtp_reply import Reply
from pyfix.wire.smtp_server import HANG_UP, Session

OUT_OF_STEP = Reply(554, "5.5.0", "Error: SMTP protocol synchronization")
NEUTRAL = str.maketrans(dict.fromkeys(' <>()\\";@', "?"))
CONTENT_VERBS = frozenset({"DATA", "BDAT"})
PROTOCOL_EVENTS = frozenset({on.Bad, on.BadParameter, on.Unknown})
JUNK = frozenset(verb for verb, command in COMMANDS.items() if command.junk)

Rest = Coroutine[Any, Any, None]
"""What is left of a reaction."""
Done = Callable[[BaseException | None], None]
"""Called when a reaction that had to wait has come to its end; with what it raised."""
Waiting = Callable[[Done], object]
"""Such a reaction: it is told whom to call, and says what must be kept until then."""
Reaction = Callable[..., Rest | Waiting | None]
"""What an event leads to. None: that is all."""


class Talk:
    """One client's session: what it has been told, what is known about it. Subclasses react to events."""

    __slots__ = (
        "_bare_newline",
        "_carried",
        "_count_as_ok",
        "_delegated",
        "_done",
        "_ended",
        "_event",
        "_is_traced",
        "_junk",
        "_keywords",
        "_pipelined",
        "_policy",
        "_reactions",
        "_sasl_sender",
        "_slow",
        "_space",
        "_transaction",
        "_unsettled",
        "counts",
        "errors",
        "helo",
        "history",
        "note_bare_lf",
        "over",
        "peer",
        "protocol",
        "refused",
        "site",
        "stop_input",
        "wire",
    )

    _REACTIONS: ClassVar[Mapping[type[on.Event], Reaction]] = {}
    """What each event leads to."""
    _UNLESS_NOOP: ClassVar[Mapping[type[on.Event], Reaction]] = {}
    """The same where there are smtpd_noop_commands."""
    _DENIALS: ClassVar[Mapping[type[on.Event], Reaction]] = {}
    """The same for a client that is told no whatever it says."""
    _TROUBLES: ClassVar[Mapping[Reply, Trouble]] = {}

    def __init__(self, site: Site, policy: Policy, space: Space, peer: Peer) -> None:
        self.site = site
        self.peer = peer
        self.wire = Session(site.first_limits)
        self.history = History()
        if site.postmaster is not None:
            self.wire.transcript = self.history.said
        self.counts: dict[str, int] = {}
        """How often each verb came."""
        self.refused: dict[str, int] = {}
        """How often of that it was refused."""
        self.over = False
        """Send what is to be sent, then hang up."""
        self.stop_input: Callable[[], None] = nothing
        """Read no more than what has come."""
        self.errors = 0
        self.note_bare_lf = False
        self.helo: str | None = None
        """The HELO name as it is logged and recorded."""
        self.protocol = "SMTP"
        """SMTP or ESMTP."""
        self._policy = policy
        self._space = space
        self._delegated = NOTHING
        self._carried = NOT_CARRIED if policy.delay else Carried()
        self._transaction: Transaction | None = None
        self._reactions = self._UNLESS_NOOP if site.noop_commands else self._REACTIONS
        self._unsettled = False  # there were errors, or it is over
        self._event: on.Event | None = None  # whose reaction has a rest
        self._ended: on.MessageEnd | None = None  # whose message waits for its verdict
        self._done: Done | None = None  # who waits for that
        self._sasl_sender: str | None = None  # of the last MAIL: who has submitted it, as the client says
        self._keywords: frozenset[str] = frozenset()
        self._junk = 0
        self._pipelined = False
        self._slow = False
        self._count_as_ok = False
        self._bare_newline = "no"
        self._is_traced = False

    # The session

    def begin(self) -> Rest | None:
        """The client is there and has a name: greet it. The rest is for go_on()."""
        site = self.site
        msg.info(log.connect(self.peer.client))
        mode: str | None = site.bare_newline
        if mode != "no":
            excluded = site.bare_newline_exclusions.known(self.peer.address, self.peer.name)
            mode = None if excluded is None else "no" if excluded else mode
        if site.keywords is None or mode is None or site.debug_peers.any or msg.verbose or not self._policy.delay:
            return self._ask_about_client()
        self._keywords = site.keywords
        self._set_limits(mode)
        self.wire.greet(site.greeting)
        return None

    async def _ask_about_client(self) -> None:
        site, peer = self.site, self.peer
        if (site.debug_peers.any or msg.verbose) and await site.debug_peers.level(peer.address, peer.name):
            self.wire.transcript = Trace(peer.client, self.wire.transcript)
            self._is_traced = True
        self._keywords = site.keywords or await ehlo.offered(site, peer.address)
        excluded = site.bare_newline != "no" and await self._is_excluded()
        self._set_limits("no" if excluded else site.bare_newline)
        if not self._policy.delay:
            denied = await self._policy.connect(self._check("CONNECT"), self._carried)
            if denied is not None:
                self._reactions = self._DENIALS
                self.say(denied)
                if denied.code in HANG_UP:
                    self.end()
                return
        self.wire.greet(site.greeting)

    def _set_limits(self, mode: str) -> None:
        """mode: as smtpd_forbid_bare_newline has it, for this client."""
        self._bare_newline = mode
        self.note_bare_lf = mode == "note"
        self.wire.limits = self.site.limits(mode, self._keywords)

    async def _is_excluded(self) -> bool:
        try:
            return await self.site.bare_newline_exclusions.matches(self.peer.address, self.peer.name)
        except MailError:
            return False

    def react(self, event: on.Event | None) -> Waiting | None:
        """React to an event and those that follow, up to one that has to wait; when it has, go_on()."""
        wire, reactions = self.wire, self._reactions
        while event is not None:
            try:
                rest = reactions[type(event)](self, event)
                if rest is not None and (waiting := _waiting(rest)) is not None:
                    self._event = event
                    return waiting
            except MailError as error:
                self._fail(event, error)
            if self._slow:
                return self._slow_down()
            event = self._next() if wire.more or self._unsettled else None
        return None

    def go_on(self, error: MailError | None) -> Waiting | None:
        """What had to wait has come to its end; error: by that."""
        event, self._event = self._event, None
        if error is not None:
            if event is None:
                raise error
            self._fail(event, error)
        if self._slow:
            return self._slow_down()
        event = self._next()
        return None if event is None else self.react(event)

    def _next(self) -> on.Event | None:
        """The event that follows; None: there is none, or the session is over."""
        if self.over:
            return None
        if self.errors and self.errors >= self.site.cfg.smtpd_hard_error_limit and not self.wire.owes_reply:
            self._too_many_errors()
            return None
        return self.wire.next() if self.wire.more else None

    def deny(self, event: on.Event) -> None:
        """React to an event of a client for which nothing is done."""
        self.wire.where = "CONNECT"
        self.reply(event, Reply(503, "5.7.0", f"Error: access denied for {self.peer.client}"))

    def _fail(self, event: on.Event, error: MailError) -> None:
        if error.detail:
            msg.warning(f"{self.queue_id}: {error}")
        self.reply(event, Reply(error.code, error.status, f"Error: {error.text}"))

    def _slow_down(self) -> Waiting:
        """Let a client that makes errors wait for its reply."""
        self._slow = False
        pause = asyncio.sleep(self.site.cfg.smtpd_error_sleep_time)
        return partial(Driven, pause, begun(pause))

    def _too_many_errors(self) -> None:
        msg.info(log.too_many_errors(self.queue_id, self.wire.where, self.peer.client))
        self.history.aborted = "too many errors"
        self.say_goodbye(421, "4.7.0", "Error: too many errors")

    def say_goodbye(self, code: int, status: str, text: str) -> None:
        """End the session with a reply nobody asked for."""
        self.say(Reply(code, status, f"{self.site.mail.myhostname} {text}"))
        self.end()

    def end(self) -> None:
        """Send what is to be sent, then hang up."""
        self.over = self._unsettled = True

    def tell_postmaster(self) -> None:
        """Where there was trouble the postmaster may want to know what was said."""
        if self.history.trouble is not NO_TROUBLE and self.site.postmaster is not None:
            self.site.postmaster.tell(self.site.cleanup, self.peer.client, self.history)

    def _shorten_history(self) -> None:
        history = self.history
        if len(history.said) > self.site.enough_said and history.is_longer(self.site.cfg.smtpd_history_flush_threshold):
            self.tell_postmaster()
            history.forget()

    def too_early(self, data: bytes) -> None:
        """The client talked before the greeting."""
        msg.info(log.pipelining("CONNECT", self.peer.client, data))
        self.wire.out = b""
        self.say(OUT_OF_STEP)
        self.end()

    def lost(self) -> None:
        """The client is gone, or about to be: nothing of a message under way stays."""
        unfinished = self.wire.close()
        if unfinished == "DATA":  # it was counted when it was accepted
            self.refused["DATA"] = self.refused.get("DATA", 0) + 1
        elif unfinished:
            self.count_refused(unfinished)
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
        if self.wire.where not in CONTENT_VERBS or not self.wire.in_content:
            return None
        kept = None if self._transaction is None else self._transaction.kept
        return self.wire.received if kept is None else kept

    # Replies

    def reply(self, event: on.Event, reply: Reply) -> None:
        """Answer an event. All answers pass here."""
        verb, counts = event.verb, self.counts
        if verb != "DATA" or type(event) is not on.MessageEnd:  # that was counted when it was accepted
            counts[verb] = counts[verb] + 1 if verb in counts else 1
            if verb in JUNK:
                self._junk += 1
                self.errors += self._junk > self.site.cfg.smtpd_junk_command_limit + 1
                self._unsettled = True
        if self._unsettled or not reply.ok:
            self._reply_closely(event, reply)
        else:
            self.wire.reply(reply)

    def _reply_closely(self, event: on.Event, reply: Reply) -> None:
        """The same for a client that makes errors, or says what leads nowhere."""
        if not reply.ok:
            self.history.trouble |= self._trouble(event, reply)
            reply = self._refusal(event.verb, reply)
        if self.errors:
            cfg = self.site.cfg
            self._slow = self.errors > cfg.smtpd_soft_error_limit and cfg.smtpd_error_sleep_time > 0
        self.wire.reply(reply)
        self._unsettled = self.over or self.errors > 0
        if not self.over:
            self._shorten_history()

    def _trouble(self, event: on.Event, reply: Reply) -> Trouble:
        """What kind of trouble a refusal is. What restrictions refuse is known by their note of it."""
        usual = Trouble.PROTOCOL if type(event) in PROTOCOL_EVENTS else Trouble.NONE
        return self._TROUBLES.get(reply, usual)

    def _refusal(self, verb: str, reply: Reply) -> Reply:
        reply = self._as_refused(reply)
        if reply.code in HANG_UP:
            self.end()
        if self._count_as_ok:
            self._count_as_ok = False
        else:
            self.errors += 1
            self.refused[verb] = self.refused.get(verb, 0) + 1
        return reply

    def say(self, reply: Reply) -> None:
        """Say something that no command is answered with, or none that is counted by reply()."""
        self.wire.greet(reply if reply.ok else self._as_refused(reply))

    def _as_refused(self, reply: Reply) -> Reply:
        if self.site.mail.soft_bounce:
            reply = reply.softened()
        return self._with_footer(reply) if self.site.cfg.smtpd_reject_footer else reply

    def count_refused(self, verb: str) -> None:
        """Count a command that is not answered by reply()."""
        self.counts[verb] = self.counts.get(verb, 0) + 1
        self.refused[verb] = self.refused.get(verb, 0) + 1

    def _with_footer(self, reply: Reply) -> Reply:
        transaction = self._transaction
        sender = recipient = None
        if transaction is not None:
            sender, recipient = transaction.sender, transaction.first_recipient or None
        values = names(self.site, self.peer, self.helo, sender, recipient)
        try:
            footer, _ = expanded(self.site.cfg.smtpd_reject_footer, values, self.site.insertable)
        except ExpandError as error:
            msg.warning(str(error))
            return reply
        lines = list(reply.lines)
        if footer.startswith("\\c"):
            first, *rest = footer[2:].split("\\n")
            lines[-1] += first
            return Reply(reply.code, reply.status, *lines, *rest)
        return Reply(reply.code, reply.status, *lines, *footer.split("\\n"))

    # Decisions

    def _check(
        self,
        where: str,
        recipient: str | None = None,
        sender: str | None = None,
        helo: str | None = None,
        size: int | None = None,
    ) -> Check:
        kind = TracedCheck if self._is_traced else Check
        check = kind(self.site, self.peer, self, where, self._delegated)
        check.helo = self.helo if helo is None else helo
        check.sender = sender
        check.recipient = recipient
        check.size = size
        check.pipelined = self._pipelined
        transaction = self._transaction
        if transaction is not None:
            check.sender = transaction.sender
            check.recipients = transaction.recipients
            if recipient is None:
                check.recipient = transaction.only_recipient
        return check

    def note(self, check: Check, action: str, text: str, trouble: Trouble) -> None:
        """(For a check.) Log what it has come to."""
        self.history.trouble |= trouble
        self._log(action, check.where, text, sender=check.sender, recipient=check.recipient, helo=check.helo)

    def envelope(self, size: int | None) -> Envelope:
        """(For a check.) size: None: what MAIL said."""
        transaction = self._transaction
        if transaction is None:
            return Envelope(self.protocol, "", "", size or 0, self._sasl_sender or "")
        queue_id = "" if transaction.message is None else transaction.queue_id
        size = transaction.params.size if size is None else size
        return Envelope(self.protocol, queue_id, transaction.instance, size, self._sasl_sender or "")

    def delegate(self) -> Delegated:
        """(For a check.) What is to be done with the message begins to be something."""
        self._delegated = Delegated()
        return self._delegated

    def _log(
        self,
        action: str,
        stage: str,
        text: str,
        *,
        sender: str | None,
        recipient: str | None,
        helo: str | None = None,
    ) -> None:
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
                helo=self.helo if helo is None else helo,
                sasl_sender=self._sasl_sender,
            )
        )

    def _forget(self) -> None:
        self._delegated = NOTHING
        self._sasl_sender = None
        if self._transaction is not None:
            self._transaction.cancel()
            self._transaction = None


def nothing() -> None:
    """There is no connection whose input could be stopped."""


def _waiting(rest: Rest | Waiting) -> Waiting | None:
    """Run what is left of a reaction up to where it waits; None: it has come to its end."""
    if callable(rest):
        return rest
    waits_for = begun(rest)
    return None if waits_for is ENDED else partial(Driven, rest, waits_for)


@lru_cache(1000)
def neutered(name: str) -> str:
    """A HELO name without what could disturb a log or a header."""
    return msg.printable(name).translate(NEUTRAL)
