"""restrictions - lists of decisions about clients, names, senders and recipients

A list is words in order; each says OK (take it, skip the rest of this list), REJECT, or
DUNNO (ask the next). The table WORDS has every word: its function, whether an argument
follows and what becomes of it. Whoever wants to know what a word means reads its function.

Lists are compiled once, before the jail: tables that they name are open by then. What a
table says is a list too, or an action (pyfix.smtpd.actions).

A word's answer may depend on what comes later: defer_if_permit turns a permit into a
deferral when something could not be told.

Parameters: smtpd_*_restrictions, smtpd_restriction_classes, smtpd_delay_reject,
smtpd_log_access_permit_actions.
Sources: postconf(5), SMTPD_ACCESS_README.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, NamedTuple, Protocol

from pyfix.clients.cleanup import FLAG_DISCARD
from pyfix.clients.rewrite import Resolved
from pyfix.mail.error import MailError
from pyfix.maps.braces import split
from pyfix.smtpd import log
from pyfix.smtpd.delegated import NOTHING, Delegated
from pyfix.smtpd.notice import Trouble
from pyfix.smtpd.peer import Peer
from pyfix.smtpd.recipients import Refusal
from pyfix.smtpd.site import Site
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply

RECURSION_LIMIT = 100
BLANK = dict.fromkeys((*range(32), 127), " ")  # for control characters in what clients said


class Verdict(Enum):
    """What a restriction says."""

    OK = "permit"
    DUNNO = "no opinion"
    REJECT = "reject"


OK, DUNNO, REJECT = Verdict.OK, Verdict.DUNNO, Verdict.REJECT


class Stage(Enum):
    """What a decision is about: its class word in replies."""

    CLIENT = "Client host"
    REVERSE_CLIENT = "Unverified Client host"
    HELO = "Helo command"
    SENDER = "Sender address"
    RECIPIENT = "Recipient address"
    DATA = "Data command"
    END_OF_DATA = "End-of-data"
    ETRN = "Etrn command"


CLIENT, RECIPIENT = Stage.CLIENT, Stage.RECIPIENT  # a member's name is looked up in ten times the time


class Envelope(NamedTuple):
    """What a policy server wants to know of the message. size: bytes, as said or as they came; instance:
    the same for all that is asked about one message; sasl_sender: who has submitted it, as the client says (xtext);
    empty where there is none."""

    protocol: str
    queue_id: str
    instance: str
    size: int
    sasl_sender: str



class Session(Protocol):
    """Whose decision it is."""

    def note(self, check: Check, action: str, text: str, trouble: Trouble) -> None:
        """Log a refusal, or an access action."""

    def envelope(self, size: int | None) -> Envelope:
        """What is known of the message. size: bytes of content, None: what MAIL said."""

    def delegate(self) -> Delegated:
        """What is to be done with its message begins to be something."""


class Check:
    """One decision under way: what is known, and what came out.

    where: the command, as logs have it; helo, sender, recipient, domain (of ETRN): None while
    unknown; recipients: how many were accepted so far; size: bytes of content, None: what MAIL said.
    """

    __slots__ = (
        *("site", "peer", "where", "delegated", "helo", "sender", "recipient", "domain", "recipients", "size"),
        *("pipelined", "stage", "list_stage", "name", "rules", "listed_checked", "deferred", "reply", "resolved"),
        *("_session", "_warn", "_defer_if_reject", "_depth"),
    )

    stage: Stage
    list_stage: Stage
    name: str
    """What is being decided about, as replies show it (as all that follows: from run() on)."""
    _warn: int  # the depth at which warn_if_reject was said; 0: not in force
    _depth: int
    traced: ClassVar[bool] = False
    """Each step is logged, those too that can come to one end only."""

    def __init__(self, site: Site, peer: Peer, session: Session, where: str, delegated: Delegated) -> None:
        self.site = site
        self.peer = peer
        self.where = where
        self.delegated = delegated
        self.helo: str | None = None
        self.sender: str | None = None
        self.recipient: str | None = None
        self.domain: str | None = None
        self.recipients = 0
        self.size: int | None = None
        self.pipelined = False
        self.rules: Rules | None = None
        """The last list that was asked."""
        self.listed_checked = False
        """reject_unlisted_recipient has been asked already."""
        self.deferred: Reply | None = None
        """What a permit becomes: the first defer_if_permit."""
        self.reply: Reply | None = None
        """The refusal."""
        self.resolved: Resolved | None = None
        """Where the recipient goes, once that was asked."""
        self._session = session
        self._defer_if_reject: Reply | None = None

    def delegate(self) -> Delegated:
        """What cleanup and qmgr are to do, to be added to."""
        if self.delegated is NOTHING:
            self.delegated = self._session.delegate()
        return self.delegated

    def envelope(self) -> Envelope:
        """What a policy server wants to know of the message."""
        return self._session.envelope(self.size)

    async def resolve_recipient(self) -> Resolved:
        """Where the recipient goes."""
        if self.resolved is None:
            self.resolved = await self.site.rewrite.resolve(self.sender or "", self.recipient or "")
        return self.resolved

    def _log(self, action: str, text: str, trouble: Trouble) -> None:
        self._session.note(self, action, text, trouble)

    async def run(self, stage: Stage, name: str, rules: Rules) -> Reply | None:
        """Ask a list; the refusal, or None."""
        if self.delegated.flags & FLAG_DISCARD:
            return None
        self.stage, self.list_stage, self.name, self.rules = stage, stage, name, rules
        self._warn = self._depth = 0
        self.reply = None
        try:
            await self.evaluate(rules)
        except MailError as error:
            self.refuse_hard(Reply(error.code, error.status, f"<{self.name}>: {error.text}"), Trouble.DATA)
        if stage is not RECIPIENT:  # the lists about a recipient share it
            self._defer_if_reject = None
        return self.reply

    def settle(self) -> Reply | None:
        """All lists have permitted: the refusal if one of them wanted to defer."""
        if self.deferred is not None and not self.delegated.flags & FLAG_DISCARD:
            self._refuse(self.deferred)
        return self.reply

    async def evaluate(self, rules: Rules) -> Verdict:
        """Ask one list or class."""
        self._depth += 1
        verdict = DUNNO
        for rule in rules.rules:
            verdict = await rule.function(self, rule.argument)
            if self._warn and self._warn >= self._depth and rule.function is not _warn_if_reject:
                self._warn = 0
            if verdict is not DUNNO:
                break
            if self._defer_if_reject is not None and self.deferred is not None:
                break  # deferred in any case
        self._depth -= 1
        return verdict

    async def evaluate_about(self, stage: Stage, name: str, rules: Rules) -> Verdict:
        """Ask a list that a table names, about what the table was asked for."""
        before = self.stage, self.name
        self.stage, self.name = stage, name
        verdict = await self.evaluate(rules)
        self.stage, self.name = before
        return verdict

    @property
    def too_deep(self) -> bool:
        """Tables name lists that ask tables, without end."""
        return self._depth > RECURSION_LIMIT

    # What a function may answer

    def reject(self, code: int, status: str, reason: str) -> Verdict:
        """`CODE STATUS <NAME>: CLASS rejected: REASON`, about what the list is about."""
        return self.reject_about(self.stage, self.name, code, status, reason)

    def reject_about(self, stage: Stage, name: str, code: int, status: str, reason: str) -> Verdict:
        """The same about something else."""
        return self.refuse(Reply(code, status, f"<{name}>: {stage.value} rejected: {reason}"))

    def refuse(self, reply: Reply, trouble: Trouble = Trouble.POLICY) -> Verdict:
        """Refuse with this reply, unless it is only to be warned of."""
        reply = _sound(reply)
        if self._warn:
            self._log("reject_warning", self._softened(reply).text, trouble)
            return DUNNO
        if self._defer_if_reject is not None and reply.code >= 500:
            reply = self._defer_if_reject
        return self._refuse(reply, trouble)

    def refuse_hard(self, reply: Reply, trouble: Trouble) -> Verdict:
        """Refuse even where it should only be warned: something is broken."""
        self._warn = 0
        return self._refuse(reply, trouble)

    def _refuse(self, reply: Reply, trouble: Trouble = Trouble.POLICY) -> Verdict:
        self.reply = reply = self._softened(reply)
        self._log("reject", reply.text, trouble)
        return REJECT

    def _softened(self, reply: Reply) -> Reply:
        return reply.softened() if self.site.mail.soft_bounce else reply

    def configuration_error(self) -> Verdict:
        """The administrator must look."""
        return self.refuse_hard(Reply(451, "4.3.5", "Server configuration error"), Trouble.SOFTWARE)

    def defer_if_permit(self, reply: Reply) -> Verdict:
        """Defer if nothing else refuses."""
        if self._warn:
            return self.refuse(reply)
        self.deferred = self.deferred or _sound(reply)
        return DUNNO

    def defer_if_reject(self, reply: Reply) -> Verdict:
        """Defer instead if something in this list refuses for good."""
        self._defer_if_reject = self._defer_if_reject or _sound(reply)
        return DUNNO

    def refuse_unlisted(self, refusal: Refusal, stage: Stage, address: str) -> Verdict:
        """An address that does not exist."""
        text = f"<{address}>: {stage.value} rejected: {refusal.text}"
        return self.refuse(Reply(refusal.code, refusal.status, text), Trouble.BOUNCE)

    def warn(self) -> Verdict:
        """Only log what the next word refuses."""
        self._warn = self._warn or self._depth
        return DUNNO

    def note(self, action: str, text: str) -> None:
        """Log an access action."""
        self._log(action, text, Trouble.NONE)

    async def permit(self, action: str, stage: Stage, name: str, table: str = "") -> Verdict:
        """OK, logged where smtpd_log_access_permit_actions wants it."""
        if self.site.logs_permits and await self.site.permit_actions.matches(action):
            self.note("permit", log.permit(action, stage.value, name, table))
        return OK


class Carried:
    """With smtpd_delay_reject = no: the deferral that each stage hands on to the next."""

    __slots__ = ("client", "helo", "sender")

    def __init__(self) -> None:
        self.client: Reply | None = None
        self.helo: Reply | None = None
        self.sender: Reply | None = None


NOT_CARRIED = Carried()
"""With smtpd_delay_reject = yes."""


def _blanked(line: str) -> str:
    """Without control characters; with smtputf8_enable = no, without all that is not ASCII."""
    return msg.printable(line, " ") if msg.ascii_only else line.translate(BLANK)


def _sound(reply: Reply) -> Reply:
    """The reply with a status that fits its code and no control characters; another one if the code is no refusal."""
    if not 400 <= reply.code <= 599:
        msg.warning(log.bad_code(reply.text))
        return Reply(450, "4.7.1", "Service unavailable")
    if not all(line.isascii() and line.isprintable() for line in reply.lines):
        reply = Reply(reply.code, reply.status, *map(_blanked, reply.lines))
    first = str(reply.code)[0]
    if not reply.status or reply.status[0] == first:
        return reply
    return Reply(reply.code, first + reply.status[1:], *reply.lines)


Function = Callable[[Check, Any], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Word:
    """One word. argument: makes the function's argument of the word that follows (empty: none does);
    needs: makes it where none follows; ends: what follows is never asked."""

    function: Function
    argument: Callable[[Lists, str, str], Any] | None = None
    needs: Callable[[Lists], Any] | None = None
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One word of a list, with its argument."""

    function: Function
    argument: Any
    word: str


