"""walk - the records of a queue file in reading order

Reads 64 kB at a time at the place where the walk is, so a small message costs one read and a large
content that is jumped over costs none. Pointer records are followed, filler is passed over.
"""

import os

from pyfix.queue.records import CorruptQueueFile, Truncated, decode

CHUNK = 65536
_PTR = ord("p")
JUMPS = frozenset(b"pw")
"""Records that are not data: pointers and filler."""
_REVERSE_LIMIT = 10000  # jumps back; more of them is a loop


class Walk:
    """A place in a queue file that goes from record to record.

    fd: the file, its own position is not used; at: offset to begin at; raw: give pointers and
    filler as records, in file order.
    """

    __slots__ = ("_at", "_base", "_buf", "_fd", "_raw", "_reverse")

    def __init__(self, fd: int, at: int = 0, *, raw: bool = False) -> None:
        self._fd = fd
        self._raw = raw
        self._reverse = 0
        self._buf, self._base, self._at = b"", at, 0

    @property
    def offset(self) -> int:
        """Where the next record begins, in bytes from the beginning of the file."""
        return self._base + self._at

    def jump(self, offset: int) -> None:
        """Go on at this offset; nothing is read again that is in memory. CorruptQueueFile: this is a loop."""
        here = self._base + self._at
        if offset < here:
            self._reverse += 1
            if self._reverse > _REVERSE_LIMIT:
                raise CorruptQueueFile("too many reverse jump records", here)
        if self._base <= offset <= self._base + len(self._buf):
            self._at = offset - self._base
        else:
            self._buf, self._base, self._at = b"", offset, 0

    # For who goes through what is in memory by itself

    def window(self) -> tuple[bytes, int, int]:
        """Bytes in memory, where in them the walk is, the file offset of their first."""
        if not self._buf:
            self._buf = os.pread(self._fd, CHUNK, self._base)
        return self._buf, self._at, self._base

    def skip_to(self, at: int) -> None:
        """Be at this place of the window."""
        self._at = at

    def next(self, wanted: frozenset[int] | None = None) -> tuple[int, int, bytes]:
        """(offset, type as a number, data) of the next record.

        wanted: types that matter, others are passed over. Truncated: the file ends here or within the
        record. CorruptQueueFile: no record, bad pointer.
        """
        buf, at = self._buf, self._at
        size = len(buf)
        while True:
            start = at + 2
            if start <= size and buf[at + 1] < 128 and (end := start + buf[at + 1]) <= size:
                kind = buf[at]
                if wanted is not None and kind not in wanted and kind not in JUMPS:
                    at = end
                    continue
            else:
                self._at = at
                kind, start, end = self._decode()
                buf, at = self._buf, self._at
                size = len(buf)
            if kind in JUMPS and not self._raw:
                self._at = end
                if kind == _PTR:
                    self.follow(buf[start:end])
                buf, at = self._buf, self._at
                size = len(buf)
            elif wanted is None or kind in wanted:
                self._at = end
                return self._base + at, kind, buf[start:end]
            else:
                at = end

    def _decode(self) -> tuple[int, int, int]:
        """The record at this place as records.decode() tells it; more of the file is read where that is needed."""
        while True:
            try:
                return decode(self._buf, self._at)
            except Truncated as error:
                self._more(error)
            except CorruptQueueFile as error:
                raise CorruptQueueFile(str(error), self.offset) from None

    def _more(self, error: Truncated) -> None:
        """Have more of the file than before, beginning with the record that is cut off."""
        offset, have = self.offset, len(self._buf) - self._at
        more = os.pread(self._fd, max(CHUNK, have * 2), offset)
        if len(more) <= have:
            raise Truncated(str(error), offset)
        self._buf, self._base, self._at = more, offset, 0

    def follow(self, data: bytes) -> None:
        """Go where a pointer record, the last one read, says. CorruptQueueFile."""
        target = pointer_target(data, self.offset)
        if target:
            self.jump(target)


def pointer_target(data: bytes, offset: int | None = None) -> int:
    """The offset that a pointer record names; 0: no jump. CorruptQueueFile."""
    try:
        target = int(data)
    except ValueError:
        target = -1
    if not 0 <= target < 1 << 63:
        text = data.decode("ascii", "replace")
        raise CorruptQueueFile(f"malformed pointer record value: {text}", offset)
    return target
