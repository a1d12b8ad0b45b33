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
from itertools import pairwise

from pyfix.mail.tokens import COMMENT, WORDS, Address, Item, internal, parse

ATOM = r"""[^\x00-\x20\x7f<>()@,;:\\".\[\]|%!]+"""
DOT_STRING = rf"{ATOM}(?:\.{ATOM})*"
OPEN_LITERAL = r"\[[0-9A-Za-z.:]+"
LITERAL = rf"{OPEN_LITERAL}\]"
MAILBOX = rf"{DOT_STRING}@(?:{DOT_STRING}|{LITERAL})"
PLAIN_PATH = re.compile(rf"<({MAILBOX})?>")
UNCLOSED_PATH = re.compile(rf"<({DOT_STRING}@{OPEN_LITERAL})>")
CLOSERS = {"<": ">", "[": "]", '"': '"'}
LABELS = frozenset({"from:", "to:"})
SPACE = frozenset(" \t\v\f\r\n")  # white space of other alphabets is none here
SPACES = re.compile(r"[ \t\v\f\r\n]+")


def parse_path(text: str, *, strict: bool = False) -> str | None:
    """The address in internal form ("": the null sender); None when it is no path."""
    plain = PLAIN_PATH.fullmatch(text)
    if plain is not None:
        return plain[1] or ""
    unclosed = UNCLOSED_PATH.fullmatch(text)
    if unclosed is not None:  # like Postfix, which closes it
        return f"{unclosed[1]}]"
    items = parse(text)
    addresses = [item for item in items if isinstance(item, Address)]
    if len(addresses) > 1:
        return None
    others = [item.kind for item in items if not isinstance(item, Address)]
    if strict and (others != ["<", ">"] or not text.startswith("<")):
        return None
    return _address(list(addresses[0].tokens)) if addresses else ""


def _address(tokens: list[Item]) -> str | None:
    kinds = [token.kind if not isinstance(token, Address) else "" for token in tokens]
    while kinds and kinds[-1] in {">", ",", ";"}:
        named = kinds.pop() == ";"  # name: address;
        start = _behind_colon(kinds) if named else 0
        kinds, tokens = kinds[start:], tokens[start : len(kinds)]
    if kinds[:1] == ["@"]:  # a source route
        start = _behind_colon(kinds)
        kinds, tokens = kinds[start:], tokens[start:]
    words = [kind in WORDS for kind in kinds if kind != COMMENT]
    if "," in kinds or ";" in kinds or any(a and b for a, b in pairwise(words)):
        return None
    return internal(tokens) if tokens else ""


def _behind_colon(kinds: list[str]) -> int:
    return kinds.index(":") + 1 if ":" in kinds else 0


def split_words(text: str) -> list[str | None]:
    """The words of a command's argument; None stands for one with an open quote or bracket.

    White space inside quotes and brackets is part of the word; FROM: and TO: are words
    of their own, whether white space follows or not.
    """
    if "<" not in text and '"' not in text and "\\" not in text and "[" not in text:
        return [*_labelled(text)]
    words: list[str | None] = []
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


def _word(text: str, start: int) -> tuple[str | None, int]:
    at = start
    while at < len(text) and text[at] not in SPACE:
        char = text[at]
        if char in CLOSERS:
            end = _closed(text, at)
            if end is None:
                return None, len(text)
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
