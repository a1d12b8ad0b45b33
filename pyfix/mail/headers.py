"""headers - the header lines of a message: which are known, where a name ends

A header is one logical line: continuation lines are joined to it by a line feed, their
white space kept. Names compare without case.

Sources: RFC 5322 section 3.6, RFC 2045.
"""

import re
from enum import IntFlag, auto

# RFC 5322 field name: printable, no colon; Postfix lets white space stand before the colon.
HEADER = re.compile(rb"([!-9;-\x7e]+)[ \t]*:", re.ASCII)
FOLD = 70  # characters of a line into which addresses are collected


class Kind(IntFlag):
    """What is in a header."""

    SENDER = auto()  # addresses of those who sent
    RECIPIENT = auto()  # addresses of those who receive
    RESENT = auto()  # it is about sending again


KNOWN = {
    b"apparently-to": Kind.RECIPIENT,
    b"bcc": Kind.RECIPIENT,
    b"cc": Kind.RECIPIENT,
    b"disposition-notification-to": Kind.SENDER,
    b"errors-to": Kind.SENDER,
    b"from": Kind.SENDER,
    b"mail-followup-to": Kind.SENDER,
    b"reply-to": Kind.SENDER,
    b"resent-bcc": Kind.RECIPIENT | Kind.RESENT,
    b"resent-cc": Kind.RECIPIENT | Kind.RESENT,
    b"resent-date": Kind.RESENT,
    b"resent-from": Kind.SENDER | Kind.RESENT,
    b"resent-message-id": Kind.RESENT,
    b"resent-reply-to": Kind.RECIPIENT | Kind.RESENT,
    b"resent-sender": Kind.SENDER | Kind.RESENT,
    b"resent-to": Kind.RECIPIENT | Kind.RESENT,
    b"return-path": Kind.SENDER,
    b"return-receipt-to": Kind.SENDER,
    b"sender": Kind.SENDER,
    b"to": Kind.RECIPIENT,
}
ADDRESSES = Kind.SENDER | Kind.RECIPIENT
VISIBLE_RECIPIENTS = frozenset({b"to", b"cc", b"resent-to", b"resent-cc"})


def header_name(line: bytes) -> bytes | None:
    """The name of the header that begins on this line, as written; None: it is no header."""
    found = HEADER.match(line)
    return None if found is None else found[1]


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