@dataclass(slots=True)
class Rules:
    """A compiled list. parameter: its name."""

    parameter: str
    rules: list[Rule] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rules)


def _warn_if_reject(check: Check, _: object) -> Awaitable[Verdict]:
    return _now(check.warn())


async def _now(verdict: Verdict) -> Verdict:
    return verdict


WARN_IF_REJECT = Word(_warn_if_reject)


class BadArgument(ValueError):
    """What follows a word does not fit it. str() is the warning; the word refuses when it is asked."""


class Lists:
    """Makes lists of text: knows the words, the classes, and what the words need."""

    def __init__(self, site: Site, words: Mapping[str, Word]) -> None:
        self.site = site
        self._words = words
        self._shared: dict[str, Any] = {}
        names = split(site.cfg.smtpd_restriction_classes)
        self.classes = {name: Rules(name) for name in names}
        for name, rules in self.classes.items():
            rules.rules = self.compile(name, site.main.value(name)).rules

    def compile(self, parameter: str, text: str) -> Rules:
        """A list from a parameter's text. Words that mean nothing fail when they are asked."""
        rules = Rules(parameter)
        todo = [item.strip() for item in split(text)]
        end: str | None = None
        while todo:
            name = todo.pop(0)
            if end is not None:
                msg.warning(log.after_end(name, end))
                break
            rules.rules.append(self._rule(name, todo))
            word = self._words.get(name.lower())
            end = name if word is not None and word.ends and not _follows_warning(rules) else None
        return rules

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What several words share, as a table: made when the first of them is compiled."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def close(self) -> None:
        """Let go of connections that words keep."""
        for thing in self._shared.values():
            if hasattr(thing, "close"):
                thing.close()

    def _rule(self, name: str, todo: list[str]) -> Rule:
        if ":" in name:
            name, todo[:0] = "", [name]
        word = self._words.get(name.lower())
        if word is not None and word.argument is not None:
            try:
                argument = word.argument(self, name, todo.pop(0) if todo else "")
            except BadArgument as error:
                return Rule(_misused, str(error), name)
            return Rule(word.function, argument, name)
        if word is not None:
            return Rule(word.function, word.needs(self) if word.needs else None, name)
        if name in self.classes:
            return Rule(Check.evaluate, self.classes[name], name)
        return Rule(_unknown, name, name)


def _follows_warning(rules: Rules) -> bool:
    return len(rules.rules) > 1 and rules.rules[-2].function is _warn_if_reject


async def _unknown(check: Check, name: str) -> Verdict:
    msg.warning(log.unknown_restriction(name))
    return check.configuration_error()


async def _misused(check: Check, warning: str) -> Verdict:
    msg.warning(warning)
    return check.configuration_error()


def has_any(rules: Rules, names: frozenset[str]) -> bool:
    """Whether a list or a class in it has one of these words, not only as a warning."""
    before = ""
    for rule in rules.rules:
        word = rule.word.lower()
        if before != "warn_if_reject":
            inner = rule.argument if isinstance(rule.argument, Rules) else None
            if word in names or (inner is not None and has_any(inner, names)):
                return True
        before = word
    return False
