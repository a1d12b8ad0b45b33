"""debug_peer - of whom everything is logged that is said: debug_peer_list

A program that runs with -v logs it of everybody.

Parameters: debug_peer_list, debug_peer_level.
"""

from pyfix.config.params.mail import MailParams
from pyfix.mail.error import MailError
from pyfix.maps.match import AddressMatch, parent_matches
from pyfix.unix import msg


class DebugPeers:
    """The list."""

    def __init__(self, mail: MailParams) -> None:
        name = "debug_peer_list"
        parent = parent_matches(mail.parent_domain_matches_subdomains, name)
        self._peers = AddressMatch(mail.debug_peer_list, name=name, parent=parent)
        self._level = mail.debug_peer_level
        self.any = bool(self._peers)
        """There may be some."""

    async def level(self, address: str, name: str) -> int:
        """How much is to be logged of a peer; 0: nothing but the usual. A list that can't tell adds nothing."""
        if not self._peers:
            return msg.verbose
        try:
            debugged = await self._peers.matches(address, name)
        except MailError:
            debugged = False
        return msg.verbose + self._level * debugged
