"""restrictions - lists of decisions about clients, names, senders and recipients

A list is words in order; each says OK (take it, skip the rest of this list), REJECT, or
DUNNO (ask the next). The table WORDS has every word: its function, where it makes sense,
whether an argument follows. Whoever wants to know what a word means reads its function.

A word's answer may depend on what comes later: defer_if_permit turns a permit into a
deferral when something could not be told.

Parameters: smtpd_*_restrictions, smtpd_restriction_classes, smtpd_delay_reject.
Sources: postconf(5), SMTPD_ACCESS_README.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from pyfix.mail.error import MailError
from pyfix.maps.braces import split
from pyfix.smtpd import log
from pyfix.smtpd.peer import Peer
from pyfix.smtpd.recipients import Refusal
from pyfix.smtpd.site import Site
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply

RECURSION_LIMIT = 100


class Verdict(Enum):
    """What a restriction says."""

    OK = "permit"
    DUNNO = "no opinion"
    REJECT = "reject"


OK, DUNNO, REJECT = Verdict.OK, Verdict.DUNNO, Verdict.REJECT


class Stage(Enum):
    """What a list is about: its class word in replies."""

    CLIENT = "Client host"
    HELO = "Helo command"
    SENDER = "Sender address"
    RECIPIENT = "Recipient address"
    DATA = "Data command"
    END_OF_DATA = "End-of-data"
    ETRN = "Etrn command"


class Check:
    """One decision under way: what is known, and what came out.

    verb: for the log; helo, sender, recipient, domain: None while unknown. log_rejects is
    called with (action, reply) for each refusal.
    """

    def __init__(
        self,
        site: Site,
        peer: Peer,
        log_reject: Callable[[str, Reply], None],
        *,
        helo: str | None = None,
        sender: str | None = None,
        recipient: str | None = None,
    ) -> None:
        self.site = site
        self.peer = peer
        self.helo = helo
        self.sender = sender
        self.recipient = recipient
        self.stage = Stage.CLIENT
        self.name = ""
        """What is being decided about, as replies show it."""
        self.listed_checked = False
        """reject_unlisted_recipient has been asked already."""
        self.pipelined = False
        self.reply: Reply | None = None
        """The refusal."""
        self._log_reject = log_reject
        self._warn = False
        self._defer_if_permit: Reply | None = None
        self._defer_if_reject: Reply | None = None
        self._depth = 0

    async def run(self, stage: Stage, name: str, rules: Rules) -> Reply | None:
        """Ask a list; the refusal, or None."""
        self.stage, self.name = stage, name
        self._warn = False
        self._forget()
        verdict = await self.evaluate(rules)
        deferred = self._defer_if_permit
        if verdict is not REJECT and deferred is not None:
            self._refuse(deferred)
        return self.reply

    def _forget(self) -> None:
        self._defer_if_permit = self._defer_if_reject = self.reply = None

    async def evaluate(self, rules: Rules) -> Verdict:
        """Ask one list or class."""
        self._depth += 1
        if self._depth > RECURSION_LIMIT:
            msg.warning("SMTPD access map... recursion limit exceeded")
            return self.configuration_error()
        for rule in rules.rules:
            try:
                verdict = await rule.function(self, rule.argument)
            except MailError as error:
                verdict = self.retry(error)
            if rule.function is not _warn_if_reject:
                self._warn = False
            if verdict is not DUNNO:
                break
        else:
            verdict = DUNNO
        self._depth -= 1
        return verdict

    # What a function may answer

    def reject(self, code: int, status: str, reason: str, *, about: str | None = None) -> Verdict:
        """`CODE STATUS <NAME>: CLASS rejected: REASON`."""
        name = self.name if about is None else about
        return self.refuse(Reply(code, status, f"<{name}>: {self.stage.value} rejected: {reason}"))

    def refuse(self, reply: Reply) -> Verdict:
        """Refuse with this reply, unless it is only to be warned of."""
        reply = _fitting(reply)
        if self._defer_if_reject is not None and reply.code >= 500:
            reply = self._defer_if_reject
        if self._warn:
            self._warn = False
            self._log_reject("reject_warning", reply)
            return DUNNO
        self._refuse(reply)
        return REJECT

    def _refuse(self, reply: Reply) -> None:
        if self.site.mail.soft_bounce:
            reply = reply.softened()
        self.reply = reply
        self._log_reject("reject", reply)

    def retry(self, error: MailError) -> Verdict:
        """Something can't be told now."""
        return self.refuse(Reply(error.code, error.status, f"<{self.name}>: {error.text}"))

    def configuration_error(self) -> Verdict:
        """The administrator must look."""
        return self.refuse(Reply(451, "4.3.5", "Server configuration error"))

    def defer_if_permit(self, reply: Reply) -> Verdict:
        """Defer if nothing else refuses."""
        self._defer_if_permit = self._defer_if_permit or reply
        return DUNNO

    def defer_if_reject(self, reply: Reply) -> Verdict:
        """Defer instead if something refuses for good."""
        self._defer_if_reject = self._defer_if_reject or reply
        return DUNNO

    def refuse_unlisted(self, refusal: Refusal, stage: Stage, address: str) -> Verdict:
        """An address that does not exist."""
        reply = Reply(
            refusal.code, refusal.status, f"<{address}>: {stage.value} rejected: {refusal.text}"
        )
        return self.refuse(reply)

    def warn(self) -> Verdict:
        """Only log what the next word refuses."""
        self._warn = True
        return DUNNO


