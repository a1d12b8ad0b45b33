"""reply_filter - records that an administrator wants to have left out of answers

A table is asked for `name ttl IN type data`, as in a zone file, names with their last dot; what it answers must
be IGNORE. An answer that has nothing left means to try again: it is the administrator's doing, not the domain's.

Parameters: smtp_dns_reply_filter, smtpd_dns_reply_filter
Sources: postconf(5)
"""

from __future__ import annotations

from pyfix.dns import answer
from pyfix.dns.answer import Dropped, TryAgain
from pyfix.maps.maps import Maps
from pyfix.maps.table import TableError
from pyfix.unix import msg

DROPPED = "DNS reply filter drops all results"
BAD_ACTION = "Invalid DNS reply filter syntax"
NO_FILTER = "DNS reply filter lookup error"


class ReplyFilter:
    """What maps say."""

    def __init__(self, maps: Maps) -> None:
        self._maps = maps

    async def kept(self, name: str, kind: str, records: list[str]) -> list[int]:
        """The places of the records that stay. Dropped: none does. TryAgain: nobody knows.

        name, kind: what was asked for; records: as the table is asked for them.
        """
        stay = [at for at, record in enumerate(records) if not await self._ignores(name, kind, record)]
        if not stay:
            raise Dropped(answer.trouble(name, kind, DROPPED))
        return stay

    async def _ignores(self, name: str, kind: str, record: str) -> bool:
        try:
            action = await self._maps.find(record)
        except TableError:
            raise TryAgain(answer.trouble(name, kind, NO_FILTER)) from None
        if action is None:
            return False
        if action.upper() != "IGNORE":
            msg.warning(f'{self._maps.name}: unknown DNS filter action: "{action}"')
            raise TryAgain(answer.trouble(name, kind, BAD_ACTION))
        msg.info(f"ignoring DNS RR: {record}")
        return True
