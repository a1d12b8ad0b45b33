"""feed - the records of one message as they come in

Frames are taken as they are; a record that is cut in two is put together when the rest is
there. Whoever reads waits only when all that has come is used up.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator

from pyfix.clients.cleanup import CLEAN_END, MORE, TEXT
from pyfix.queue import records as rec
from pyfix.queue.records import CorruptQueueFile, Truncated

ATTR = rec.ATTR[0]
NORM = rec.NORM[0]
HEADERS = re.compile(rb"([!-9;-\x7e]++):(.*+(?:\n[ \t].*+)*+)", re.ASCII)
"""A header; no white space before its colon. To be taken only where a line begins."""
TEXT_TYPES = frozenset(rec.NORM + rec.CONT)
AFTER_CONTENT = rec.encode(rec.XTRA) + rec.encode(rec.END)
LINE_ENDS = frozenset(b"\r\n")
SPACES = bytes.maketrans(b"\r\n", b"  ")


Pair = tuple[str, str]
"""Name and value of an attribute."""
Record = tuple[int, bytes, bytes]
"""Type, data, the record as it is."""


class InputError(Exception):
    """These bytes are no records, or end in the middle of one."""


class Feed:
    """Bytes in, records out.

    size: bytes that have come so far; unfinished_line: the last text record has no line end;
    clean: CR and LF within lines become spaces (cleanup_replace_stray_cr_lf).
    """

    __slots__ = ("_at", "_buf", "_clean", "_clean_to", "_ended", "_parts", "_waiter", "size", "unfinished_line")

    def __init__(self, *, clean: bool = True) -> None:
        self._clean = clean
        self.unfinished_line = False
        self._buf = b""
        self._at = 0
        self._clean_to = 0  # up to here all content in the buffer is clean and there
        self._parts: deque[tuple[bytes, bytes]] = deque()
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self.size = 0

    # The writing side

    def put(self, data: bytes, request: bytes = MORE) -> None:
        """More bytes. request: what is known of them: MORE, TEXT, CLEAN_END of the cleanup service."""
        self._parts.append((data, request))
        self.size += len(data)
        self._wake()

    def end(self) -> None:
        """No more bytes will come."""
        self._ended = True
        self._wake()

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
            kind, start = buf[at], at + 2
            end = start + buf[at + 1]
            if buf[at + 1] > 127 or end > len(buf):
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

    def attributes(self, plain: Callable[[bytes], Pair | None]) -> tuple[list[Pair], bytes]:
        """The next attributes as far as they are there and plain: what `plain` makes of each; their records.

        plain: hears a record with its type and length, maybe cut off at its end.
        """
        buf, at = self._buf, self._at
        found = []
        try:
            while buf[at] == ATTR:
                end = at + 2 + buf[at + 1]
                pair = plain(buf[at:end])
                if pair is None:
                    break
                found.append(pair)
                at = end
        except IndexError:  # that is all there is
            pass
        begin, self._at = self._at, at
        return found, buf[begin:at]

    def headers(self, limit: int) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Headers that are all there now: (name, what follows its colon, their records); lines end in line feeds.

        What is odd, or over `limit` bytes, or may go on, is left for record(), and all behind it. Ask for the next
        when one is done with.
        """
        lines, ends, ended = self._header_lines()
        text = b"\n".join(lines)
        if text.count(b"\n") >= len(lines) or b"\r" in text:
            return
        buf, begin, line = self._buf, 0, -1
        for header in HEADERS.finditer(text):
            line += 1 + header[0].count(b"\n")
            if header.start() != begin or header.end() - begin > limit or not (ended or line + 1 < len(lines)):
                break
            begin = header.end() + 1
            at, self._at = self._at, ends[line]
            yield header[1], header[2], buf[at : self._at]

    def _header_lines(self) -> tuple[list[bytes], list[int], bool]:
        """The next finished lines up to an empty one, where their records end; True: the empty one is there."""
        buf, at = self._buf, self._at
        lines: list[bytes] = []
        ends: list[int] = []
        try:
            while buf[at] == NORM:
                start, end = at + 2, at + 2 + buf[at + 1]
                if buf[at + 1] > 127:
                    start, end = self._place_of_long(at)
                    if not end:
                        return lines, ends, False
                elif start == end:
                    return lines, ends, True
                lines.append(buf[start:end])
                ends.append(end)
                at = end
        except IndexError:  # that is all there is
            pass
        if ends and ends[-1] > len(buf):
            del lines[-1], ends[-1]
        return lines, ends, False

    async def text(self) -> bytes | None:
        """All text records that are there; None: the next record is no text. InputError."""
        while True:
            begin = self._at
            if begin < self._clean_to:
                self._at = self._clean_to
                self.unfinished_line = False
                return self._buf[begin : self._at]
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
            if self._ended:
                raise InputError("unexpected end of input")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None

    async def _more(self) -> None:
        await self._arrival()
        rest = self._buf[self._at :]
        data, request = self._parts.popleft()
        self._buf = rest + data
        self._at = 0
        whole = request == CLEAN_END and not rest and data.endswith(AFTER_CONTENT)
        self._clean_to = len(data) - len(AFTER_CONTENT) if whole else 0


def clean(text: bytes) -> bytes:
    """Text records with spaces for CR and LF."""
    return b"".join([rec.encode(kind, data.translate(SPACES)) for _, kind, data in rec.iterate(text)])
