"""db - reads NAME.db, the hash and btree files of Berkeley DB that an earlier Postfix left behind

    database = Database(fd)
    database.get(b"user@example.com\\0")

Files of version 8 to 10, as libdb 5.3 writes them, in either byte order. Every lookup reads
the few pages that it needs, so an update in place is seen by the next one; the caller holds
Postfix's lock (flock, shared) meanwhile. Nothing on a page is believed before it is checked:
what makes no sense raises BrokenError.

Sources: the db_page.h of Berkeley DB describes the pages.
"""

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

HASH_MAGIC, BTREE_MAGIC = 0x061561, 0x053162
VERSIONS = range(8, 11)
META = 512  # bytes of the first page that matter
HEADER = 26  # bytes at the start of each page

# Types of pages, and of what is on them.
INTERNAL, LEAF, OVERFLOW = 3, 5, 7
HASH_PAGES = (2, 13)  # unsorted, sorted
HASH_DATA, HASH_OFF_PAGE = 1, 3
DATA, OFF_PAGE, DELETED = 1, 3, 0x80

MOST_PAGES = 1 << 20  # longest chain that is followed


class BrokenError(ValueError):
    """The file is none that this can read; str() says why."""


class Page(NamedTuple):
    """A page: its data and what its header says. order: of bytes, as in struct."""

    data: bytes
    order: str
    next: int
    entries: int
    high_free: int
    type: int

    def offset(self, number: int) -> int:
        """Where an item begins."""
        if number >= self.entries:
            raise BrokenError("missing item")
        at: int = self.unpack("H", HEADER + 2 * number)[0]
        if not HEADER <= at < len(self.data):
            raise BrokenError("bad item offset")
        return at

    def unpack(self, form: str, at: int) -> tuple[int, ...]:
        """Numbers at a place of the page."""
        try:
            return struct.unpack_from(self.order + form, self.data, at)
        except struct.error:
            raise BrokenError("short page") from None


