"""usual - the envelope of most messages, recognised in one piece

What smtpd has from a client for one recipient begins with the same records: size, time, create_time, log_ident,
rewrite_context, sender; then what is known of the client, the recipient, the content, and what cleanup has found in it.
The attributes of a client are known by their bytes, from its last message, but for the values of those with its port,
which is another each time; so are recipients. Whatever is other in any way is scan.py's, which says the same of these
messages too, and takes five times as long.
"""

import re
from functools import lru_cache

from pyfix.queue.client_attributes import LONGEST, Clients
from pyfix.queue.envelope import Envelope, Recipient
from pyfix.queue.records import (
    ATTR,
    ATTRIBUTE_TYPES,
    MESG,
    ORCP,
    RCPT,
    SIZE_SIZE,
    CorruptQueueFile,
    encode,
    iterate,
    split_attribute,
)
from pyfix.queue.sendopts import KNOWN

REMEMBERED = 1000
"""Recipients."""

_SIZE = re.compile(rb"C_ *([0-9]{1,15}) +([0-9]{1,15}) +1 +0 +([0-9]{1,15}) +([0-9]{1,15})")
_BEGINNING = re.compile(
    rb"T(.)([0-9]{1,15} [0-9]{1,15})A\x16create_time=([0-9]{10})A(.)log_ident=([0-9A-Za-z]{1,50})"
    rb"(A\x15rewrite_context=local|A\x16rewrite_context=remote)S(.)",
    re.DOTALL,
)
_ID, _ENCODING = b"message_id=", b"encoding="
_NOTED = re.compile(rb"X\0(?:A(.)message_id=(\S+))?(?:A(.)encoding=([0-9a-z-]{1,20}))?E\0", re.DOTALL)
_CONTEXT = len(b"A.rewrite_context=")
_IDENT = b"log_ident="
_MESG = encode(MESG)
_SPECIAL = {name.decode() for name in ATTRIBUTE_TYPES} | {"trace_flags", "log_ident", "rewrite_context", "message_id"}

Attributes = dict[str, str]
_clients: Clients[Attributes] = Clients(_SPECIAL, lambda attributes: attributes)


class UnusualError(Exception):
    """This is not as in most messages."""


def usual_envelope(head: bytes, tail: bytes) -> Envelope | None:
    """The envelope of a queue file, from what stands before the content and behind it; None: scan.py is to read it."""
    try:
        return _envelope(head, tail)
    except (UnusualError, CorruptQueueFile, LookupError, ValueError):
        return None


def split_file(data: bytes) -> tuple[bytes, bytes]:
    """What stands before the content and behind it, as far as it is there; nothing where the file is not usual."""
    found = _SIZE.match(data)
    if found is None:
        return b"", b""
    size, start = int(found[1]), int(found[2])
    return data[:start], data[start + size :]


def _envelope(head: bytes, tail: bytes) -> Envelope:
    sizes, begin = _SIZE.match(head), _BEGINNING.match(head, SIZE_SIZE)
    if sizes is None or sizes.end() != SIZE_SIZE or begin is None or not head.endswith(_MESG):
        raise UnusualError
    time_size, time, create_time, ident_size, ident, context, sender_size = begin.groups()
    at = begin.end()
    about = at + sender_size[0]
    if time_size[0] != len(time) or ident_size[0] != len(_IDENT) + len(ident) or sender_size[0] > LONGEST:
        raise UnusualError
    size, start, length, sendopts = map(int, sizes.groups())
    seconds, microseconds = map(int, time.split())
    if not size or not seconds or start != len(head):
        raise UnusualError
    end, attrs = _about_client(head, about)
    address, original, orcpt, rcpt_size = _recipient(head[end : -len(_MESG)])
    attrs["log_ident"] = ident.decode("ascii")
    attrs["rewrite_context"] = context[_CONTEXT:].decode("ascii")
    attrs.update(_found_in_content(tail))
    envelope = Envelope()
    envelope.content_size, envelope.content_offset, envelope.content_len = size, start, length or size
    envelope.rcpt_count, envelope.sendopts = 1, sendopts & KNOWN
    envelope.arrival, envelope.create_time = (seconds, microseconds), int(create_time)
    envelope.sender = _text(head[at:about])
    envelope.recipients = [Recipient(start - len(_MESG) - rcpt_size, address, original, orcpt)]
    envelope.attrs = attrs
    return envelope


def _about_client(head: bytes, at: int) -> tuple[int, Attributes]:
    """Where the attributes of the client end that begin at `at`, and a copy of them."""
    found = _clients.find(head, at)
    if found is None:
        raise UnusualError
    end, first, second, attrs = found
    if not first.isdigit() or not second.isdigit():
        raise UnusualError
    return end, attrs | {"log_client_port": first.decode("ascii"), "client_port": second.decode("ascii")}


@lru_cache(REMEMBERED)
def _recipient(records: bytes) -> tuple[str, str, str, int]:
    """Address, address before expansion, the one that DSN knows; how many bytes the last record has."""
    *before, (begin, kind, address) = iterate(records)
    found = {RCPT: address}
    for _, other, data in before:
        name, value = split_attribute(data) if other == ATTR else (other, data)
        if name in found or name not in {b"dsn_orig_rcpt", ORCP}:
            raise UnusualError
        found[name] = value
    if kind != RCPT:
        raise UnusualError
    original, orcpt = found.get(ORCP, b""), found.get(b"dsn_orig_rcpt", b"")
    return _text(address), _text(original), _text(orcpt), len(records) - begin


def _found_in_content(tail: bytes) -> Attributes:
    """What cleanup has noted behind the content."""
    found = _NOTED.fullmatch(tail)
    if found is None:
        raise UnusualError
    attrs: Attributes = {}
    id_size, message_id, encoding_size, encoding = found.groups()
    if id_size is not None:
        if id_size[0] != len(_ID) + len(message_id) or id_size[0] > LONGEST:
            raise UnusualError
        attrs["message_id"] = _text(message_id)
    if encoding_size is not None:
        if encoding_size[0] != len(_ENCODING) + len(encoding):
            raise UnusualError
        attrs["encoding"] = encoding.decode("ascii")
    return attrs


def _text(data: bytes) -> str:
    if 0 in data:
        raise UnusualError
    return data.decode("utf-8", "surrogateescape")
