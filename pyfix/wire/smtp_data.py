"""smtp_data - message content as SMTP carries it, into lines

DATA ends with a line that is a lone dot, and other lines that begin with a dot have one
more; BDAT has neither. Clean input (CR LF everywhere, no line too long) is taken in
blocks as large as they come; only what is odd is looked at line by line. Lines of one
length, which is what attachments are made of, stay in one piece: that takes a tenth of
the time.

With `exact` only CR LF ends a message: a lone dot with LF alone before or behind it is
dropped (smtpd_forbid_bare_newline = normalize), so that nobody can hide a second message
in the first. Without it any mixture will do.

The first line that comes with DATA: one that begins with `From ` as mailboxes have it becomes
an X-Mailbox-Line: header; one that begins with white space can't be a header, and an empty
line goes before it. What comes with BDAT is left as it is.

Source: RFC 5321 section 4.5.2, RFC 3030.
"""

from __future__ import annotations

from pyfix.wire.lines import next_line


class Block:
    """A piece of content. lines: whole lines without their ends; partial: then a piece of a long line.

    clean: it is known that no line has a CR or LF in it.
    """

    __slots__ = ("clean", "lines", "partial")

    def __init__(self, lines: list[bytes], clean: bool) -> None:
        self.lines = lines
        self.partial: bytes | None = None
        self.clean = clean

    def __repr__(self) -> str:
        return f"Block({self.lines!r}, {self.partial!r})"


class Rows:
    """A piece of content whose lines all have one length.

    data: two bytes of any value and then the line, `width` bytes in all, again and again. Whoever
    keeps the lines may put their ends, or their heads, into these two bytes. No line has a CR or LF in it.
    """

    __slots__ = ("data", "width")

    def __init__(self, data: bytearray, width: int) -> None:
        self.data = data
        self.width = width

    @property
    def lines(self) -> list[bytes]:
        """The lines without what is between them."""
        return [bytes(self.data[at + 2 : at + self.width]) for at in range(0, len(self.data), self.width)]

    clean = True
    partial = None  # there is none

    def __repr__(self) -> str:
        return f"Rows({self.data!r}, {self.width})"


Piece = Block | Rows


def up_to(pieces: list[Piece], size: int, limit: int) -> tuple[list[Piece], int]:
    """The lines up to the first one that makes a message of `size` bytes, with these pieces, larger than `limit`; how
    large it is with them. Counted as Content.size does."""
    for piece in pieces:
        size -= sum(len(line) + 2 for line in piece.lines)
        if piece.partial is not None:
            size -= len(piece.partial) + 2
    kept: list[Piece] = []
    for piece in pieces:
        lines = piece.lines
        for number, line in enumerate(lines):
            if size + len(line) + 2 > limit:
                return [*kept, Block(lines[:number], piece.clean)], size
            size += len(line) + 2
        block = Block(lines, piece.clean)
        kept.append(block)
        if piece.partial is not None:
            if size + len(piece.partial) + 2 > limit:
                break
            size += len(piece.partial) + 2
            block.partial = piece.partial
    return kept, size


FEW, MANY = 1024, 8192  # bytes from which on it pays to look whether lines are of one length: once, again
TRIES = 4  # how often in one receive()
CR, LF = b"\r\n"  # as numbers: looking for a piece of one byte costs an exception first
WHITE = frozenset({b" ", b"\t"})
WIDEST = 129  # bytes of a row: longer lines are rare


def rows(data: bytes, at: int, stop: int) -> Rows | None:
    """The lines that begin at `at` and have one length, up to one with a dot in front; None: they are few.

    data: whole lines with CR LF from `at` to `stop`.
    """
    width = data.find(b"\r\n", at, at + WIDEST) + 2 - at
    if width < 3:
        return None
    count = (stop - at) // width
    for offset, byte in ((width - 2, b"\r"), (width - 1, b"\n")):
        ends = data[at + offset : at + count * width : width]
        if ends != byte * count:
            count = len(ends) - len(ends.lstrip(byte))
    dot = data[at : at + count * width : width].find(b".")
    if dot >= 0:
        count = dot
    size = count * width
    if size < FEW:
        return None
    found = bytearray(b"  ")
    found += memoryview(data)[at : at + size - 2]
    found[::width] = found[1::width] = b" " * count
    return None if CR in found or LF in found else Rows(found, width)


def _undotted(text: bytes) -> tuple[bytes, int | None]:
    """Whole lines, one with a dot in front among them, without the dots that SMTP adds: those before the end of the
    message; where in the text what follows the message begins, None: it does not end there."""
    if text.startswith(b".\r\n"):
        return b"", 3
    end = text.find(b"\r\n.\r\n")
    if end >= 0:
        text = text[: end + 2]
    text = text.replace(b"\r\n.", b"\r\n")
    return text[1:] if text[:1] == b"." else text, end + 5 if end >= 0 else None


