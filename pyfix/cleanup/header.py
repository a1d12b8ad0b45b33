"""header - the headers of one message: looked at, rewritten, completed

A header that nothing changes goes to the file as its records came. From others lines are
made anew. After the last one come those that are missing.

Parameters: message_drop_headers hopcount_limit always_add_missing_headers
undisclosed_recipients_header header_from_format header_address_token_limit
            full_name_encoding_charset tls_required_enable requiretls_enable requiretls_esmtp_header
Sources: cleanup(8), RFC 5322 section 3.6
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any, ClassVar

from pyfix.cleanup import log
from pyfix.cleanup.envelope import Envelope
from pyfix.cleanup.feed import Feed
from pyfix.cleanup.map import HEADER_RECIPIENT, HEADER_SENDER, AddressMapper
from pyfix.cleanup.rules import HeaderRules
from pyfix.cleanup.store import Store
from pyfix.cleanup.verdict import NotAcceptedError, malformed
from pyfix.clients.cleanup import FLAG_BOUNCE, FLAG_MAP_OK, STAT_HOPS
from pyfix.clients.rewrite import RULE_LOCAL, RULE_REMOTE
from pyfix.mail.address import quote
from pyfix.mail.dates import mail_date
from pyfix.mail.headers import (
    ADDRESSES,
    KNOWN,
    RESENT,
    SENDER,
    VISIBLE_RECIPIENTS,
    are_complete,
    fold_addresses,
)
from pyfix.mail.rfc2047 import encoded_words
from pyfix.mail.tokens import QUOTED, Address, Token, external, header_text, parse
from pyfix.queue import records as rec
from pyfix.unix import msg

NEEDS_QUOTES = re.compile(r'[%!()<>@,;:\\".\[\]|]')
MAILER_DAEMON = "MAILER-DAEMON"
WHITE_SPACE = b" \t\r\n"
NAME = re.compile(rb"[!-9;-\x7e]+", re.ASCII)
RECEIVED = b"received"
ALWAYS = frozenset({b"message-id", b"date", b"from"})
NAMES = 500
"""How many are known at a time."""

Look = tuple[int, "Callable[[Headers, bytes, bytes], None] | None", bool]
"""What is in it (RESENT, ADDRESSES); who wants to see it; whether the header goes."""


class Headers:
    """The headers of one message."""

    def __init__(self, store: Store, mapper: AddressMapper, rules: HeaderRules, envelope: Envelope) -> None:
        self._store = store
        self._mapper = mapper
        self._rules = rules
        self._envelope = envelope
        self._hops = 0
        self.refusal: NotAcceptedError | None = None
        """Why the message is to be returned; it is completed all the same."""
        self._resent = ""
        self._seen: set[bytes] = set()
        self._looked_at = looked_at(rules.drop)
        self._rule = self._rewrite_rule()
        self.message_id = ""
        self.encoding = ""
        self.tls_optional = False
        """The sender wants delivery even where TLS is not as it should be (RFC 8689)."""
        self.requiretls = False
        """A header says that the message came with REQUIRETLS."""
        self.utf8 = False
        """There are other letters than ASCII, in what is kept."""

    def _rewrite_rule(self) -> str | None:
        """How addresses in headers are completed; None: they are left alone."""
        if self._envelope.attributes.get("rewrite_context", "local") == "local":
            return RULE_LOCAL
        return RULE_REMOTE if self._rules.remote_domain else None

    async def take_head(self, feed: Feed) -> tuple[bytes, bytes] | None:
        """All headers at once, if feed has them: what nothing changes goes on in one piece.

        Nothing else was read then, which is what the result says. None: they must be taken one by one.
        """
        head = feed.head(self._looked_at, self._rules.size_limit)
        if head is None:
            return None
        names, headers, ascii_only = head
        hops = names.count(RECEIVED)
        if hops >= self._rules.hopcount_limit:  # what comes before the last one is told first
            return None
        if not ascii_only and any(look[2] for look, *_ in headers):  # what goes does not count
            return None
        self._hops = hops
        self._seen.update(names)
        self.utf8 = not ascii_only
        store = self._store
        for look, name, value, begin, end in headers:
            changed = self._look(look, name, value)
            if changed is not None:
                store.add(feed.lines(begin))
                records = feed.lines(end)
                new = await changed
                store.add(records if new is None else new)
        store.add(feed.lines())
        return NOTHING

    # One header

    def take(self, name: bytes, raw: bytes) -> Coroutine[Any, Any, bytes | None] | None:
        """One header: None where it stays as it is, else what will tell: its new records, or None, too.

        name: no white space behind it; raw: what follows the colon, lines joined by line feeds.
        """
        folded, look = self._looked_at[name]
        self._seen.add(folded)
        if folded == RECEIVED:
            self._hops += 1
            if self._hops >= self._rules.hopcount_limit:
                self._too_many_hops()
        return None if look is None else self._look(look, name, raw)

    def _look(self, look: Look, name: bytes, raw: bytes) -> Coroutine[Any, Any, bytes | None] | None:
        kind, noticed, dropped = look
        if kind & RESENT:
            self._resent = "Resent-"
        if noticed is not None:
            noticed(self, name, raw)
        if dropped:
            return _dropped()
        if kind & ADDRESSES and self._rule is not None and not (self._mapper.only_completes and are_complete(raw)):
            return self._rewritten(name, raw, kind, self._rule)
        return None

    async def _rewritten(self, name: bytes, raw: bytes, kind: int, rule: str) -> bytes | None:
        """The header with its addresses rewritten, as records; None: nothing has changed."""
        items = parse(raw.decode("utf-8", "surrogateescape"), self._rules.token_limit)
        side = HEADER_SENDER if kind & SENDER else HEADER_RECIPIENT
        mapping = bool(self._envelope.flags & FLAG_MAP_OK)
        changed = False
        for item in items:
            if isinstance(item, Address):
                changed |= await self._mapper.header_address(
                    self._store.queue_id, item, rule, side, mapping=mapping
                )
        if not changed:
            return None
        text = header_text(items).encode("utf-8", "surrogateescape")
        return self._lines(fold_addresses(name + b": " + text))

    def _lines(self, lines: list[bytes]) -> bytes:
        limit = self._rules.line_limit
        if all(len(line) <= limit for line in lines):
            return rec.encode_text(lines)
        return b"".join([rec.encode_line(line, limit) for line in lines])

    def _note_message_id(self, _: bytes, raw: bytes) -> None:
        text = raw.lstrip(WHITE_SPACE).decode("utf-8", "surrogateescape")
        msg.info(log.message_id(self._store.queue_id, text))
        self.message_id = self.message_id or text.rstrip()

    def _note_resent_message_id(self, _: bytes, raw: bytes) -> None:
        text = raw.lstrip(WHITE_SPACE).decode("utf-8", "surrogateescape")
        msg.info(log.message_id(self._store.queue_id, text, resent=True))

    def _too_many_hops(self) -> None:
        msg.warning(log.rejected(self._store.queue_id, "hopcount exceeded"))
        self.refusal = NotAcceptedError(STAT_HOPS)
        if not self._envelope.flags & FLAG_BOUNCE:
            raise self.refusal

    def _note_encoding(self, _: bytes, raw: bytes) -> None:
        if raw.lstrip(WHITE_SPACE).lower() in {b"8bit", b"binary"}:
            self.encoding = "8bit"

    def _note_tls_required(self, name: bytes, raw: bytes) -> None:
        if not self._rules.tls_required:
            return
        if raw.lstrip(WHITE_SPACE).lower() == b"no":
            self.tls_optional = True
        else:
            msg.warning(log.malformed_header(b"%b:%b" % (name, raw)))

    def _note_requiretls(self, _: bytes, raw: bytes) -> None:
        if self._rules.requiretls_header and raw.lstrip(WHITE_SPACE).lower() == b"yes":
            self.requiretls = True

    NOTICED: ClassVar[dict[bytes, Callable[[Headers, bytes, bytes], None]]] = {
        b"message-id": _note_message_id,
        b"resent-message-id": _note_resent_message_id,
        b"content-transfer-encoding": _note_encoding,
        b"tls-required": _note_tls_required,
        b"require-tls-esmtp": _note_requiretls,
    }
    """Who wants to see a header, its name and what follows the colon, by its name in lower case."""

    # After the last one

    def finish(self) -> None:
        """Add what is missing, if this message is one that gets it."""
        if not self._hops:
            raise malformed(self._store.queue_id, "no Received: header")
        if self._rule is not None or self._rules.always_add_missing:
            self._complete()
        if b"message-id" not in self._seen:
            msg.info(log.message_id(self._store.queue_id, "<>"))
        if self._rules.requiretls_header and self._envelope.requiretls and not self.requiretls:
            self._store.add(self._lines([b"Require-TLS-ESMTP: yes"]))

    def _complete(self) -> None:
        if self._resent or not self._seen >= ALWAYS:
            self._add_message_id()
            self._add_date()
            self._add_from()
        if self._rules.undisclosed and not self._seen & VISIBLE_RECIPIENTS:
            self._store.add(self._lines([self._rules.undisclosed]))

    def _lacks(self, name: bytes) -> bool:
        return (b"resent-" + name if self._resent else name) not in self._seen

    def _add(self, text: str) -> None:
        self._store.add(self._lines([self._resent.encode() + text.encode("utf-8", "surrogateescape")]))

    def _add_message_id(self) -> None:
        if not self._lacks(b"message-id"):
            return
        file = self._store.file
        unique = file.id if self._rules.long_ids else f"{_stamp(file.seconds)}.{file.id}"
        value = f"<{unique}@{self._rules.myhostname}>"
        self._add(f"Message-Id: {value}")
        msg.info(log.message_id(file.id, value, resent=bool(self._resent)))
        if not self._resent:
            self._seen.add(b"message-id")
        self.message_id = self.message_id or value

    def _add_date(self) -> None:
        if self._lacks(b"date"):
            self._add(f"Date: {mail_date(self._envelope.arrival)}")

    def _add_from(self) -> None:
        if not self._lacks(b"from"):
            return
        sender = quote(self._envelope.sender or MAILER_DAEMON)
        name = self._envelope.full_name if self._envelope.sender else ""
        text = f"{self._resent}From: {self._with_name(sender, name)}"
        self.utf8 |= not text.isascii()
        self._store.add(self._lines(fold_addresses(text.encode("utf-8", "surrogateescape"))))

    def _with_name(self, sender: str, name: str) -> str:
        """A line feed is where the header may be folded."""
        if not name.isascii():
            words = encoded_words(name, self._rules.charset)
            parts = [*words, f"<{sender}>"] if self._rules.standard_from else [sender, *_comment(words)]
            return "\n".join(parts)
        name = name.translate({10: " ", 13: " "})
        if not name:
            return sender
        if not self._rules.standard_from:
            return f"{sender} ({name})"
        phrase = external([Token(QUOTED, name)]) if NEEDS_QUOTES.search(name) else name
        return f"{phrase} <{sender}>"


class LookedAt(dict[bytes, tuple[bytes, Look | None]]):
    """Names in lower case and what to look at in such headers, by names as they are written, learned as they come.

    KeyError: that is no name. drop: names of headers that are to go.
    """

    def __init__(self, drop: frozenset[bytes]) -> None:
        super().__init__()
        self._drop = drop

    def __missing__(self, name: bytes) -> tuple[bytes, Look | None]:
        if NAME.fullmatch(name) is None:
            raise KeyError(name)
        if len(self) >= NAMES:
            self.clear()
        folded = name.lower()
        look = KNOWN.get(folded, 0), Headers.NOTICED.get(folded), folded in self._drop
        found = self[name] = folded, look if any(look) else None
        return found


looked_at = lru_cache(1)(LookedAt)
NOTHING = (b"", b"")


async def _dropped() -> bytes:
    return b""


def _comment(words: list[str]) -> list[str]:
    return f"({' '.join(words)})".split()


def _stamp(seconds: int) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds))
