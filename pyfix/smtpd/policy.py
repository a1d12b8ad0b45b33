"""policy - which restriction lists are asked when

With smtpd_delay_reject the lists about client, HELO and sender wait for the recipient and
are asked for each, so that a refusal can be logged with all addresses; without it each is
asked at its own command. The lists about relaying and recipients come next, and then,
unless a list asked already, whether the recipient exists. `RCPT TO:<postmaster>` is never
refused.

Parameters: smtpd_*_restrictions, smtpd_delay_reject, smtpd_relay_before_recipient_restrictions,
smtpd_restriction_classes, smtpd_reject_unlisted_sender, smtpd_reject_unlisted_recipient.
"""

from __future__ import annotations

from pyfix.clients.rewrite import CLASS_RELAY, Resolved
from pyfix.config.param import BadConfig
from pyfix.smtpd import log
from pyfix.smtpd.checks import (
    REJECTING,
    WORDS,
    permit_mynetworks,
    reject_unlisted_recipient,
    reject_unlisted_sender,
)
from pyfix.smtpd.context import RewriteContext
from pyfix.smtpd.delegated import NOTHING, Delegated
from pyfix.smtpd.notice import Trouble
from pyfix.smtpd.old_defaults import SAFE_RELAY
from pyfix.smtpd.peer import Peer
from pyfix.smtpd.recipients import surely_listed
from pyfix.smtpd.restrictions import RECIPIENT, Carried, Check, Envelope, Lists, Rule, Rules, Stage, has_any
from pyfix.smtpd.site import NO_UNKNOWN_RECIPIENT_CHECKS, Site
from pyfix.unix import msg
from pyfix.wire.smtp_reply import Reply

UNLISTED_SENDER = Rules("smtpd_reject_unlisted_sender", [Rule(reject_unlisted_sender, "", "")])
UNLISTED_RECIPIENT = Rules("smtpd_reject_unlisted_recipient", [Rule(reject_unlisted_recipient, "", "")])


