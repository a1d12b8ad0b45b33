"""context - whose incomplete header addresses get our domain

Parameters: local_header_rewrite_clients.
Sources: postconf(5), ADDRESS_REWRITING_README.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pyfix.maps.braces import split
from pyfix.maps.maps import Maps
from pyfix.smtpd import log
from pyfix.smtpd.peer import Peer
from pyfix.smtpd.site import Site
from pyfix.unix import msg

Test = tuple[Callable[[Peer], bool | None], Callable[[Peer], Awaitable[bool]]]
"""Whether a client is meant: without waiting (None: that can't be told), and with."""
NOBODY_YET = frozenset({"permit_sasl_authenticated", "permit_tls_all_clientcerts", "permit_tls_clientcerts"})


class RewriteContext:
    """The clients that local_header_rewrite_clients names."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._tests: list[Test] = []
        todo = [item.strip() for item in split(site.cfg.local_header_rewrite_clients)]
        while todo:
            word = todo.pop(0)
            table = todo.pop(0) if word.lower() == "check_address_map" and todo else word
            self._add(word, table)

    def _add(self, word: str, table: str) -> None:
        folded = word.lower()
        if folded == "permit_inet_interfaces":
            self._tests.append((self._is_ours, self._ask_ourselves))
        elif folded == "permit_mynetworks":
            self._tests.append((self._is_known_in_mynetworks, self._is_in_mynetworks))
        elif ":" in table:
            self._tests.append(_in_table(self._site, table))
        elif folded not in NOBODY_YET:
            msg.warning(log.bad_context(word))

    def known(self, peer: Peer) -> bool | None:
        """Whether the client is one of them; None: has() must be asked."""
        for known, _ in self._tests:
            answer = known(peer)
            if answer is not False:
                return answer
        return False

    async def has(self, peer: Peer) -> bool:
        """Whether the client is one of them. Retry: a table can't answer."""
        for _, ask in self._tests:
            if await ask(peer):
                return True
        return False

    def _is_ours(self, peer: Peer) -> bool:
        return peer.address in self._site.own

    async def _ask_ourselves(self, peer: Peer) -> bool:
        return self._is_ours(peer)

    def _is_known_in_mynetworks(self, peer: Peer) -> bool | None:
        return self._site.mynetworks.known(peer.address, peer.name)

    async def _is_in_mynetworks(self, peer: Peer) -> bool:
        return await self._site.mynetworks.matches(peer.address, peer.name)


def _in_table(site: Site, spec: str) -> Test:
    maps = Maps(spec, name=spec, config_dir=site.main.config_dir, utf8=site.utf8)

    async def ask(peer: Peer) -> bool:
        return await maps.find(peer.address) is not None

    return lambda _: None, ask
