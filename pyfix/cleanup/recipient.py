"""recipient - who gets the message: expanded, each once, as records of the queue file

Parameters: duplicate_filter_limit enable_original_recipient
"""

from __future__ import annotations

from dataclasses import dataclass

from pyfix.cleanup.map import ENVELOPE_RECIPIENT, AddressMapper
from pyfix.cleanup.store import Store
from pyfix.clients.cleanup import FLAG_BCC_OK, FLAG_MAP_OK, FLAG_SMTPUTF8
from pyfix.maps.maps import Maps
from pyfix.queue import records as rec
from pyfix.queue.file import Recipient

NOTIFY_NEVER = 1
NOTIFY_SUCCESS = 2
NOTIFY_SHIFT = 1  # of notify bits in the size record


@dataclass(slots=True)
class Pending:
    """What was said about the next recipient."""

    original: str = ""
    dsn_orcpt: str = ""
    notify: int = 0


class Recipients:
    """Recipients of one message."""

    def __init__(
        self,
        store: Store,
        mapper: AddressMapper,
        *,
        duplicate_limit: int = 1000,
        original_counts: bool = True,
        empty_address: str = "MAILER-DAEMON",
        bcc_maps: Maps | None = None,
    ) -> None:
        self._store = store
        self._mapper = mapper
        self._limit = duplicate_limit
        self._original_counts = original_counts
        self._empty_address = empty_address
        self._bcc_maps = bcc_maps
        self._seen: set[tuple[str | int, ...]] = set()
        self.utf8 = False
        """An address has other letters than ASCII."""
        self.count = 0
        self.qmgr_opts = 0
        self.expanded: list[Recipient] = []
        """Aliases whose sender wants to hear of success: of these, as what they stand for reports none."""
        self.given = 0
        """How many the client has named: copies don't make a message."""

    async def add(self, address: str, about: Pending, flags: int) -> None:
        """A recipient as the client gave it (internal form)."""
        mapping = bool(flags & FLAG_MAP_OK)
        original = about.original or address
        clean = address or self._empty_address
        if not self._mapper.is_final(clean):
            clean = await self._mapper.envelope(self._store.queue_id, clean, ENVELOPE_RECIPIENT, mapping=mapping)
        orcpt = about.dsn_orcpt or _typed(clean, flags)
        if mapping and self._mapper.has_aliases:
            await self._out(clean, original, orcpt, about.notify)
        else:
            self._write(clean, original, orcpt, about.notify)
        self.given += 1
        self.qmgr_opts |= about.notify << NOTIFY_SHIFT
        if flags & FLAG_BCC_OK and self._bcc_maps:
            await self.copy(self._bcc_maps, clean, flags)

    async def copy(self, maps: Maps, address: str, flags: int) -> None:
        """The copy that a bcc table wants for mail of, or to, an address."""
        found = await self._mapper.find(self._store.queue_id, maps, address)
        if found is not None:
            await self.add_copy(found.value, flags)

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
        if self._is_known(address, original, orcpt, notify):
            return
        about = [("notify_flags", str(notify) if notify else ""), ("dsn_orig_rcpt", orcpt)]
        names = [(rec.ORCP, _bytes(original)), (rec.RCPT, _bytes(address))]
        self._store.add(rec.attributes(about) + rec.encode_all(names))
        self.count += 1
        if not address.isascii():
            self.utf8 = True

    def _is_known(self, address: str, original: str, orcpt: str, notify: int) -> bool:
        """Whether the same recipient is in the file already (beyond the limit nobody remembers)."""
        folded = address.lower()
        key = (orcpt.lower(), notify, original.lower(), folded) if self._original_counts else (folded,)
        if key in self._seen:
            return True
        if self._limit == 0 or len(self._seen) < self._limit:
            self._seen.add(key)
        return False


def _typed(address: str, flags: int) -> str:
    """An original recipient as DSN has it, where the client did not say."""
    utf8 = not address.isascii() and flags & FLAG_SMTPUTF8
    return f"{'utf-8' if utf8 else 'rfc822'};{address}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
