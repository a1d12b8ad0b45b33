"""smtp_path - the addresses of MAIL, RCPT and VRFY

    parse_path("<user@example.com>")           "user@example.com"
    parse_path('<"first last"@example.com>')   "first last@example.com", internal form
    parse_path("<@relay.example:a@b>")         "a@b": source routes are dropped
    parse_path("a@b")                          "a@b"; with strict: None

What clients send is often the address form of headers, with comments, a missing bracket
or a name; like Postfix this takes it when just one address is in it. strict takes what
RFC 5321 allows and no more (strict_rfc821_envelopes).

Source: RFC 5321 sections 4.1.2, 4.1.3 and appendix C.
"""

from __future__ import annotations

import re

from pyfix.mail.address import split_route
from pyfix.mail.tokens import Address, Token, parse, unspaced

ATOM = r"""[^\x00-\x20\x7f<>()@,;:\\".\[\]|%!]+"""
DOT_STRING = rf"{ATOM}(?:\.{ATOM})*"
LITERAL = r"\[[0-9A-Za-z.:]+\]"
MAILBOX = rf"{DOT_STRING}@(?:{DOT_STRING}|{LITERAL})"
PLAIN_PATH = re.compile(rf"<({MAILBOX})?>")
CLOSERS = {"<": ">", '"': '"'}
BRACKETS = frozenset("<>")  # more of them than there have to be are never an error
LABELS = frozenset({"from:", "to:"})
SPACE = frozenset(" \t\v\f\r\n")  # white space of other alphabets is none here
SPACES = re.compile(r"[ \t\v\f\r\n]+")


class Unclosed(str):
    """A word with an open quote or bracket: all that came behind it."""

    __slots__ = ()


def parse_path(text: str, *, strict: bool = False) -> str | None:
    """The address in internal form ("": the null sender); None when it is no path."""
    plain = PLAIN_PATH.fullmatch(text)
    if plain is not None:
        return plain[1] or ""
    bracketed = text.startswith("<")
    if strict and not bracketed:
        return None
    if bracketed and text.endswith(">"):
        text = text[1:-1]
    items = parse(split_route(text)[1])
    addresses = [item for item in items if isinstance(item, Address)]
    others = [item for item in items if isinstance(item, Token) and item.kind not in BRACKETS]
    if len(addresses) > 1 or (strict and others):
        return None
    path = unspaced(addresses[0].tokens) if addresses else ""
    return None if strict and path.startswith("@") else path  # a route, or "" as a name


def split_words(text: str) -> list[str]:
    """The words of a command's argument.

    White space inside quotes and brackets is part of the word, and one that is not closed is Unclosed; FROM: and
    TO: are words of their own, whether white space follows or not.
    """
    if "<" not in text and '"' not in text and "\\" not in text:
        return [*_labelled(text)]
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in SPACE:
            at += 1
            continue
        word, at = _word(text, at)
        words.append(word)
    return words


def blank_words(text: str) -> list[str]:
    """What stands between white space."""
    return [word for word in SPACES.split(text) if word]


def _labelled(text: str) -> list[str]:
    words = []
    for word in blank_words(text):
        label, colon, rest = word.partition(":")
        if colon and label.lower() + ":" in LABELS:
            words.append(label + colon)
            word = rest
        if word:
            words.append(word)
    return words


def _word(text: str, start: int) -> tuple[str, int]:
    at = start
    while at < len(text) and text[at] not in SPACE:
        char = text[at]
        if char in CLOSERS:
            end = _closed(text, at)
            if end is None:
                return Unclosed(text[start:]), len(text)
            at = end
        else:
            at += 2 if char == "\\" else 1
            if char == ":" and text[start:at].lower() in LABELS:
                break
    return text[start:at], min(at, len(text))


def _closed(text: str, at: int) -> int | None:
    """Where the quote or bracket that opens at `at` is closed; brackets and quotes nest in brackets."""
    wanted = [CLOSERS[text[at]]]
    at += 1
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == wanted[-1]:
            wanted.pop()
            if not wanted:
                return at + 1
        elif char in '<"' and wanted[-1] == ">":
            wanted.append(CLOSERS[char])
        at += 1
    return None
