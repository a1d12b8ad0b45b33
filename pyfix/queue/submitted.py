"""submitted - which records of a local user get into a maildrop file

A submission is envelope (to M), content (to X) and what was found in it (to E). Whoever hands it in is not trusted:
other record types end it, and of the attributes only those in ATTRIBUTES pass, each with a value that can be. The time
record is the server's own. So nobody can say of his mail that it came from elsewhere, or who he is.

See also: queue-file sheet section 6, postdrop(1).
"""

import re

from pyfix.queue import records as rec
from pyfix.queue.records import CorruptQueueFile, Truncated
from pyfix.unix import msg

SEGMENTS = (rec.SUBMITTED_ENVELOPE | frozenset(rec.TIME), rec.SUBMITTED_CONTENT, rec.SUBMITTED_EXTRACTED)
ENDS = (rec.MESG[0], rec.XTRA[0], rec.END[0])
NUMBER = re.compile(rb"[0-9]{1,18}", re.ASCII)
ATTRIBUTES = {
    b"encoding": re.compile(rb"(7bit|8bit)?", re.ASCII),
    b"envelope_id": re.compile(rb".*", re.DOTALL),
    b"notify_flags": NUMBER,
    b"dsn_orig_rcpt": re.compile(rb".*", re.DOTALL),
    b"ret_flags": NUMBER,
    b"create_time": NUMBER,
    b"rewrite_context": re.compile(rb"local|remote", re.ASCII),
    b"trace_flags": re.compile(rb"512|1024", re.ASCII),  # sendmail -bv, sendmail -v
}


class MalformedError(Exception):
    """This is no submission; str() says why."""


class Filter:
    """Takes bytes as they come, gives those that may be written.

    uid: the submitter's, for messages; warn: say what did not pass.
    """

    def __init__(self, uid: int, *, warn: bool = True) -> None:
        self._uid = uid
        self._warn = warn
        self._rest = b""
        self.cut = ""
        """What is wrong with a record that is not whole yet; "" between records."""
        self._segment = 0
        self._has_sender = False
        self._has_recipient = False
        self.complete = False

    def feed(self, data: bytes) -> bytes:
        """The records that are whole now, and pass. MalformedError."""
        buf = self._rest + data
        at = 0
        out: list[bytes] = []
        self.cut = ""
        while at < len(buf) and not self.complete:
            try:
                kind, start, end = rec.decode(buf, at)
            except Truncated as error:
                self.cut = str(error)
                break
            except CorruptQueueFile as error:
                raise MalformedError(f"malformed input: {error}") from None
            if self._passes(kind, buf[start:end]):
                out.append(buf[at:end])
            at = end
        self._rest = buf[at:]
        return b"".join(out)

    def _passes(self, kind: int, data: bytes) -> bool:
        if kind not in SEGMENTS[self._segment]:
            raise MalformedError(f"unexpected record type: {kind}")
        if kind == ENDS[self._segment]:
            self._segment += 1
            self.complete = self._segment == len(SEGMENTS)
            if self.complete:
                self._check()
        elif kind == rec.ATTR[0] and self._segment != 1:
            return self._attribute_passes(data)
        self._has_sender |= kind == rec.FROM[0]
        self._has_recipient |= kind == rec.RCPT[0]
        return kind != rec.TIME[0]

    def _attribute_passes(self, data: bytes) -> bool:
        name, equals, value = data.partition(b"=")
        wanted = ATTRIBUTES.get(name)
        if equals and wanted is not None and wanted.fullmatch(value):
            return True
        if self._warn:
            shown = data.decode("utf-8", "surrogateescape")[:200]
            msg.warning(f"uid={self._uid}: ignoring attribute record: {shown}")
        return False

    def _check(self) -> None:
        if not self._has_sender:
            raise MalformedError("no envelope sender")
        if not self._has_recipient:
            raise MalformedError("no recipients")
