"""envelope - the records before the content: who, when, to whom

Each record type has its handler in a table; most are checked and passed on. What can't be
right ends the message (NotAcceptedError with STAT_BAD), with Postfix's words in the log.

Parameters: delay_warning_time queue_file_attribute_count_limit
Sources: queue-file sheet section 4
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import ClassVar

from pyfix.cleanup import log
from pyfix.cleanup.map import ENVELOPE_SENDER, AddressMapper
from pyfix.cleanup.recipient import Recipients
from pyfix.cleanup.rules import Rules
from pyfix.cleanup.store import Store
from pyfix.cleanup.usual import beginning, names_of
from pyfix.cleanup.verdict import malformed
from pyfix.clients.cleanup import FLAG_BCC_OK, FLAG_MAP_OK, FLAG_MASK_EXTRA, FLAG_REQTLS
from pyfix.queue import records as rec
from pyfix.queue.client_attributes import Clients
from pyfix.queue.sendopts import REQUIRETLS
from pyfix.unix import msg

RECIPIENT_TYPES = frozenset(rec.RCPT + rec.DONE + rec.ORCP + rec.DRCP + rec.KILL + b"on")
EXTRACTED = (rec.EXTRACTED | frozenset(rec.FLGS)) - frozenset(rec.PTR + rec.DTXT)
ATTR, RCPT = rec.ATTR[0], rec.RCPT[0]
ATTRIBUTE_TYPES = {name: kind[0] for name, kind in rec.ATTRIBUTE_TYPES.items()}
MIXED = 1  # size record: recipient records stand among others
CONTEXTS = frozenset({"local", "remote"})
RET_VALUES = frozenset({1, 2})
NOTIFY_VALUES = range(1, 16)
VERP = frozenset("-=+")


class Envelope:
    """What is known of one message before its content."""

    def __init__(
        self, store: Store, mapper: AddressMapper, rules: Rules, recipients: Recipients, flags: int
    ) -> None:
        self._store = store
        self._mapper = mapper
        self._rules = rules
        self._recipients = recipients
        self._original = self._dsn_orcpt = ""  # of the next recipient, as its notify bits
        self._notify = 0
        self._in_recipients = False
        self._has_create_time = False
        self._has_warning = False
        self.flags = flags
        self.arrival = 0
        self.sender: str | None = None
        self.full_name = ""
        self.sendopts = 0
        self.qmgr_opts = 0
        self.attributes: dict[str, str] = {}
        """By name. Some have only their names here, of which nobody asks for the value."""

    @property
    def requiretls(self) -> bool:
        """Whether who sends the message says that it wants TLS on its whole way."""
        return bool(self.sendopts & REQUIRETLS or self.flags & FLAG_REQTLS)

    def begin(self, buf: bytes) -> int:
        """What smtpd says before the first recipient, if buf begins with it; how many bytes that has, or 0."""
        found = beginning(buf, CLIENTS)
        if found is None:
            return 0
        arrival, context, sender, second, end, attributes = found
        address = _text(sender)
        if self._rules.sender_bcc or not self._mapper.is_final_sender(address):
            return 0
        self.arrival = arrival
        self.sender = address
        self.attributes = {**attributes, "create_time": "", "log_ident": "", "rewrite_context": context}
        self._check_count()
        self._has_create_time = True
        self._store.add(buf[:second] + _create_time(int(time.time())) + buf[second:end])
        return end

    def about_client(self, buf: bytes) -> int:
        """What smtpd says of its client, like begin()."""
        found = CLIENTS.find(buf, 0)
        if found is None:
            return 0
        end, _, _, attributes = found
        self._prepare(ATTR)
        self.attributes.update(attributes)
        self._check_count()
        self._store.add(buf[:end])
        return end

    def recipient(self, address: bytes, orcpt: bytes) -> Awaitable[None] | None:
        """A recipient and what DSN calls it, as take() has them in two records."""
        self._dsn_orcpt = _text(orcpt)
        self._prepare(RCPT)
        return self._take_recipient(address, b"")

    def take(self, kind: int, data: bytes, whole: bytes) -> Awaitable[None] | None:
        """One record; what is left to be waited for. whole: with its type and length."""
        if kind == ATTR:
            self.attribute(data, whole)
            return None
        handler = self._HANDLERS.get(kind)
        if handler is None:
            raise malformed(self._store.queue_id, f"unexpected record type {kind} in envelope")
        self._prepare(kind)
        return handler(self, data, whole)

    def complete(self) -> None:
        """The content begins: all that a message needs must have come."""
        if self.sender is None:
            raise malformed(self._store.queue_id, "missing sender envelope record")
        if not self.arrival:
            raise malformed(self._store.queue_id, "missing time envelope record")
        if not self._has_create_time:
            self._write_create_time()

    async def extracted(self, kind: int, data: bytes, whole: bytes) -> None:
        """One record after the content, as far as it is about recipients."""
        if kind not in EXTRACTED:
            raise malformed(self._store.queue_id, f"unexpected record type {kind} in extracted envelope")
        if kind == rec.FLGS[0]:
            self._flags(data, whole)
        elif kind in RECIPIENT_TYPES or kind == ATTR:
            before = self.qmgr_opts
            rest = self.take(kind, data, whole)
            if rest is not None:
                await rest
            self.qmgr_opts = before
        else:
            self._store.add(whole)

    # Handlers, in the order of their table: what is to be waited for, or None

    def _size(self, data: bytes, _: bytes) -> None:
        fields = data.split()
        if len(fields) > 5 and fields[5].isdigit():
            self.sendopts |= int(fields[5])

    def _time(self, data: bytes, whole: bytes) -> None:
        fields = data.split()
        if not self.arrival and fields and fields[0].isdigit():
            self.arrival = int(fields[0])
            self._store.add(whole)

    def _pass(self, _: bytes, whole: bytes) -> None:
        self._store.add(whole)

    def _ignore(self, data: bytes, whole: bytes) -> None:
        pass

    def _full_name(self, data: bytes, whole: bytes) -> None:
        self.full_name = self.full_name or _text(data)
        self._store.add(whole)

    def _take_sender(self, data: bytes, _: bytes) -> Awaitable[None] | None:
        if self.sender is not None:
            raise malformed(self._store.queue_id, "multiple envelope sender records")
        address = _text(data)
        if not self._mapper.is_final_sender(address) or self._rules.sender_bcc:
            return self._map_sender(address)
        self._set_sender(address)
        return None

    async def _map_sender(self, address: str) -> None:
        if not self._mapper.is_final_sender(address):
            mapping = bool(self.flags & FLAG_MAP_OK)
            address = await self._mapper.envelope(self._store.queue_id, address, ENVELOPE_SENDER, mapping=mapping)
        self._set_sender(address)
        if self._rules.sender_bcc and address and self.flags & FLAG_BCC_OK:
            await self._recipients.copy(self._rules.sender_bcc, address, self.flags)

    def _set_sender(self, address: str) -> None:
        self.sender = address
        self._store.record(rec.FROM, address.encode("utf-8", "surrogateescape"))

    def _take_recipient(self, data: bytes, whole: bytes) -> Awaitable[None] | None:
        if self.sender is None:
            raise malformed(self._store.queue_id, "envelope recipient precedes sender")
        original, orcpt, notify = self._original, self._dsn_orcpt, self._notify
        self._forget_recipient(data, whole)
        return self._recipients.add(_text(data), original, orcpt, notify, self.flags)

    def _take_original(self, data: bytes, _: bytes) -> None:
        self._original = _text(data)

    def _forget_recipient(self, _data: bytes, _whole: bytes) -> None:
        self._original = self._dsn_orcpt = ""
        self._notify = 0

    def _warning(self, _: bytes, whole: bytes) -> None:
        if not self._has_warning:
            self._has_warning = True
            self._store.add(whole)

    def _verp(self, data: bytes, whole: bytes) -> None:
        if not self.sender or len(data) != 2 or not VERP.issuperset(_text(data)):
            msg.warning(log.bad_verp(self._store.queue_id, _text(data)))
            return
        self._store.add(whole)

    def _flags(self, data: bytes, _: bytes) -> None:
        extra = int(data) if data.isdigit() else 0
        if extra & ~FLAG_MASK_EXTRA or not data.isdigit():
            msg.warning(log.bad_flags(self._store.queue_id, extra))
        self.flags |= extra & FLAG_MASK_EXTRA

    _HANDLERS: ClassVar[dict[int, Callable[[Envelope, bytes, bytes], Awaitable[None] | None]]] = {
        rec.SIZE[0]: _size,
        rec.TIME[0]: _time,
        rec.CTIME[0]: _ignore,
        rec.FILT[0]: _pass,
        rec.INSP[0]: _pass,
        rec.FULL[0]: _full_name,
        rec.FROM[0]: _take_sender,
        rec.RCPT[0]: _take_recipient,
        rec.ORCP[0]: _take_original,
        rec.DONE[0]: _forget_recipient,
        rec.DRCP[0]: _forget_recipient,
        rec.WARN[0]: _warning,
        rec.VERP[0]: _verp,
        rec.KILL[0]: _pass,
        rec.RDR[0]: _pass,
        rec.FLGS[0]: _flags,
        rec.MILT_COUNT[0]: _ignore,
    }

    # Attributes

    def attribute(self, data: bytes, whole: bytes) -> None:
        """One attribute, like take()."""
        if 0 in data:
            data = data.partition(b"\0")[0]
            whole = rec.encode(rec.ATTR, data)
        raw, equals, raw_value = data.partition(b"=")
        if not equals or not raw:
            why = f"malformed attribute: missing '=' after attribute name: {_text(data)[:100]}"
            raise malformed(self._store.queue_id, why)
        name, value = _text(raw), _text(raw_value)
        if name == "create_time":
            self._note_recipients(rec.CTIME[0])
        else:
            self._prepare(ATTRIBUTE_TYPES.get(raw, ATTR))
        if not value:
            msg.warning(log.null_attribute(self._store.queue_id, name))
            return
        checker = self.CHECKERS.get(name)
        if checker is not None and not checker(self, value):
            return
        self.attributes[name] = value
        self._check_count()
        self._store.add(whole)

    def _check_count(self) -> None:
        limit = self._rules.attribute_limit
        if len(self.attributes) > limit:
            why = f"attribute count exceeds limit {limit}"
            raise malformed(self._store.queue_id, why)

    def _create_time(self, value: str) -> bool:
        if self._has_create_time or not value.isdigit():
            return False
        self._has_create_time = True
        return True

    def _rewrite_context(self, value: str) -> bool:
        if value not in CONTEXTS:
            raise malformed(self._store.queue_id, f"bad rewriting context: {value[:100]}")
        return True

    def _encoding(self, _: str) -> bool:
        return True  # asked for later

    def _ret_flags(self, value: str) -> bool:
        if not value.isdigit() or int(value) not in RET_VALUES:
            raise malformed(self._store.queue_id, f"bad DSN RET record <{value[:200]}>")
        return True

    def _trace_flags(self, value: str) -> bool:
        if not value.isdigit():
            raise malformed(self._store.queue_id, f"bad TFLAG record <{value[:200]}>")
        return True

    def _take_orcpt(self, value: str) -> bool:
        self._dsn_orcpt = value
        return False  # written with its recipient

    def _take_notify(self, value: str) -> bool:
        if value.isdigit() and int(value) in NOTIFY_VALUES:
            self._notify = int(value)
        else:
            msg.warning(log.bad_notify(self._store.queue_id, value))
        return False

    CHECKERS: ClassVar[dict[str, Callable[[Envelope, str], bool]]] = {  # True: the record is stored
        "create_time": _create_time,
        "rewrite_context": _rewrite_context,
        "encoding": _encoding,
        "ret_flags": _ret_flags,
        "trace_flags": _trace_flags,
        "dsn_orig_rcpt": _take_orcpt,
        "notify_flags": _take_notify,
    }

    # What goes between the records

    def _prepare(self, kind: int) -> None:
        """A record of this kind comes next, which is not create_time."""
        if self.arrival and not self._has_create_time:
            self._write_create_time()
        self._note_recipients(kind)

    def _write_create_time(self) -> None:
        self._has_create_time = True
        self.attributes["create_time"] = ""
        self._store.add(_create_time(int(time.time())))

    def _note_recipients(self, kind: int) -> None:
        """The first recipient's records begin, or other records stand between them."""
        if kind not in RECIPIENT_TYPES:
            if self._in_recipients:
                self.qmgr_opts |= MIXED
            return
        if self._in_recipients:
            return
        self._in_recipients = True
        if self._rules.delay_warning and self.sender and not self._has_warning:
            self._has_warning = True
            self._store.record(rec.WARN, b"%15d" % (self.arrival + self._rules.delay_warning))


SPECIAL = (Envelope.CHECKERS.keys() | {name.decode() for name in ATTRIBUTE_TYPES}) - {"encoding"}
CLIENTS = Clients(SPECIAL, names_of)


@lru_cache(2)
def _create_time(second: int) -> bytes:
    """(Many messages share a second.)"""
    return rec.attribute("create_time", str(second))


def _text(data: bytes) -> str:
    if 0 in data:  # where Postfix's strings end
        data = data.partition(b"\0")[0]
    return data.decode("utf-8", "surrogateescape")