def _fitting(reply: Reply) -> Reply:
    """The status's first digit is the code's."""
    first = str(reply.code)[0]
    if not reply.status or reply.status[0] == first:
        return reply
    return Reply(reply.code, first + reply.status[1:], *reply.lines)


Function = Callable[[Check, str], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Word:
    """One word. takes_argument: another word follows; ends: what follows it is never asked."""

    function: Function
    takes_argument: bool = False
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One word of a list, with its argument."""

    function: Function
    argument: str
    word: str


@dataclass(slots=True)
class Rules:
    """A parsed list. parameter: its name."""

    parameter: str
    rules: list[Rule] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rules)


def _warn_if_reject(check: Check, _: str) -> Awaitable[Verdict]:
    return _now(check.warn())


async def _now(verdict: Verdict) -> Verdict:
    return verdict


def parse(parameter: str, text: str, words: Mapping[str, Word], classes: Mapping[str, Rules]) -> Rules:
    """A list from a parameter's text. Words that mean nothing fail when they are asked."""
    rules = Rules(parameter)
    todo = [item.strip() for item in split(text)]
    end: str | None = None
    while todo:
        name = todo.pop(0)
        if end is not None:
            msg.warning(log.after_end(name, end))
            break
        rules.rules.append(_rule(name, todo, words, classes))
        word = words.get(name.lower())
        end = name if word is not None and word.ends and not _follows_warning(rules) else None
    return rules


def _follows_warning(rules: Rules) -> bool:
    return len(rules.rules) > 1 and rules.rules[-2].function is _warn_if_reject


def _rule(name: str, todo: list[str], words: Mapping[str, Word], classes: Mapping[str, Rules]) -> Rule:
    if name in classes:
        return Rule(_class(classes[name]), "", name)
    word = words.get(name.lower())
    if word is None or (word.takes_argument and not todo):
        return Rule(_unknown, name, name)
    return Rule(word.function, todo.pop(0) if word.takes_argument else "", name)


def _class(rules: Rules) -> Function:
    async def function(check: Check, _: str) -> Verdict:
        return await check.evaluate(rules)

    return function


async def _unknown(check: Check, name: str) -> Verdict:
    msg.warning(log.unknown_restriction(name))
    return check.configuration_error()


WARN_IF_REJECT = Word(_warn_if_reject)


def has_any(rules: Iterable[Rules], names: frozenset[str]) -> bool:
    """Whether a list has one of these words, not only as a warning."""
    for one in rules:
        before = ""
        for rule in one.rules:
            if rule.word.lower() in names and before != "warn_if_reject":
                return True
            before = rule.word.lower()
    return False
