"""message - one message from its first record to its queue file

Envelope and headers are read record by record, the body in bulk. What ends a message early
is raised as NotAcceptedError; the rest of the input is then nobody's concern.
"""

from __future__ import annotations

from pyfix.cleanup import log
from pyfix.cleanup.bounce import BOUNCEABLE
from pyfix.cleanup.envelope import Envelope
from pyfix.cleanup.feed import Feed, GivenUpError, InputError, Record
from pyfix.cleanup.header import Headers
from pyfix.cleanup.map import AddressMapper
from pyfix.cleanup.recipient import Recipients
from pyfix.cleanup.rules import Rules
from pyfix.cleanup.store import Store
from pyfix.cleanup.verdict import NotAcceptedError, malformed
from pyfix.clients.cleanup import (
    FLAG_AUTOUTF8,
    FLAG_BCC_OK,
    FLAG_BOUNCE,
    FLAG_DISCARD,
    FLAG_HOLD,
    FLAG_SMTPUTF8,
    STAT_RCPT,
    STAT_SIZE,
    STAT_WRITE,
)
from pyfix.mail.headers import header_name
from pyfix.queue import records as rec
from pyfix.queue.sendopts import REQUIRETLS, TLS_OPTIONAL, UTF8_HEADER, UTF8_REQUESTED, UTF8_SENDER
from pyfix.unix import msg

MESG, XTRA, END = rec.encode(rec.MESG), rec.encode(rec.XTRA), rec.encode(rec.END)

FROM_TYPE, RCPT_TYPE, MESG_TYPE = (kind[0] for kind in (rec.FROM, rec.RCPT, rec.MESG))
XTRA_TYPE, END_TYPE, NORM_TYPE = (kind[0] for kind in (rec.XTRA, rec.END, rec.NORM))
LINE = frozenset(rec.NORM + rec.CONT)
WHITE = frozenset({b" ", b"\t"})


