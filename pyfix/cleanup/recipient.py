"""recipient - who gets the message: expanded, each once, as records of the queue file

Parameters: duplicate_filter_limit enable_original_recipient empty_address_recipient recipient_bcc_maps
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import lru_cache
from typing import Any

from pyfix.cleanup.map import ENVELOPE_RECIPIENT, AddressMapper
from pyfix.cleanup.rules import Rules
from pyfix.cleanup.store import Store
from pyfix.clients.cleanup import FLAG_AUTOUTF8, FLAG_BCC_OK, FLAG_MAP_OK, FLAG_SMTPUTF8
from pyfix.maps.maps import Maps
from pyfix.queue import records as rec
from pyfix.queue.file import Recipient

NOTIFY_NEVER = 1
NOTIFY_SUCCESS = 2
NOTIFY_SHIFT = 1  # of notify bits in the size record


class Recipients:
    """Recipients of one message."""

    def __init__(self, store: Store, mapper: AddressMapper, rules: Rules) -> None:
        self._store = store
        self._mapper = mapper
        self._rules = rules
        self._seen: set[tuple[str | int, ...]] = set()
        self.utf8 = False
        """An address has other letters than ASCII."""
        self.count = 0
        self.qmgr_opts = 0
        self.expanded: list[Recipient] = []
        """Aliases whose sender wants to hear of success: of these, as what they stand for reports none."""
        self.given = 0
        """How many the client has named: copies don't make a message."""

    def add(
        self, address: str, original: str, orcpt: str, notify: int, flags: int
    ) -> Coroutine[Any, Any, None] | None:
        """A recipient as the client gave it (internal form); what is left to be waited for.

        original: the address before what has changed it; orcpt: as DSN has it; notify: bits.
        """
        self.given += 1
        self.qmgr_opts |= notify << NOTIFY_SHIFT
        original = original or address
        address = address or self._rules.empty_address
        if self._rules.recipient_bcc or self._mapper.has_aliases or not self._mapper.is_final(address):
            return self._map(address, original, orcpt, notify, flags)
        self._write(address, original, orcpt or _typed(address, flags), notify)
        return None

    async def _map(self, address: str, original: str, orcpt: str, notify: int, flags: int) -> None:
        mapping = bool(flags & FLAG_MAP_OK)
        if not self._mapper.is_final(address):
            address = await self._mapper.envelope(
                self._store.queue_id, address, ENVELOPE_RECIPIENT, mapping=mapping
            )
        orcpt = orcpt or _typed(address, flags)
        if mapping and self._mapper.has_aliases:
            await self._out(address, original, orcpt, notify)
        else:
            self._write(address, original, orcpt, notify)
        if flags & FLAG_BCC_OK and self._rules.recipient_bcc:
            await self.copy(self._rules.recipient_bcc, address, flags)

    async def copy(self, maps: Maps, address: str, flags: int) -> None:
        """The copy that a bcc table wants for mail of, or to, an address."""
        found = await self._mapper.find(self._store.queue_id, maps, address)
        if found is not None:
            await self.add_copy(found[0], flags)

    async def add_copy(self, address: str, flags: int) -> None:
        """A recipient of which the sender shall not hear."""
        mapping = bool(flags & FLAG_MAP_OK)
        clean = await self._mapper.envelope(
            self._store.queue_id, address, ENVELOPE_RECIPIENT, mapping=mapping
        )
        if mapping:
            await self._out(clean, clean, "", NOTIFY_NEVER)
        else:
            self._write(clean, clean, "", NOTIFY_NEVER)

    async def _out(self, address: str, original: str, orcpt: str, notify: int) -> None:
        """The recipient, or what aliases make of it."""
        addresses = await self._mapper.expand(self._store.queue_id, address)
        kept = notify
        if addresses != [address] and notify & NOTIFY_SUCCESS:
            kept = notify & ~NOTIFY_SUCCESS or NOTIFY_NEVER
            self.expanded.append(Recipient(0, address, original, orcpt, notify))
        for final in addresses:
            self._write(final, original, orcpt, kept)

    def _write(self, address: str, original: str, orcpt: str, notify: int) -> None:
        records, key = _prepared(address, original, orcpt, notify)
        if not self._rules.original_counts:
            key = key[:1]
        seen, limit = self._seen, self._rules.duplicate_limit
        if key in seen:
            return
        if limit == 0 or len(seen) < limit:  # beyond it nobody remembers
            seen.add(key)
        self._store.add(records)
        self.count += 1
        if not address.isascii():
            self.utf8 = True


@lru_cache(1000)
def _prepared(address: str, original: str, orcpt: str, notify: int) -> tuple[bytes, tuple[str | int, ...]]:
    """A recipient as it stands in the file, and what makes it another one, the address first. (Many come again.)"""
    about = [("notify_flags", str(notify) if notify else ""), ("dsn_orig_rcpt", orcpt)]
    names = [(rec.ORCP, _bytes(original)), (rec.RCPT, _bytes(address))]
    return rec.attributes(about) + rec.encode_all(names), (address.lower(), orcpt.lower(), notify, original.lower())


def _typed(address: str, flags: int) -> str:
    """An original recipient as DSN has it, where the client did not say."""
    utf8 = not address.isascii() and flags & (FLAG_SMTPUTF8 | FLAG_AUTOUTF8)
    return f"{'utf-8' if utf8 else 'rfc822'};{address}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
