"""client_attributes - what smtpd says of a client, recognised in one piece

All messages of a client have the same attributes, but for the values of those with its port, which is another each
time. So they are known by their bytes, from its last message; what is new is looked at record by record, once.
"""

from collections.abc import Callable, Container
from typing import Generic, TypeVar

from pyfix.queue.records import ATTR, CorruptQueueFile, iterate, split_attribute

HEAD = 2
"""Bytes of a record before its data, if these are no more than LONGEST."""
LONGEST = 127
REMEMBERED = 1000
"""Clients."""

_PORT, _SAME_PORT, _LAST = b"log_client_port=", b"client_port=", b"client_address_type="

Made = TypeVar("Made")
Found = tuple[int, bytes, bytes, Made]
"""Where the attributes end, the values of both ports, what was made of the attributes."""


class Clients(Generic[Made]):
    """What is known of clients.

    special: names of attributes with which a client is not usual; make: of a client's attributes (the ports that it
    had first among them) what is wanted of them.
    """

    def __init__(self, special: Container[str], make: Callable[[dict[str, str]], Made]) -> None:
        self._special = special
        self._make = make
        self._known: dict[bytes, tuple[bytes, bytes, Made | None]] = {}
        # by what stands before the value of the first port: what stands between those of both, and behind the second

    def find(self, buf: bytes, at: int) -> Found[Made] | None:
        """The attributes that begin at `at`; None: they are not all there, or not as usual."""
        try:
            return self._find(buf, at)
        except (IndexError, ValueError):
            return None

    def _find(self, buf: bytes, at: int) -> Found[Made] | None:
        port = buf.index(_PORT, at) + len(_PORT)
        behind = port + buf[port - len(_PORT) - 1] - len(_PORT)
        known = self._known.get(buf[at:port])
        if known is not None:
            between, last, made = known
            again = behind + len(between)
            after = again + buf[again - len(_SAME_PORT) - 1] - len(_SAME_PORT)
            end = after + len(last)
            if buf[behind:again] == between and buf[after:end] == last:
                return None if made is None else (end, buf[port:behind], buf[again:after], made)
        return self._learn(buf, at, port, behind)

    def _learn(self, buf: bytes, at: int, port: int, behind: int) -> Found[Made] | None:
        """The same, of a client that was not known, or has changed."""
        again = buf.index(_SAME_PORT, behind) + len(_SAME_PORT)
        after = again + buf[again - len(_SAME_PORT) - 1] - len(_SAME_PORT)
        last = buf.index(_LAST, after)
        end = last + buf[last - 1]
        places = {place - at for place in (port - len(_PORT), again - len(_SAME_PORT), last)}
        attributes = self._attributes(buf[at:end], places)
        made = None if attributes is None else self._make(attributes)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[buf[at:port]] = buf[behind:again], buf[after:end], made
        return None if made is None else (end, buf[port:behind], buf[again:after], made)

    def _attributes(self, records: bytes, places: set[int]) -> dict[str, str] | None:
        """By name; None: there is something else, or none has its data at one of `places`."""
        found: dict[str, str] = {}
        try:
            for begin, kind, data in iterate(records):
                name, value = (part.decode("utf-8", "surrogateescape") for part in split_attribute(data))
                if kind != ATTR or len(data) > LONGEST or 0 in data or not value or name in found:
                    return None
                if name in self._special:
                    return None
                found[name] = value
                places.discard(begin + HEAD)
        except (CorruptQueueFile, ValueError):
            return None
        return None if places else found
