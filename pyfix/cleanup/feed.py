"""feed - the records of one message as they come in

Frames are taken as they are; a record that is cut in two is put together when the rest is
there. Whoever reads waits only when all that has come is used up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import TypeVar

from pyfix.clients.cleanup import CLEAN_END, MORE, TEXT
from pyfix.queue import records as rec
from pyfix.queue.records import CorruptQueueFile, Truncated

ATTR, NORM, RCPT = rec.ATTR[0], rec.NORM[0], rec.RCPT[0]
ORCPT = b"dsn_orig_rcpt"
BLANK = b" "[0]
BLANKS = frozenset(b" \t")
TEXT_TYPES = frozenset(rec.NORM + rec.CONT)
AFTER_CONTENT = rec.encode(rec.XTRA) + rec.encode(rec.END)
LINE_ENDS = frozenset(b"\r\n")
SPACES = bytes.maketrans(b"\r\n", b"  ")

Record = tuple[int, bytes, bytes]
"""Type, data, the record as it is."""


Look = TypeVar("Look")
Header = tuple[Look, bytes, bytes, int, int]
"""What one knows of its name; that name; what follows the colon; where its records begin and end."""


class InputError(Exception):
    """These bytes are no records, or end in the middle of one."""


class GivenUpError(Exception):
    """Who wrote them does not want the message any more, and all that came was read."""


class Feed:
    """Bytes in, records out.

    size: bytes that have come so far; unfinished_line: the last text record has no line end;
    clean: CR and LF within lines become spaces (cleanup_replace_stray_cr_lf); given_up: give_up() was called.
    """

    __slots__ = (
        *("_at", "_buf", "_clean", "_clean_to", "_ended", "_head_end", "_parts", "_waiter"),
        *("given_up", "size", "unfinished_line"),
    )

    def __init__(self, *, clean: bool = True) -> None:
        self._clean = clean
        self._head_end = 0
        self.unfinished_line = False
        self._buf = b""
        self._at = 0
        self._clean_to = -1  # up to here all content in the buffer is clean and there
        self._parts: deque[tuple[bytes, bytes]] = deque()
        self._ended = self.given_up = False
        self._waiter: asyncio.Future[None] | None = None
        self.size = 0

    # The writing side

    def put(self, data: bytes, request: bytes = MORE) -> None:
        """More bytes. request: what is known of them: MORE, TEXT, CLEAN_END of the cleanup service."""
        self.size += len(data)
        if self._waiter is None and not self._parts and self._at == len(self._buf) and request != TEXT:
            self._look_at(b"", data, request)
            return
        self._parts.append((data, request))
        self._wake()

    def end(self) -> None:
        """No more bytes will come."""
        self._ended = True
        self._wake()

    def give_up(self) -> None:
        """No more bytes will come, and no message is to come of those that did."""
        self.given_up = True
        self.end()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # The reading side

    async def record(self) -> Record:
        """The next record. InputError."""
        while (found := self.record_now()) is None:
            await self._more()
        return found

    def record_now(self) -> Record | None:
        """The same, if it is there. InputError."""
        buf, at = self._buf, self._at
        try:
            kind, size, start = buf[at], buf[at + 1], at + 2
            end = start + size
            if size > 127 or end > len(buf):
                kind, start, end = rec.decode(buf, at)
        except (IndexError, Truncated):
            return None
        except CorruptQueueFile as error:
            raise InputError(str(error)) from None
        self._at = end
        data = buf[start:end]
        if kind in TEXT_TYPES and self._clean and (b"\r" in data or b"\n" in data):
            data = data.translate(SPACES)
            return kind, data, buf[at:start] + data
        return kind, data, buf[at:end]

    def there(self) -> bytes:
        """All that is there of what was not read."""
        return self._buf[self._at :] if self._at else self._buf

    def skip(self, size: int) -> None:
        """So many bytes of it have been read."""
        self._at += size

    def skip_record(self, record: bytes) -> bool:
        """Whether this record is next, and there; it has been read then."""
        end = self._at + len(record)
        if self._buf[self._at : end] != record:
            return False
        self._at = end
        return True

    def recipient(self) -> tuple[bytes, bytes] | None:
        """The next recipient and what DSN calls it, if the two records that smtpd makes of it are next, and there."""
        buf, at = self._buf, self._at
        try:
            end = at + 2 + buf[at + 1]
            after = end + 2 + buf[end + 1]
            if buf[end] != RCPT or buf[at] != ATTR or buf[at + 1] | buf[end + 1] > 127 or after > len(buf):
                return None
        except IndexError:
            return None
        name, _, orcpt = buf[at + 2 : end].partition(b"=")
        if name != ORCPT or not orcpt:
            return None
        self._at = after
        return buf[end + 2 : after], orcpt

    def head(
        self, looked_at: Mapping[bytes, tuple[bytes, Look | None]], limit: int
    ) -> tuple[list[bytes], list[Header[Look]], bool] | None:
        """The names of all headers, those that are to be looked at, and whether all are ASCII. lines() reads them.

        looked_at: a name in lower case and what one knows of it, None: nothing to look at; KeyError: that is no name.
        None where they are not all there, something is odd, or over `limit` bytes: that is left for record().
        """
        buf, at = self._buf, self._at
        look, name, value, begin = None, b"", b"", -1
        names: list[bytes] = []
        found: list[Header[Look]] = []
        try:
            while size := buf[at + 1]:
                if buf[at] != NORM:
                    return None
                start = at + 2
                end = start + size
                if size > 127:
                    start, end = self._place_of_long(at)
                    if not end:
                        return None
                if buf[start] > BLANK:
                    name, colon, value = buf[start:end].partition(b":")
                    if not colon:
                        return None
                    folded, look = looked_at[name]
                    names.append(folded)
                    if look is not None:
                        begin = at
                        found.append((look, name, value, at, end))
                elif buf[start] not in BLANKS or at == self._at:
                    return None
                elif look is not None:
                    value += b"\n" + buf[start:end]
                    found[-1] = (look, name, value, begin, end)
                at = end
            if buf[at] != NORM:
                return None
        except LookupError:
            return None
        records = buf[self._at : at]
        if not 0 < len(records) <= limit or 0 in records or (at > self._clean_to and _has_line_ends(records)):
            return None
        self._head_end = at
        return names, found, records.isascii() or _is_ascii(records)

    def lines(self, end: int | None = None) -> bytes:
        """The records of lines that head() has seen: up to there, or all that are left."""
        begin, self._at = self._at, self._head_end if end is None else end
        return self._buf[begin : self._at]

    def clean_text(self) -> bytes:
        """All that is left, if it is known to be clean, and there."""
        begin, end = self._at, self._clean_to
        if begin >= end:
            return b""
        self._at = end
        self.unfinished_line = False
        return self._buf[begin:end]

    async def text(self) -> bytes | None:
        """All text records that are there; None: the next record is no text. InputError."""
        while True:
            begin = self._at
            if begin == self._clean_to:
                return None
            if begin == len(self._buf):
                await self._arrival()
                if self._parts[0][1] == TEXT:
                    self.unfinished_line = False
                    return self._parts.popleft()[0]
            stray = self._skip_text()
            if self._at > begin:
                found = self._buf[begin : self._at]
                return clean(found) if stray and self._clean else found
            if self._complete():
                return None
            await self._more()

    def _skip_text(self) -> bool:
        """Move behind the text records that are there; True: there is a CR or LF within one."""
        buf, at, size = self._buf, self._at, len(self._buf)
        begin, last, heads = at, -1, 0  # heads: bytes of record heads that look like line ends
        while at + 1 < size and buf[at] in TEXT_TYPES:
            length = buf[at + 1]
            if length < 128:
                end = at + 2 + length
                heads += length in LINE_ENDS
            else:
                end = self._place_of_long(at)[1]
            if not 0 < end <= size:
                break
            last, at = at, end
        if last < 0:
            return False
        self._at = at
        self.unfinished_line = buf[last : last + 1] == rec.CONT
        return buf.count(b"\r", begin, at) + buf.count(b"\n", begin, at) != heads

    def _place_of_long(self, at: int) -> tuple[int, int]:
        """Where the data of a record of 128 bytes or more begin and end; 0: they are not all there."""
        try:
            return rec.decode(self._buf, at)[1:]
        except Truncated:
            return 0, 0
        except CorruptQueueFile as error:
            raise InputError(str(error)) from None

    def _complete(self) -> bool:
        """Whether the next record is all there."""
        try:
            rec.decode(self._buf, self._at)
        except CorruptQueueFile:
            return False
        return True

    async def _arrival(self) -> None:
        """Wait until there are bytes that were not looked at."""
        while not self._parts:
            if self.given_up:
                raise GivenUpError
            if self._ended:
                raise InputError("unexpected end of input")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None

    async def _more(self) -> None:
        await self._arrival()
        self._look_at(self._buf[self._at :], *self._parts.popleft())

    def _look_at(self, rest: bytes, data: bytes, request: bytes) -> None:
        """Have what is left of the buffer, and more, in the buffer."""
        self._buf = rest + data
        self._at = 0
        whole = request == CLEAN_END and not rest and data[-len(AFTER_CONTENT) :] == AFTER_CONTENT
        self._clean_to = len(data) - len(AFTER_CONTENT) if whole else -1


def _is_ascii(text: bytes) -> bool:
    """Whether there is nothing but ASCII in these records' data; in their lengths there may be."""
    return all(data.isascii() for _, _, data in rec.iterate(text))


def _has_line_ends(text: bytes) -> bool:
    """Whether there is a CR or LF within these records."""
    return any(13 in data or 10 in data for _, _, data in rec.iterate(text))


def clean(text: bytes) -> bytes:
    """Text records with spaces for CR and LF."""
    return b"".join([rec.encode(kind, data.translate(SPACES)) for _, kind, data in rec.iterate(text)])
