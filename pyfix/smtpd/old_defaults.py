"""old_defaults - decisions that are as they are only because of an old compatibility_level

Each is logged when it is made, so that an administrator sees what to set before the level is raised. What
main.cf sets itself is no default, and nothing is said about it.

Parameters: compatibility_level, mynetworks_style, relay_domains, smtputf8_enable, smtpd_relay_restrictions,
smtpd_relay_before_recipient_restrictions.
Sources: COMPATIBILITY_README.
"""

from __future__ import annotations

from pyfix.clients.rewrite import CLASS_RELAY
from pyfix.config.compatibility import keeps_old_default
from pyfix.config.main_cf import MainCf
from pyfix.config.networks import default_mynetworks
from pyfix.maps.match import AddressMatch
from pyfix.smtpd import log
from pyfix.smtpd.peer import Peer
from pyfix.unix import msg

SAFE_RELAY = "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"
"""smtpd_relay_restrictions as it is by default since level 1."""


class OldDefaults:
    """Which of them are in force. any: one that is asked about a recipient; networks: what note_network is about."""

    def __init__(self, main: MainCf) -> None:
        self.smtputf8 = keeps_old_default(main, "smtputf8_enable")
        self.relay_restrictions = keeps_old_default(main, "smtpd_relay_restrictions")
        self.relay_domains = keeps_old_default(main, "relay_domains")
        self.order = keeps_old_default(main, "smtpd_relay_before_recipient_restrictions")
        self.any = self.relay_restrictions or self.relay_domains or self.order
        self._host: AddressMatch | None = None
        if keeps_old_default(main, "mynetworks_style") and main.raw("mynetworks") is None:
            host = default_mynetworks(main.with_overrides([("mynetworks_style", "host")]))
            self._host = AddressMatch(host, name="mynetworks")
        self.networks = self._host is not None

    async def note_network(self, peer: Peer) -> None:
        """A client was permitted as one of mynetworks: tell of one that will not be."""
        if self._host is not None and not await self._host.matches(peer.address, peer.name):
            msg.info(log.old_network(peer.client))

    def note_domain(self, recipient: str, flags: int) -> None:
        """Mail for a domain is taken: tell of one that will not be. flags: the resolver's."""
        if self.relay_domains and flags & CLASS_RELAY:
            msg.info(log.old_relay_domain(recipient.rpartition("@")[2]))

    def note_address(self, kind: str, address: str, peer: Peer) -> None:
        """An address is taken. kind: sender or recipient."""
        if self.smtputf8 and not address.isascii():
            msg.info(log.old_non_ascii(kind, address, peer.client))
