"""ehlo_keywords - the keywords that smtpd and the SMTP client can be told not to offer, or not to see

Source: postconf(5), smtpd_discard_ehlo_keywords.
"""

import re

_NAMES = """
    8BITMIME AUTH ETRN PIPELINING SIZE VERP VRFY XCLIENT XFORWARD ENHANCEDSTATUSCODES STARTTLS DSN SMTPUTF8 CHUNKING
    REQUIRETLS
"""
NAMES = tuple(_NAMES.split())
"""In the order in which the log has them."""
SILENT = "SILENT-DISCARD"
SEPARATORS = re.compile(r"[\s,]+")


def discarded(text: str) -> tuple[list[str], bool]:
    """The keywords in a list of words, in order; whether nobody wants to read of it."""
    words = set(SEPARATORS.split(text.upper()))
    return [name for name in NAMES if name in words], SILENT in words
