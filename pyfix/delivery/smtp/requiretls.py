"""requiretls - what becomes of mail whose sender requires TLS on its whole way, in a client without TLS

    policy = Policy("inline:{{a.test=opportunistic}}, enforce", table=..., name="smtp_requiretls_policy")
    demand = await policy.demand("b.test", level)      None: as if the sender had not asked

| action                 | level none | level may                                  | level encrypt |
|------------------------|------------|--------------------------------------------|---------------|
| disable                | delivered  | delivered                                  | waits         |
| opportunistic          | delivered  | delivered                                  | waits         |
| opportunistic+starttls | returned   | returned, or waits where there is STARTTLS | waits         |
| enforce, or none fits  | returned   | returned                                   | returned      |

At other levels all mail waits. A policy that can't be understood makes it wait, too.

Parameters: smtp_requiretls_policy, requiretls_enable. Sources: REQUIRETLS_README; RFC 8689.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyfix.config.expand import to_ascii
from pyfix.delivery.smtp import log
from pyfix.delivery.smtp.tls_level import Level
from pyfix.mail.error import MailError
from pyfix.maps.addresses import parents
from pyfix.maps.braces import split
from pyfix.maps.maps import Maps
from pyfix.unix import msg

ENFORCE, OPPORTUNISTIC, STARTTLS, DISABLE = "enforce", "opportunistic", "opportunistic+starttls", "disable"
ACTIONS = frozenset({ENFORCE, OPPORTUNISTIC, STARTTLS, DISABLE})


class Demand(NamedTuple):
    """level: with what the log shall say of this; status, reason: why no server will do, or empty;
    starttls: servers that do not offer that will not do."""

    level: Level
    status: str = ""
    reason: str = ""
    starttls: bool = False


class Policy:
    """The items of the parameter. table: opens one."""

    def __init__(self, text: str, *, table: Callable[[str], Maps], name: str) -> None:
        self._name = name
        self._items = [table(item) if ":" in item else item for item in split(text)]

    async def demand(self, host: str, level: Level) -> Demand | None:
        """What mail that requires TLS demands of a next hop, a name or address without port."""
        action = await self._action(to_ascii(host.lower()))
        if action == DISABLE:
            return None
        if action == OPPORTUNISTIC:
            return Demand(level.more(":none", "?"))
        if action == STARTTLS and level.word != "none":
            return Demand(level.violated("nostarttls"), starttls=True)
        if action == STARTTLS:
            return Demand(level.violated("noencryption"), "5.7.10", log.requires_tls(level.word, "encryption"))
        if action == ENFORCE:
            reason = log.requires_tls(level.word, "certificate matching")
            return Demand(level.violated("nocertmatch"), "5.7.10", reason)
        return Demand(level, "4.7.10", log.BAD_POLICY)

    async def _action(self, host: str) -> str:
        """The first that fits; empty: that can't be told, which is in the log."""
        for item in self._items:
            where, found = self._name, item
            if isinstance(item, Maps):
                where = item.tables[0].name
                try:
                    value = await self._find(item, host)
                except MailError:
                    msg.warning(log.policy_trouble(self._name, f"{where}: table lookup error"))
                    return ""
                if value is None:
                    continue
                found = value
            if found in ACTIONS:
                return str(found)
            msg.warning(log.policy_trouble(where, f"unknown policy action: '{found}'"))
            return ""
        return ENFORCE

    @staticmethod
    async def _find(table: Maps, host: str) -> str | None:
        value = await table.find(host)
        for parent in parents(host, dot=True) if value is None else ():
            value = value or await table.find(parent, partial=True)
        return value