class Content:
    """The content of one message.

    limit: line_length_limit, bytes; a longer line comes in pieces. exact: see above.
    """

    __slots__ = ("_after_bare", "_ended", "_mid_line", "_tail", "_top", "bare", "exact", "limit", "size")

    def __init__(self, limit: int, exact: bool) -> None:
        self.limit = limit
        self.exact = exact
        self.size = 0
        """Bytes as message_size_limit counts them: lines without stuffing, two for each line end."""
        self.bare = False
        """A line ended with LF alone."""
        self._mid_line = False
        self._after_bare = False
        self._top = True
        self._ended = False
        self._tail = b""

    @property
    def received(self) -> int:
        """The same, with what waits for the end of its line."""
        return self.size + len(self._tail)

    # DATA

    def receive(self, data: bytes, at: int) -> tuple[list[Piece], int, bool]:
        """Take what is complete: blocks, where the rest begins, whether the message ended there."""
        if self._mid_line or self._after_bare:
            return self._carefully(data, at)
        ends = data.endswith(b"\r\n.\r\n", at)
        stop = len(data) - 3 if ends else len(data) if data.endswith(b"\r\n", at) else data.rfind(b"\r\n", at) + 2
        if stop < at + 2:
            return self._carefully(data, at)
        found: list[Piece] = []
        tries = TRIES if stop - at >= MANY else 2
        while at < stop:
            cut = stop
            if tries and stop - at >= FEW:
                tries -= 1
                if not self._top and (even := rows(data, at, stop)) is not None and even.width - 2 < self.limit:
                    found.append(even)
                    self.size += len(even.data)
                    at += len(even.data)
                    continue
                if tries:
                    cut = data.find(b"\r\n\r\n", at, stop) + 4
                    if cut < 4:
                        cut = stop
            text, after = data[at:cut], None
            if b"\r\n." in text or text[:1] == b".":
                text, after = _undotted(text)
            if text:
                lines = self._lines(text)
                if lines is None:
                    rest, at, ended = self._carefully(data, at)
                    return found + rest, at, ended
                found.append(self._block(lines, True))
            if after is not None:
                return found, at + after, True
            at = cut
        return found, stop + 3 if ends else stop, ends

    def _lines(self, text: bytes) -> list[bytes] | None:
        """Lines of a text of whole ones, which are counted; None: there is something odd about them."""
        lines = text.split(b"\r\n")
        lines.pop()
        rest = b"".join(lines)
        if CR in rest or LF in rest or max(map(len, lines)) >= self.limit:
            return None
        self.size += len(text)
        return lines

    def _carefully(self, data: bytes, at: int) -> tuple[list[Piece], int, bool]:
        blocks: list[Piece] = []
        lines: list[bytes] = []
        while (line := next_line(data, at, self.limit, exact=self.exact)) is not None:
            at = line.end
            text = line.text
            after_bare, self._after_bare = self._after_bare, line.bare
            self.bare |= line.bare
            if not self._mid_line and text.startswith(b"."):
                text = text[1:]
                if not text and line.complete:
                    if not (self.exact and (line.bare or after_bare)):
                        self._after_bare = False
                        return self._with(blocks, lines), at, True
                    continue
            lines = self._add(blocks, lines, text, complete=line.complete)
        return self._with(blocks, lines), at, False

    # BDAT

    def receive_chunk(self, data: bytes) -> list[Piece]:
        """Take a piece of a chunk; what may go on in the next one waits for it."""
        self._top = False
        data = self._tail + data
        stop = data.rfind(b"\r\n") + 2
        lines = self._lines(data[:stop]) if stop >= 2 and not self._mid_line else None
        if lines is None:
            return self._chunk_carefully(data)
        self._tail = data[stop:]
        blocks: list[Piece] = [self._block(lines)]
        return blocks + self._chunk_carefully(self._tail) if self._tail else blocks

    def _chunk_carefully(self, data: bytes) -> list[Piece]:
        blocks: list[Piece] = []
        lines: list[bytes] = []
        at = 0
        while (line := next_line(data, at, self.limit, exact=self.exact)) is not None:
            at = line.end
            self.bare |= line.bare
            lines = self._add(blocks, lines, line.text, complete=line.complete)
        self._tail = data[at:]
        return self._with(blocks, lines)

    def finish_chunks(self) -> list[Piece]:
        """The last chunk has come: what is left is a line, its line end was missing."""
        tail, self._tail = self._tail, b""
        if not tail:
            return []
        self.size += len(tail) + 2
        return [self._block([tail])]

    # Both

    def _add(self, blocks: list[Piece], lines: list[bytes], text: bytes, *, complete: bool) -> list[bytes]:
        self.size += len(text) + 2
        self._mid_line = not complete
        if complete:
            lines.append(text)
            return lines
        block = self._block(lines)
        block.partial = text
        if self._top:
            self._mend_partial(block)
        blocks.append(block)
        return []

    def _with(self, blocks: list[Piece], lines: list[bytes]) -> list[Piece]:
        if lines:
            blocks.append(self._block(lines))
        return blocks

    def _block(self, lines: list[bytes], clean: bool = False) -> Block:
        return Block(self._mend_top(lines) if self._top and lines else lines, clean)

    def _mend_top(self, lines: list[bytes]) -> list[bytes]:
        self._top = False
        first = lines[0]
        if first.lstrip(b">").startswith(b"From "):
            return [b"X-Mailbox-Line: " + first, *lines[1:]]
        return [b"", *lines] if first[:1] in WHITE else lines

    def _mend_partial(self, block: Block) -> None:
        assert block.partial is not None
        (*before, block.partial) = self._mend_top([block.partial])
        block.lines = block.lines + before
