"""trace - smtpd -v: what client and server say, and how restrictions come to their answers

    < CLIENT: MAIL FROM:<a@example.com>
    >>> START Sender address RESTRICTIONS <<<
    generic_checks: name=reject_unknown_sender_domain
    generic_checks: name=reject_unknown_sender_domain status=0
    >>> END Sender address RESTRICTIONS <<<
    > CLIENT: 250 2.1.0 Ok

Content of messages is not logged. The status is 0 for no opinion, 1 for permit, 2 for reject.

See also: pyfix.maps.debug_peer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyfix.smtpd import log
from pyfix.smtpd.restrictions import Check, Rule, Rules, Verdict
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply
from pyfix.wire.smtp_server import Transcript

UNLISTED = frozenset({"smtpd_reject_unlisted_sender", "smtpd_reject_unlisted_recipient"})
STATUS = {Verdict.DUNNO: 0, Verdict.OK: 1, Verdict.REJECT: 2}


class Trace:
    """Logs what a client says, and what it hears. transcript: where else that is noted."""

    def __init__(self, client: str, transcript: Transcript | None) -> None:
        self._client = client
        self._transcript = transcript

    def append(self, item: bytes | Reply) -> None:
        """A command with its line end, or a reply."""
        direction, lines = ("<", item) if isinstance(item, bytes) else (">", item.data)
        for line in lines.rstrip(b"\r\n").split(b"\r\n"):
            msg.info(log.said(direction, self._client, line))
        if self._transcript is not None:
            self._transcript.append(item)


class TracedCheck(Check):
    """A decision each step of which is logged."""

    __slots__ = ()
    traced = True

    async def evaluate(self, rules: Rules) -> Verdict:
        stage = self.stage.value
        if rules.parameter in UNLISTED:
            msg.info(log.validation(stage))
            return await super().evaluate(rules)
        msg.info(log.restrictions("START", stage))
        traced = [each for rule in rules.rules for each in _traced(rule)]
        verdict = await super().evaluate(Rules(rules.parameter, traced))
        msg.info(log.restrictions("END", stage))
        return verdict


def _traced(rule: Rule) -> Iterator[Rule]:
    """The same rule, logged. One that only changes what the next one means must stay itself."""
    name = rule.word or "maps"
    if name.lower() == "warn_if_reject":
        yield Rule(_told, name, rule.word)
        yield rule
        return
    is_class = rule.function is Check.evaluate

    async def ask(check: Check, argument: Any) -> Verdict:
        msg.info(log.restriction(name))
        verdict = await (check.evaluate(argument) if is_class else rule.function(check, argument))
        msg.info(log.restriction(name, STATUS[verdict]))
        return verdict

    yield Rule(ask, rule.argument, rule.word)


async def _told(_: Check, name: str) -> Verdict:
    msg.info(log.restriction(name))
    return Verdict.DUNNO
