"""cleanup - how a message is handed to the cleanup service, and what it says of it

A message is one stream: `flags` answered by `queue_id`, frames of records from T to E
(`request=text` with those that hold nothing but lines of content), `request=end` or `clean_end` with
the last of them, answered by `status reason`. `request=cancel` instead of the end, or a lost
connection, leaves nothing behind.

The end may ask for the file of a next message with the same flags (`end_and_next`, `clean_end_and_next`), which is
not there yet, or never will be (`request=unused`). A verdict with a `queue_id` has made one: the stream goes on.

status 0 means that the message is on disk. Otherwise it is a set of STAT bits; `reply`
makes what a client hears of it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pyfix.mail.error import Retry
from pyfix.wire.attr import INT, STR, AttrError, Form

PROTOCOL = "cleanup_protocol"

OPEN = Form(("flags", INT))
OPENED = Form(("queue_id", STR))
REQUEST = Form(("request", STR))
STATUS = Form(("status", INT), ("reason", STR))
ACCEPTED = STATUS.encode(0, "")
"""The usual one."""
MORE = b""
TEXT = REQUEST.encode("text")
"""These are whole text records of finished lines, without CR or LF in them: nobody need look at each."""
END = REQUEST.encode("end")
CLEAN_END = REQUEST.encode("clean_end")
"""The end, and all content in this frame is whole records of finished lines, without CR or LF in them."""
END_AND_NEXT = REQUEST.encode("end_and_next")
CLEAN_END_AND_NEXT = REQUEST.encode("clean_end_and_next")
ENDS = {
    END: (END, False),
    CLEAN_END: (CLEAN_END, False),
    END_AND_NEXT: (END, True),
    CLEAN_END_AND_NEXT: (CLEAN_END, True),
}
"""The end that each of them is, and whether another message may follow."""
CANCEL = REQUEST.encode("cancel")
UNUSED = REQUEST.encode("unused")

FRAME = 65536  # bytes of records that go together
MIXED = 8192  # no more when not all of them are TEXT

Verdict = tuple[int, str] | Retry
"""What has come of a message: STAT bits and why, or that cleanup is gone, and the message with it."""

# What cleanup is to do with a message.
FLAG_BOUNCE = 1  # bounce what is bad, don't only say so
FLAG_FILTER = 2  # header and body checks
FLAG_HOLD = 4
FLAG_DISCARD = 8
FLAG_BCC_OK = 16
FLAG_MAP_OK = 32  # address mapping
FLAG_MILTER = 64
FLAG_SMTP_REPLY = 128  # the reason may be a whole SMTP reply
FLAG_SMTPUTF8 = 256
FLAG_AUTOUTF8 = 512
FLAG_REQTLS = 1024
FLAG_MASK_EXTERNAL = FLAG_FILTER | FLAG_BCC_OK | FLAG_MAP_OK | FLAG_MILTER
FLAG_MASK_INTERNAL = FLAG_MAP_OK
FLAG_MASK_EXTRA = FLAG_HOLD | FLAG_DISCARD  # what a FLGS record may add

# What went wrong with it.
STAT_OK = 0
STAT_BAD = 1  # not what the protocol wants
STAT_WRITE = 2
STAT_SIZE = 4
STAT_CONT = 8
STAT_HOPS = 16
STAT_RCPT = 64
STAT_PROXY = 128
STAT_DEFER = 256
STAT_NOPERM = 512
STAT_BARE_LF = 65536


@lru_cache(maxsize=16)
def open_request(flags: int) -> bytes:
    """OPEN with these flags: for most messages the same."""
    return OPEN.encode(flags)


NEXT = ACCEPTED[:-1] + b"queue_id\0"
"""What the verdict on a message begins with when it is accepted and another may follow."""


def accepted_and_next(queue_id: str) -> bytes:
    """That verdict, with the id of the next."""
    return b"%b%b\0\0" % (NEXT, queue_id.encode("ascii"))


def next_id(verdict: bytes) -> str | None:
    """The id of the next, if it is that verdict."""
    return verdict[len(NEXT) : -2].decode("ascii") if verdict.startswith(NEXT) else None


class Detail(NamedTuple):
    """One status bit in words: SMTP code, enhanced status, text."""

    bit: int
    code: int
    dsn: str
    text: str


DETAILS = (  # in order of precedence
    Detail(STAT_DEFER, 451, "4.7.1", "service unavailable"),
    Detail(STAT_PROXY, 451, "4.3.0", "queue file write error"),
    Detail(STAT_BAD, 451, "4.3.0", "internal protocol error"),
    Detail(STAT_RCPT, 550, "5.1.0", "no recipients specified"),
    Detail(STAT_HOPS, 554, "5.4.0", "too many hops"),
    Detail(STAT_SIZE, 552, "5.3.4", "message file too big"),
    Detail(STAT_CONT, 550, "5.7.1", "message content rejected"),
    Detail(STAT_WRITE, 451, "4.3.0", "queue file write error"),
    Detail(STAT_NOPERM, 550, "5.7.1", "service denied"),
    Detail(STAT_BARE_LF, 521, "5.5.2", "bare <LF> received"),
)
UNKNOWN = Detail(0, 451, "4.3.0", "internal error")
OWN_TEXT = STAT_DEFER | STAT_CONT  # the reason says it better, with its own enhanced status


def not_opened(answer: bytes, error: AttrError) -> Retry:
    """What an answer to OPEN means that has no queue id (`error`): a status is a no, and cleanup has logged why."""
    try:
        STATUS.decode(answer)
    except AttrError:
        return Retry("queue file write error", detail=str(error))
    return Retry("queue file write error")


def detail(status: int) -> Detail:
    """What a status means; of several bits the first in DETAILS counts."""
    return next((row for row in DETAILS if status & row.bit), UNKNOWN)


def reply(status: int, reason: str) -> str:
    """The SMTP reply to the end of a message with a status that is not STAT_OK."""
    if _is_reject(reason):
        return reason
    row = detail(status)
    if reason and row.bit & OWN_TEXT:
        return f"{row.code} {reason}"
    return f"{row.code} {row.dsn} Error: {row.text}"


def _is_reject(reason: str) -> bool:
    return reason[:1] in {"4", "5"} and reason[:3].isdigit() and reason[3:4] in {" ", "-"}