class Database:
    """An open file. get: the value of a key; items: all of them."""

    def __init__(self, fd: int) -> None:
        """BrokenError: no hash or btree file of a known version. The descriptor stays the caller's."""
        self._fd = fd
        self._look_at_meta()

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, None when it is not there. BrokenError, OSError."""
        self._look_at_meta()
        return self._get_hash(key) if self._is_hash else self._get_btree(key)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values, in the order of the pages. BrokenError, OSError."""
        self._look_at_meta()
        wanted = HASH_PAGES if self._is_hash else (LEAF,)
        for number in range(1, self._last + 1):
            page = self._page(number)
            if page.type in wanted:
                for at in range(0, page.entries - 1, 2):
                    key, value = self._item(page, at), self._item(page, at + 1)
                    if key is not None and value is not None:
                        yield key, value

    def _look_at_meta(self) -> None:
        """Learn what the first page says."""
        meta = os.pread(self._fd, META, 0)
        if len(meta) < META:
            raise BrokenError("short file")
        self._order, self._is_hash = _kind(meta)
        version, self._size = struct.unpack_from(f"{self._order}II", meta, 16)
        if version not in VERSIONS or self._size not in {1 << bits for bits in range(9, 17)} or meta[24]:
            raise BrokenError(f"version {version}, page size {self._size}, encryption {meta[24]}: not supported")
        self._last = struct.unpack_from(f"{self._order}I", meta, 32)[0]
        self._meta = meta

    def _page(self, number: int) -> Page:
        data = os.pread(self._fd, self._size, number * self._size)
        if len(data) < self._size:
            raise BrokenError("missing page")
        following, entries, high_free = struct.unpack_from(f"{self._order}IHH", data, 16)
        return Page(data, self._order, following, entries, high_free, data[25])

    def _chain(self, number: int) -> Iterator[Page]:
        for _ in range(MOST_PAGES):
            if not number:
                return
            page = self._page(number)
            yield page
            number = page.next
        raise BrokenError("endless chain of pages")

    def _item(self, page: Page, number: int) -> bytes | None:
        """Key or value; None for one that is deleted or has several values."""
        return self._hash_item(page, number) if self._is_hash else self._btree_item(page, number)

    # hash

    def _get_hash(self, key: bytes) -> bytes | None:
        for page in self._chain(self._bucket_page(key)):
            if page.type not in HASH_PAGES:
                raise BrokenError("not a hash page")
            for number in range(0, page.entries - 1, 2):
                if self._hash_item(page, number) == key:
                    return self._hash_item(page, number + 1)
        return None

    def _bucket_page(self, key: bytes) -> int:
        highest, high_mask, low_mask = struct.unpack_from(f"{self._order}III", self._meta, 72)
        bucket: int = _fnv(key) & high_mask
        if bucket > highest:
            bucket &= low_mask
        (spare,) = struct.unpack_from(f"{self._order}I", self._meta, 96 + 4 * bucket.bit_length())
        return bucket + int(spare)

    def _hash_item(self, page: Page, number: int) -> bytes | None:
        at = page.offset(number)
        end = page.offset(number - 1) if number else len(page.data)
        if page.data[at] == HASH_DATA:
            return page.data[at + 1 : end]
        if page.data[at] == HASH_OFF_PAGE:
            return self._overflow(*page.unpack("II", at + 4))
        return None

    # btree

    def _get_btree(self, key: bytes) -> bytes | None:
        (number,) = struct.unpack_from(f"{self._order}I", self._meta, 88)
        for _ in range(64):
            page = self._page(number)
            if page.type == LEAF:
                return self._in_leaf(page, key)
            if page.type != INTERNAL:
                raise BrokenError("not a btree page")
            number = self._below(page, key)
        raise BrokenError("btree without end")

    def _below(self, page: Page, key: bytes) -> int:
        """The page where a key is: the last one whose first key is not greater."""
        low, high = 1, page.entries  # the first entry stands for all that is less
        while low < high:
            middle = (low + high) // 2
            if self._internal_key(page, page.offset(middle)) <= key:
                low = middle + 1
            else:
                high = middle
        (number,) = page.unpack("I", page.offset(low - 1) + 4)
        return number

    def _internal_key(self, page: Page, at: int) -> bytes:
        length, kind = page.unpack("HB", at)
        if kind & ~DELETED == OFF_PAGE:
            return self._overflow(*page.unpack("II", at + 16))
        return page.data[at + 12 : at + 12 + length]

    def _in_leaf(self, page: Page, key: bytes) -> bytes | None:
        low, high = 0, page.entries // 2
        while low < high:
            middle = (low + high) // 2
            if (self._btree_item(page, 2 * middle, deleted=True) or b"") < key:
                low = middle + 1
            else:
                high = middle
        if low < page.entries // 2 and self._btree_item(page, 2 * low) == key:
            return self._btree_item(page, 2 * low + 1)
        return None

    def _btree_item(self, page: Page, number: int, *, deleted: bool = False) -> bytes | None:
        at = page.offset(number)
        length, kind = page.unpack("HB", at)
        if kind & DELETED and not deleted:
            return None
        if kind & ~DELETED == DATA:
            return page.data[at + 3 : at + 3 + length]
        if kind & ~DELETED == OFF_PAGE:
            return self._overflow(*page.unpack("II", at + 4))
        return None

    def _overflow(self, number: int, length: int) -> bytes:
        """A long item, which has pages of its own."""
        parts = []
        missing = length
        for page in self._chain(number):
            if page.type != OVERFLOW or not 0 < page.high_free <= min(missing, self._size - HEADER):
                raise BrokenError("bad overflow page")
            parts.append(page.data[HEADER : HEADER + page.high_free])
            missing -= page.high_free
        if missing:
            raise BrokenError("short overflow item")
        return b"".join(parts)


def _kind(meta: bytes) -> tuple[str, bool]:
    """The order of bytes, and whether it is a hash."""
    for order in "<>":
        (magic,) = struct.unpack_from(f"{order}I", meta, 12)
        if magic in (HASH_MAGIC, BTREE_MAGIC):
            return order, magic == HASH_MAGIC
    raise BrokenError("not a hash or btree file of Berkeley DB")


def _fnv(key: bytes) -> int:
    """The hash function of Berkeley DB since 3.0."""
    value = 0
    for byte in key:
        value = (value * 16777619 & 0xFFFFFFFF) ^ byte
    return value
