"""usual - what smtpd says before the first recipient, recognised in one piece

Nearly all its messages begin with the same records: time, log_ident, rewrite_context, sender, then what it knows of
its client. The attributes of a client are known by their bytes, from its last message, but for the values of those
with its port, which is another each time. What is other in any way is left to be taken record by record.
"""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache

from pyfix.queue import records as rec

HEAD = 2
"""Bytes of a record before its data, if these are no more than LONGEST."""
LONGEST = 127
REMEMBERED = 1000
"""Clients."""

TIME, ATTR, FROM = rec.TIME[0], rec.ATTR[0], rec.FROM[0]
LOG_IDENT, PORT, SAME_PORT, LAST = b"log_ident=", b"log_client_port=", b"client_port=", b"client_address_type="
CONTEXTS = {rec.attribute("rewrite_context", context): context for context in ("local", "remote")}

Attributes = dict[str, str]
"""The value of `encoding`; of others the names."""

Known = tuple[bytes, bytes, Attributes | None]
"""What stands between the values of both ports, and behind the second; what all is, None: not only to be kept."""

Beginning = tuple[int, str, bytes, int, int, Attributes]
"""Time, rewrite_context, sender; where the second record begins, and what follows on all this; the other attributes."""


class Clients:
    """What is known of clients. special: names of attributes that are not only to be kept."""

    def __init__(self, special: Container[str]) -> None:
        self._special = special
        self._known: dict[bytes, Known] = {}  # by what stands before the value of the first port

    def beginning(self, buf: bytes) -> Beginning | None:
        """What stands at the beginning; None: it is not all there, or not as usual."""
        try:
            ident = HEAD + buf[1]
            context = ident + HEAD + buf[ident + 1]
            sender = context + HEAD + buf[context + 1]
            about = sender + HEAD + buf[sender + 1]
            if buf[0] != TIME or buf[ident] != ATTR or buf[sender] != FROM:
                return None
            if buf[1] | buf[ident + 1] | buf[sender + 1] > LONGEST or buf[ident + 1] == len(LOG_IDENT):
                return None
            where = CONTEXTS.get(buf[context:sender])
            seconds = buf[HEAD:ident].partition(b" ")[0]
            if where is None or buf[ident + HEAD : ident + HEAD + len(LOG_IDENT)] != LOG_IDENT or not seconds.isdigit():
                return None
        except IndexError:
            return None
        end, attributes = self.about(buf, about)
        if attributes is None:
            return None
        return int(seconds), where, buf[sender + HEAD : about], ident, end, attributes

    def about(self, buf: bytes, at: int) -> tuple[int, Attributes | None]:
        """Where the attributes of a client end that stand at `at`, and which these are. None: as in beginning()."""
        try:
            return self._about(buf, at)
        except (IndexError, ValueError):
            return 0, None

    def _about(self, buf: bytes, at: int) -> tuple[int, Attributes | None]:
        """The same. IndexError, ValueError: they are not all there."""
        port = buf.index(PORT, at) + len(PORT)
        behind = port + buf[port - len(PORT) - 1] - len(PORT)
        known = self._known.get(buf[at:port])
        if known is not None:
            between, last, attributes = known
            again = behind + len(between)
            after = again + buf[again - len(SAME_PORT) - 1] - len(SAME_PORT)
            end = after + len(last)
            if buf[behind:again] == between and buf[after:end] == last:
                return end, attributes
        return self._learned(buf, at, port, behind)

    def _learned(self, buf: bytes, at: int, port: int, behind: int) -> tuple[int, Attributes | None]:
        """The same, of one that was not known, or has changed."""
        again = buf.index(SAME_PORT, behind) + len(SAME_PORT)
        after = again + buf[again - len(SAME_PORT) - 1] - len(SAME_PORT)
        last = buf.index(LAST, after)
        end = last + buf[last - 1]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        places = {port - len(PORT), again - len(SAME_PORT), last}
        attributes = self._parsed(buf[at:end], {place - at for place in places})
        self._known[buf[at:port]] = buf[behind:again], buf[after:end], attributes
        return end, attributes

    def _parsed(self, buf: bytes, places: set[int]) -> Attributes | None:
        """The attributes, if they are all to be kept, and some have their data at `places`."""
        found: list[str] = []
        encoding = ""
        try:
            for begin, kind, data in rec.iterate(buf):
                raw, _, value = data.partition(b"=")
                name = raw.decode("utf-8", "surrogateescape")
                if name == "encoding":
                    encoding = value.decode("utf-8", "surrogateescape")
                elif name in self._special:
                    return None
                if kind != rec.ATTR or len(data) > LONGEST or not name or not value or name in found:
                    return None
                found.append(name)
                places.discard(begin + HEAD)
        except rec.CorruptQueueFile:
            return None
        return None if places else _attributes(encoding, *found)


@lru_cache(16)
def _attributes(encoding: str, *names: str) -> Attributes:
    """(Most clients have the same.)"""
    return dict.fromkeys(names, "") | ({"encoding": encoding} if encoding else {})
