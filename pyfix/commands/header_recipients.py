"""header_recipients - recipients in the header of a message (sendmail -t)

The header is passed on as it is, but for white space before a colon; when it ends without an empty line, one is put
in. Addresses of To, Cc and Bcc count; where there is a Resent- header of that kind, only its kind counts.

Nothing is imported unless an address needs the whole grammar of RFC 5322.
"""

from pyfix.clients import compose
from pyfix.clients.compose import CONT, NORM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = frozenset((b"to", b"cc", b"bcc"))
RESENT = frozenset((b"resent-to", b"resent-cc", b"resent-bcc"))
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&'*+-/=?^_`{}~")
_DOMAIN = _PLAIN | {"."}
_NAME = _PLAIN | {" "}

def addresses(text: str) -> list[str]:
    """The addresses in a text, in internal form."""
    found: list[str] = []
    for part in text.split(","):
        address = _plain(part.strip(" \t\r\n"))
        if not address:
            return _parsed(text)
        found.append(address)
    return found

def _plain(text: str) -> str:
    """The address in `a@b`, `<a@b>` or `Some Name <a@b>`; "" when it is not as plain as that."""
    if text[-1:] == ">":
        name, _, text = text[:-1].partition("<")
        if not _NAME.issuperset(name):
            return ""
    local, at, domain = text.partition("@")
    if at and not (domain and _DOMAIN.issuperset(domain)):
        return ""
    return text if local and _DOMAIN.issuperset(local) and local[0] != "." and local[-1] != "." else ""

def _parsed(text: str) -> list[str]:
    from pyfix.mail.tokens import Address, parse, unspaced

    return [unspaced(item.tokens) for item in parse(text) if isinstance(item, Address)]

class Header:
    """Passes a message through and collects the recipients in its header. limit: line_length_limit."""

    def __init__(self, limit: int, header_size_limit: int) -> None:
        self._limit = limit
        self._most = header_size_limit
        self._pending = b""
        self._first: list[str] = []
        self._resent: list[str] = []
        self._is_resent = False

    @property
    def recipients(self) -> list[str]:
        """Whom the header names."""
        return self._resent if self._is_resent else self._first

    def records(self, text: "Iterator[compose.Piece]") -> "Iterator[bytes]":
        """The message as records."""
        whole, kind = True, NORM
        for kind, line in text:
            if whole and line[:1] not in {b" ", b"\t"}:
                yield self._flush()
                self._pending = _text(named(line))
                if not self._pending:
                    if line:
                        yield compose.record(NORM)
                    yield compose.record(kind, line)
                    break
            elif not self._pending:  # white space where the header would begin
                yield compose.record(NORM)
                yield compose.record(kind, line)
                break
            elif len(self._pending) < self._most:
                self._pending += b"\n" + _text(line) if whole else _text(line)
            whole = kind is NORM
        body_cut = not self._pending and kind is CONT
        yield self._flush()
        for kind, line in text:
            yield compose.record(kind, line)
            body_cut = kind is CONT
        if body_cut:  # here a last line has its end
            yield compose.record(NORM)

    def _flush(self) -> bytes:
        header, self._pending = self._pending, b""
        if not header:
            return b""
        name, _, value = header.partition(b":")
        name = name.lower()
        if name in FIRST:
            self._first += addresses(value.decode("utf-8", "surrogateescape"))
        elif name in RESENT:
            self._is_resent = True
            self._resent += addresses(value.decode("utf-8", "surrogateescape"))
        return b"".join([compose.cut(line, self._limit) for line in header.split(b"\n")])


def _text(line: bytes) -> bytes:
    """A line of a header, up to its first NUL."""
    return line.partition(b"\0")[0]


def named(line: bytes) -> bytes:
    """A line that begins a header, without white space before its colon; nothing when it begins none."""
    before, colon, value = line.partition(b":")
    name = before.rstrip(b" \t")
    if not colon or not name or min(name) < 33 or max(name) > 126:
        return b""
    return name + colon + value
