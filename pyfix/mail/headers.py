"""headers - the header lines of a message: which are known, where a name ends

A header is one logical line: continuation lines are joined to it by a line feed, their
white space kept. Names compare without case.

Sources: RFC 5322 section 3.6, RFC 2045.
"""

import re
from functools import lru_cache

# RFC 5322 field name: printable, no colon; Postfix lets white space stand before the colon.
HEADER = re.compile(rb"([!-9;-\x7e]+)[ \t]*:", re.ASCII)
FOLD = 70  # characters of a line into which addresses are collected


# What is in a header.
SENDER = 1  # addresses of those who sent
RECIPIENT = 2  # addresses of those who receive
RESENT = 4  # it is about sending again
ADDRESSES = SENDER | RECIPIENT

KNOWN = {
    b"apparently-to": RECIPIENT,
    b"bcc": RECIPIENT,
    b"cc": RECIPIENT,
    b"disposition-notification-to": SENDER,
    b"errors-to": SENDER,
    b"from": SENDER,
    b"mail-followup-to": SENDER,
    b"reply-to": SENDER,
    b"resent-bcc": RECIPIENT | RESENT,
    b"resent-cc": RECIPIENT | RESENT,
    b"resent-date": RESENT,
    b"resent-from": SENDER | RESENT,
    b"resent-message-id": RESENT,
    b"resent-reply-to": RECIPIENT | RESENT,
    b"resent-sender": SENDER | RESENT,
    b"resent-to": RECIPIENT | RESENT,
    b"return-path": SENDER,
    b"return-receipt-to": SENDER,
    b"sender": SENDER,
    b"to": RECIPIENT,
}

# What most headers with addresses look like: names and complete addresses, nothing to add or to put right.
# (Possessive are single characters only: of groups Python before 3.11.5 matches what does not match, gh-106052.)
_ATOM = rb"[A-Za-z0-9_+=*~-]++"
_ADDRESS = rb"%s(?:\.%s)*@[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)+" % (_ATOM, _ATOM)
_WORD = rb"""(?:[A-Za-z0-9_+=*~'.?\x80-\xff-]++|"[^"\\]*+")"""
_MAILBOX = rb"(?:%s|(?:%s[ \t\n]*+)*<%s>)" % (_ADDRESS, _WORD, _ADDRESS)
COMPLETE_ADDRESSES = re.compile(rb"[ \t\n]*+%s[ \t\n]*+(?:,[ \t\n]*+%s[ \t\n]*+)*" % (_MAILBOX, _MAILBOX))



@lru_cache(1000)
def are_complete(addresses: bytes) -> bool:
    """Whether a header's text is complete addresses, in a form that nothing has to put right. (Many come again.)"""
    return COMPLETE_ADDRESSES.fullmatch(addresses) is not None


VISIBLE_RECIPIENTS = frozenset({b"to", b"cc", b"resent-to", b"resent-cc"})


def header_name(line: bytes) -> bytes | None:
    """The name of the header that begins on this line, as written; None: it is no header."""
    found = HEADER.match(line)
    return None if found is None else found[1]


def split_head(lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The lines of all headers; the rest, from the empty line on (nothing when there is none)."""
    at = 0
    while at < len(lines) and (header_name(lines[at]) is not None or (at and lines[at][:1] in {b" ", b"\t"})):
        at += 1
    return lines[:at], lines[at:]


def header_value(header: bytes) -> bytes:
    """What follows the colon, with the white space around it taken off."""
    return header.partition(b":")[2].strip(b" \t\r\n")


def fold_addresses(text: bytes) -> list[bytes]:
    """Lines of a header whose line feeds are the places where it may be broken.

    As many addresses as fit stand on a line; lines after the first begin with a tab.
    """
    lines: list[bytes] = []
    for part in text.split(b"\n"):
        if lines and len(lines[-1]) + 1 + len(part) < FOLD:
            lines[-1] += b" " + part
        else:
            lines.append(part)
    return lines[:1] + [line if line[:1] in {b" ", b"\t"} else b"\t" + line for line in lines[1:]]