class Message:
    """A message on its way to disk."""

    def __init__(self, store: Store, feed: Feed, rules: Rules, mapper: AddressMapper, flags: int) -> None:
        self._store = store
        self._feed = feed
        self._rules = rules
        self._mapper = mapper
        self.recipients = Recipients(store, mapper, rules)
        self.envelope = Envelope(store, mapper, rules, self.recipients, flags)
        self._pushed_back: Record | None = None

    async def process(self) -> None:
        """Read all of it and write the file, so far not durable. NotAcceptedError."""
        store = self._store
        try:
            await self._read_envelope()
            store.add(MESG)
            start = store.position
            headers = Headers(store, self._mapper, self._rules.headers, self.envelope)
            refusal = await self._read_content(headers)
            size = store.position - start
            await self._read_extracted(headers)
            self._finish(size, start, headers, refusal)
        except InputError as error:
            raise malformed(store.queue_id, str(error)) from None
        except OSError as error:
            msg.warning(log.write_error(store.queue_id, error))
            raise NotAcceptedError(STAT_WRITE) from None

    def _finish(self, size: int, start: int, headers: Headers, refusal: NotAcceptedError | None) -> None:
        store, recipients, envelope = self._store, self.recipients, self.envelope
        if not recipients.given:
            raise NotAcceptedError(STAT_RCPT)
        if refusal is not None:
            record = rec.size_record(size, start, recipients.count, sendopts=self._sendopts(headers))
            store.finish(record, start, start + size)
            raise refusal
        options = envelope.qmgr_opts | recipients.qmgr_opts
        record = rec.size_record(size, start, recipients.count, options, 0, self._sendopts(headers))
        store.finish(record, start, start + size)
        if envelope.flags & FLAG_HOLD and not envelope.flags & FLAG_DISCARD:
            store.hold()

    async def _read_envelope(self) -> None:
        feed, envelope = self._feed, self.envelope
        feed.skip(envelope.begin(feed.there()))
        while not feed.skip_record(MESG):
            usual = feed.recipient()
            if usual is None:
                kind, data, whole = feed.record_now() or await feed.record()
                if kind == MESG_TYPE:
                    break
                rest = envelope.take(kind, data, whole)
            else:
                kind, rest = RCPT_TYPE, envelope.recipient(*usual)
            if rest is not None:
                await rest
            if kind == FROM_TYPE:
                feed.skip(envelope.about_client(feed.there()))
        envelope.complete()

    # Content

    async def _read_content(self, headers: Headers) -> NotAcceptedError | None:
        """All of it. A message that is to be returned is read to its end; why it is not accepted."""
        try:
            start = await headers.take_head(self._feed) or await self._read_headers(headers)
            headers.finish()
            await self._read_body(*start)
        except NotAcceptedError as refusal:
            if not self.returnable(refusal):
                raise
            await self._rest_of_content()
            return refusal
        return headers.refusal

    def returnable(self, refusal: NotAcceptedError) -> bool:
        """Whether the sender is to be told of a refusal by mail; the file is complete then."""
        return bool(self.envelope.flags & FLAG_BOUNCE and refusal.status & BOUNCEABLE)

    async def _rest_of_content(self) -> None:
        """Keep of the refused text what may be kept, as it is."""
        store, limit = self._store, self._rules.size_limit
        while True:
            kind, _, whole = await self._next()
            if kind == XTRA_TYPE:
                return
            if kind not in LINE:
                raise malformed(store.queue_id, f"unexpected record type {kind} in message content")
            if not limit or store.position <= limit:
                store.add(whole)

    async def _read_headers(self, headers: Headers) -> tuple[bytes, bytes]:
        """All headers, record by record: the line that ends them, and its records."""
        while True:
            line, whole = await self._line()
            name = header_name(line)
            if name is None:
                return line, whole
            colon = line.startswith(b":", len(name))
            if not colon:  # white space before it goes
                line = name + line[line.index(b":") :]
            if whole[:1] != rec.NORM or not colon:
                whole = rec.encode_line(line, self._rules.headers.line_limit)
            header, whole = await self._continuation(line, whole)
            changed = headers.take(name, header.partition(b":")[2])
            new = None if changed is None else await changed
            if new != b"":
                headers.utf8 |= not header.isascii()
                self._store.add(whole if new is None else new)

    async def _continuation(self, header: bytes, whole: bytes) -> tuple[bytes, bytes]:
        """The header with the lines that belong to it."""
        lines: list[bytes] = []
        records: list[bytes] = []
        limit, used = self._rules.headers.size_limit, 0
        line = header
        while whole:
            if b"\0" in line:  # where Postfix's strings end
                line, whole = line.partition(b"\0")[0], b""
            size = used + bool(lines) + len(line)
            if size > limit:  # what is too much is dropped, and the whole line where the header is nearly full
                line, whole = line[: limit - size] if 10 * used < 9 * limit else b"", b""
                size = limit
            if whole[:1] != rec.NORM:
                whole = rec.encode_line(line, self._rules.headers.line_limit)
            if line:
                lines.append(line)
                records.append(whole)
            used = size
            line, whole = await self._line(only_continuation=True)
        return b"\n".join(lines), b"".join(records)

    async def _line(self, *, only_continuation: bool = False) -> tuple[bytes, bytes]:
        """A text line from its pieces, and its records; no records: the next thing is none."""
        pieces: list[bytes] = []
        records: list[bytes] = []
        while True:
            kind, data, whole = await self._next()
            if kind not in LINE or (only_continuation and not pieces and data[:1] not in WHITE):
                self._pushed_back = (kind, data, whole)
                break
            pieces.append(data)
            records.append(whole)
            if kind == NORM_TYPE:
                break
        return b"".join(pieces), b"".join(records)

    async def _next(self) -> Record:
        if self._pushed_back is not None:
            record, self._pushed_back = self._pushed_back, None
            return record
        return self._feed.record_now() or await self._feed.record()

    async def _read_body(self, line: bytes, whole: bytes) -> None:
        """What follows the headers; a line that is no header gets an empty line before it.

        line, whole: the first line where it was read already, and its records; else nothing.
        """
        store, feed, limit = self._store, self._feed, self._rules.size_limit
        if line:
            store.record(rec.NORM)
        unfinished = False
        if whole:
            store.add(whole)
            unfinished = whole[:1] == rec.CONT and [kind for _, kind, _ in rec.iterate(whole)][-1] == rec.CONT
        while self._pushed_back is None and (text := feed.clean_text() or await feed.text()) is not None:
            store.add(text)
            unfinished = feed.unfinished_line
            if limit and store.position > limit:
                self._too_big()
            if not unfinished and feed.skip_record(XTRA):
                return
        if unfinished:
            store.record(rec.NORM)
        kind, _, _ = await self._next()
        if kind != XTRA_TYPE:
            raise malformed(store.queue_id, f"unexpected record type {kind} in message content")

    def _too_big(self) -> None:
        if self._feed.given_up:  # and of that smtpd has said why
            raise GivenUpError
        msg.warning(log.too_big(self._store.queue_id))
        raise NotAcceptedError(STAT_SIZE)

    # The end

    async def _read_extracted(self, headers: Headers) -> None:
        feed, about = self._feed, XTRA
        if headers.message_id:
            about += rec.attribute("message_id", headers.message_id)
        encoding = headers.encoding or self.envelope.attributes.get("encoding", "")
        if encoding:
            about += rec.attribute("encoding", encoding)
        self._store.add(about)
        while not feed.skip_record(END):
            kind, data, whole = feed.record_now() or await feed.record()
            if kind == END_TYPE:
                break
            await self.envelope.extracted(kind, data, whole)
        if self._rules.always_bcc and self.envelope.flags & FLAG_BCC_OK:
            await self.recipients.add_copy(self._rules.always_bcc, self.envelope.flags)

    def _sendopts(self, headers: Headers) -> int:
        bits, flags = self.envelope.sendopts, self.envelope.flags
        if flags & FLAG_SMTPUTF8:
            bits |= UTF8_REQUESTED
        if self.envelope.requiretls or headers.requiretls:
            bits |= REQUIRETLS
        if headers.tls_optional:
            bits |= TLS_OPTIONAL
        if headers.utf8:
            bits |= UTF8_HEADER
        if not (self.envelope.sender or "").isascii():
            bits |= UTF8_SENDER
        if flags & FLAG_AUTOUTF8 and (bits & (UTF8_HEADER | UTF8_SENDER) or self.recipients.utf8):
            bits |= UTF8_REQUESTED
        return bits