class Policy:
    """The restriction lists of one worker. Fatal (logged) when they would let anybody relay."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lists = Lists(site, WORDS)
        self._client = self._list("smtpd_client_restrictions")
        self._helo = self._list("smtpd_helo_restrictions")
        self._sender = self._list("smtpd_sender_restrictions")
        self._relay = self._list("smtpd_relay_restrictions")
        self._recipient = self._list("smtpd_recipient_restrictions")
        self._data = self._list("smtpd_data_restrictions")
        self._end_of_data = self._list("smtpd_end_of_data_restrictions")
        self._etrn = self._list("smtpd_etrn_restrictions")
        self.rewrites_locally = RewriteContext(site)
        """Whose incomplete header addresses get our domain."""
        self._reject_unlisted = (
            site.cfg.smtpd_reject_unlisted_recipient and NO_UNKNOWN_RECIPIENT_CHECKS not in site.overrides
        )
        self.delay = site.cfg.smtpd_delay_reject
        """connect, hello and mail have nothing to ask."""
        earlier = (self._client, self._helo, self._sender, site.cfg.smtpd_reject_unlisted_sender)
        self._asks_earlier = self.delay and any(earlier)
        self.asks_data = bool(self._data)
        self.asks_end_of_data = bool(self._end_of_data)
        self._for_recipient = [self._recipient, self._relay]
        if site.cfg.smtpd_relay_before_recipient_restrictions:
            self._for_recipient.reverse()
        self._for_recipient = [rules for rules in self._for_recipient if rules]
        trusting = all(rules.rules[0].function is permit_mynetworks for rules in self._for_recipient)
        quiet = not (site.logs_permits or site.old_defaults.any or site.old_defaults.networks)
        self._trusts_mynetworks = trusting and quiet and self.delay and not self._asks_earlier

    def check(self) -> None:
        """See that not everybody may relay. BadConfig otherwise."""
        if not any(has_any(rules, REJECTING) for rules in self._for_recipient):
            raise BadConfig(log.no_reject(_NAMED))

    def close(self) -> None:
        """Let go of connections that restrictions keep."""
        self._lists.close()

    def _list(self, name: str) -> Rules:
        return self._lists.compile(name, getattr(self._site.cfg, name))

    # When each command comes

    async def connect(self, check: Check, carried: Carried) -> Reply | None:
        """Before the greeting, when smtpd_delay_reject is off."""
        refusal = await self._ask_client(check)
        carried.client = carried.helo = carried.sender = check.deferred
        return refusal

    async def hello(self, check: Check, carried: Carried) -> Reply | None:
        """At HELO, when smtpd_delay_reject is off."""
        check.deferred = carried.client
        refusal = await self._ask_helo(check)
        carried.helo = carried.sender = check.deferred
        return refusal

    async def mail(self, check: Check, carried: Carried) -> Reply | None:
        """At MAIL, when smtpd_delay_reject is off."""
        check.deferred = carried.helo
        refusal = await self._ask_sender(check)
        carried.sender = check.deferred
        return refusal

    def surely_takes(self, peer: Peer, resolved: Resolved) -> bool:
        """Whether rcpt() would have nothing against it: each list first of all permits who is in mynetworks."""
        return (
            self._trusts_mynetworks
            and bool(self._site.mynetworks.known(peer.address, peer.name))
            and (not self._reject_unlisted or surely_listed(self._site, resolved))
        )

    async def rcpt(self, check: Check, carried: Carried) -> Reply | None:
        """At RCPT and VRFY: all that is left to ask about this recipient."""
        recipient = check.recipient or ""
        if recipient.lower() == "postmaster":
            return None
        check.deferred = carried.sender
        refusal = await self._ask_earlier(check) if self._asks_earlier else None
        for rules in self._for_recipient:
            if refusal is None:
                refusal = await check.run(RECIPIENT, recipient, rules)
        if refusal is None and check.deferred is not None:
            refusal = check.settle()
        if refusal is None and self._reject_unlisted and not check.listed_checked:
            resolved = check.resolved
            if check.traced or resolved is None or not surely_listed(self._site, resolved):
                refusal = await check.run(RECIPIENT, recipient, UNLISTED_RECIPIENT)
        return refusal

    async def data(self, check: Check) -> Reply | None:
        """At DATA and at the first BDAT, when there is something to ask."""
        return await check.run(Stage.DATA, "DATA", self._data) or check.settle()

    async def end_of_data(self, check: Check) -> Reply | None:
        """When all of a message has come, when there is something to ask."""
        return await check.run(Stage.END_OF_DATA, "END-OF-MESSAGE", self._end_of_data) or check.settle()

    async def etrn(self, check: Check, carried: Carried, domain: str) -> Reply | None:
        """At ETRN."""
        check.domain = domain
        check.deferred = carried.helo
        refusal = await self._ask_client(check) if self.delay else None
        refusal = refusal or (await self._ask_helo(check) if self.delay else None)
        if refusal is None and self._etrn:
            refusal = await check.run(Stage.ETRN, domain, self._etrn)
        return refusal or check.settle()

    async def _ask_earlier(self, check: Check) -> Reply | None:
        return await self._ask_client(check) or await self._ask_helo(check) or await self._ask_sender(check)

    async def _ask_client(self, check: Check) -> Reply | None:
        return await check.run(Stage.CLIENT, check.peer.client, self._client) if self._client else None

    async def _ask_helo(self, check: Check) -> Reply | None:
        if not self._helo or check.helo is None:
            return None
        return await check.run(Stage.HELO, check.helo, self._helo)

    async def _ask_sender(self, check: Check) -> Reply | None:
        sender = check.sender or ""
        refusal = await check.run(Stage.SENDER, sender, self._sender) if self._sender else None
        if refusal is None and self._site.cfg.smtpd_reject_unlisted_sender:
            refusal = await check.run(Stage.SENDER, sender, UNLISTED_SENDER)
        return refusal


class Unheard:
    """A session for a decision that nobody hears of."""

    def note(self, check: Check, action: str, text: str, trouble: Trouble) -> None:
        """Nothing is logged."""

    def envelope(self, size: int | None) -> Envelope:
        """No message is known."""
        return Envelope("SMTP", "", "", size or 0, "")

    def delegate(self) -> Delegated:
        """Nobody does it."""
        return Delegated()


class OldPolicy(Policy):
    """The same, where an old compatibility_level decides something about recipients: it says so."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._safe_relay = self._lists.compile("smtpd_relay_restrictions", SAFE_RELAY)

    async def rcpt(self, check: Check, carried: Carried) -> Reply | None:
        refusal = await super().rcpt(check, carried)
        old, recipient, client = self._site.old_defaults, check.recipient or "", check.peer.client
        if refusal is not None:
            if old.order and check.rules is self._recipient:
                msg.info(log.old_order(recipient, client))
        elif check.rules is not None:
            if old.relay_restrictions and await self._would_refuse(check):
                msg.info(log.old_relay_restrictions(recipient, client))
            resolved = await self._site.rewrite.resolve(check.sender or "", recipient)
            if old.relay_domains and resolved.flags & CLASS_RELAY:
                msg.info(log.old_relay_address(recipient))
        return refusal

    async def _would_refuse(self, check: Check) -> bool:
        """Whether today's relay restrictions would."""
        silent = Check(check.site, check.peer, Unheard(), check.where, NOTHING)
        silent.helo, silent.sender, silent.recipient = check.helo, check.sender, check.recipient
        return await silent.run(Stage.RECIPIENT, check.recipient or "", self._safe_relay) is not None


_NAMED = (
    "reject_unauth_destination",
    "defer_unauth_destination",
    "reject",
    "defer",
    "defer_if_permit",
    "check_relay_domains",
)


def open_policy(site: Site) -> Policy:
    """The lists of a worker that is starting; fatal when they are no protection."""
    policy = OldPolicy(site) if site.old_defaults.any else Policy(site)
    try:
        policy.check()
    except BadConfig as error:
        msg.fatal(str(error))
    return policy
