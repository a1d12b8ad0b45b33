"""tokens - the words of RFC 5322 addresses, and addresses in headers

    tokens = scan('"B, C" <q@old.test> (comment)')   flat: words, comments, operators
    items = parse(tokens)                             the addresses among them are Address items
    text = header_text(items)                         one header body, line ends where it may fold

Nothing is thrown away: what can't be understood is left where it is, so that a header
can always be written back. Written back it has the look that Postfix gives it: comments
beside their address, one space after a comma, line ends as places to fold.

Sources: RFC 5322 section 3.4; routes and bang paths as older mail has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from pyfix.mail.address import quote

ATOM = "atom"
QUOTED = "quoted"  # text without its quotes and backslashes
LITERAL = "literal"  # [text], without the brackets
COMMENT = "comment"  # with its parentheses
START_GROUP = "group:"  # the colon after the name of a group
WORDS = frozenset({ATOM, QUOTED, LITERAL, COMMENT})  # what is no operator

OPERATORS = frozenset('|%!()<>@,;:\\".[]')
NAME_LIMIT = 250  # bytes of what stands around an address in a header
LIMIT = 10240  # tokens of a header, header_address_token_limit

_PLAIN = re.compile(r'[^|%!()<>@,;:\\".\[\] \t\r\n]+')
_SPACE = re.compile(r"[ \t\r\n]+")
_QUOTED = re.compile(r'((?:[^"\\]|\\.)*)("|\\?$)', re.DOTALL)
_LITERAL = re.compile(r"((?:[^\]\\]|\\.)*)(\]|\\?$)", re.DOTALL)
_ESCAPED_ATOM = re.compile(r'(?:[^|%!()<>@,;:\\".\[\] \t\r\n]|\\.)+', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_QUOTES = re.compile(r'[\x00-\x20\x7f|%!()<>@,;:\\".\[\]]')
_IN_QUOTES = re.compile(r'(["\\\r\n])')
_IN_LITERAL = re.compile(r"([\\\[\]\r\n])")
_LINE_ENDS = str.maketrans("\t\r\n", "   ")


class Token:
    """One word or operator. kind: ATOM, QUOTED, LITERAL, COMMENT, START_GROUP or the operator itself."""

    __slots__ = ("kind", "text")

    def __init__(self, kind: str, text: str = "") -> None:
        self.kind = kind
        self.text = text

    def __repr__(self) -> str:
        return f"Token({self.kind!r}, {self.text!r})"


class Address:
    """An address among the other tokens of a header."""

    __slots__ = ("tokens",)
    kind = "address"

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens

    def __repr__(self) -> str:
        return f"Address({self.tokens!r})"


Item = Token | Address


# From text to tokens


def scan(text: str, limit: int = LIMIT) -> list[Token]:
    """The words and operators of a text, at most `limit` of them; white space only separates."""
    tokens: list[Token] = []
    at, end = 0, len(text)
    while at < end and len(tokens) < limit:
        if (found := _SPACE.match(text, at)) is not None:
            at = found.end()
            continue
        token, at = _scanner(text[at])(text, at)
        tokens.append(token)
    return tokens


def _scanner(char: str) -> Callable[[str, int], tuple[Token, int]]:
    return _SCANNERS.get(char) or (_scan_operator if char in OPERATORS else _scan_atom)


def _scan_operator(text: str, at: int) -> tuple[Token, int]:
    return Token(text[at]), at + 1


def _scan_atom(text: str, at: int) -> tuple[Token, int]:
    if (plain := _PLAIN.match(text, at)) is not None and text[plain.end() : plain.end() + 1] != "\\":
        return _atom(plain[0]), plain.end()
    found = _ESCAPED_ATOM.match(text, at)
    if found is None:  # a backslash with nothing behind it
        return Token(ATOM), len(text)
    end = found.end()
    if text[end:] == "\\":
        end += 1
    return _atom(_unescape(found[0])), end


def _atom(text: str) -> Token:
    return Token(QUOTED if _NEEDS_QUOTES.search(text) else ATOM, text)


def _scan_quoted(text: str, at: int) -> tuple[Token, int]:
    return _scan_delimited(QUOTED, _QUOTED, text, at)


def _scan_literal(text: str, at: int) -> tuple[Token, int]:
    return _scan_delimited(LITERAL, _LITERAL, text, at)


def _scan_delimited(kind: str, body: re.Pattern[str], text: str, at: int) -> tuple[Token, int]:
    found = body.match(text, at + 1)
    assert found is not None  # the body may be empty, the end of the text ends it
    return Token(kind, _unescape(found[1])), found.end()


def _unescape(text: str) -> str:
    if "\\" in text:
        text = _ESCAPE.sub(r"\1", text)
    return text.translate(_LINE_ENDS)


def _scan_comment(text: str, start: int) -> tuple[Token, int]:
    """Comments nest, and keep their backslashes."""
    depth, at = 0, start
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\\":
            at += 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                break
    return Token(COMMENT, text[start:at]), min(at, len(text))


_SCANNERS = {'"': _scan_quoted, "[": _scan_literal, "(": _scan_comment, "\\": _scan_atom}


# From tokens to addresses


def parse(text: str, limit: int = LIMIT) -> list[Item]:
    """Tokens with the addresses among them found, and commas put in where they are missing."""
    return _Parser(scan(text, limit)).items()


class _Parser:
    """Finds addresses from right to left: what an address ends with is known before where it begins."""

    def __init__(self, tokens: list[Token]) -> None:
        self._todo = tokens
        self._done: list[Item] = []  # from right to left
        self._run: list[Token] = []  # of the address that is being collected, from right to left
        self._in_group = False
        self._after_word = False  # the token to the right is a word of the same address

    def items(self) -> list[Item]:
        """All of it, in the order of the text."""
        while self._todo:
            token = self._todo.pop()
            self._STEPS.get(token.kind, _Parser._operator)(self, token)
        self._flush()
        return self._done[::-1]

    def _flush(self, *, comma: bool = False) -> None:
        """The address is complete. comma: nothing separates it from what stands to its left."""
        if self._run:
            self._done.append(Address(self._run[::-1]))
            self._run = []
            if comma:
                self._done.append(Token(","))

    def _comment(self, token: Token) -> None:
        self._done.append(token)

    def _word(self, token: Token) -> None:
        if self._after_word:
            self._flush(comma=True)
        self._run.append(token)
        self._after_word = True

    def _operator(self, token: Token) -> None:
        self._run.append(token)
        self._after_word = False

    def _comma(self, token: Token) -> None:
        self._end_of_address(token)

    def _end_of_address(self, token: Token, *, comma: bool = False) -> None:
        self._flush(comma=comma)
        self._done.append(token)
        self._after_word = False

    def _semicolon(self, token: Token) -> None:
        self._end_of_address(token, comma=True)
        self._in_group = True

    def _colon(self, token: Token) -> None:
        if not self._in_group:
            self._operator(token)
            return
        self._end_of_address(Token(START_GROUP))
        self._leave_alone(",")

    def _route_end(self, token: Token) -> None:
        """`<route>`: an address between angle brackets, and before it a name that is left alone."""
        self._end_of_address(token, comma=True)
        while self._todo and self._todo[-1].kind != "<":
            inner = self._todo.pop()
            (self._done if inner.kind == COMMENT else self._run).append(inner)
        self._flush()
        self._leave_alone(">;,:")
        if self._todo and self._todo[-1].kind == ":" and not self._in_group:  # which is no part of an address either
            self._done.append(self._todo.pop())

    def _leave_alone(self, until: str) -> None:
        while self._todo and self._todo[-1].kind not in until:
            self._done.append(self._todo.pop())

    _STEPS: ClassVar[dict[str, Callable[[_Parser, Token], None]]] = {
        COMMENT: _comment,
        ATOM: _word,
        QUOTED: _word,
        LITERAL: _word,
        ",": _comma,
        ";": _semicolon,
        ":": _colon,
        ">": _route_end,
    }


# And back to text


def internal(tokens: Sequence[Item]) -> str:
    """The address that these tokens make, in internal form."""
    return _join(tokens, _internal_text, after_comma=" ")


def unspaced(tokens: Sequence[Item]) -> str:
    """The same as a path of SMTP or a word of a command line has it: without the spaces between tokens."""
    return "".join(map(_internal_text, tokens))


def _internal_text(token: Item) -> str:
    if isinstance(token, Address):
        return internal(token.tokens)
    return _INTERNAL.get(token.kind, _itself)(token)


def external(items: Sequence[Item]) -> str:
    """The text of these tokens."""
    return _join(items, _external_text)


def header_text(items: Sequence[Item]) -> str:
    """The same for a header: a line end after each comma, no absurdly long names and comments."""
    texts = []
    start = 0
    for at, item in enumerate(items):
        if item.kind == ",":
            texts.append(_bearable(items[start:at]))
            start = at + 1
    texts.append(_bearable(items[start:]))
    return ",\n".join(texts)


def _bearable(items: Sequence[Item]) -> str:
    """One address with its name and comments; the bare address when those are absurdly long."""
    text = external(items)
    if len(text) <= NAME_LIMIT:
        return text
    address = next((_external_text(item) for item in items if isinstance(item, Address)), "")
    return f"<{address}>" if len(text) - len(address) > NAME_LIMIT else text


def external_address(tokens: Sequence[Item]) -> str:
    """The address that these tokens make, in external form."""
    return quote(internal(tokens)) or '""'


def _external_text(item: Item) -> str:
    if isinstance(item, Address):
        return external_address(item.tokens)
    return _EXTERNAL.get(item.kind, _itself)(item)


def _itself(token: Token) -> str:
    return token.text or token.kind


def _text(token: Token) -> str:
    return token.text


def _quoted(token: Token) -> str:
    return '"' + _IN_QUOTES.sub(r"\\\1", token.text) + '"'


def _literal(token: Token) -> str:
    return "[" + _IN_LITERAL.sub(r"\\\1", token.text) + "]"


_SHARED: dict[str, Callable[[Token], str]] = {
    ATOM: _text,
    COMMENT: _text,
    START_GROUP: lambda _: ":",
}
_INTERNAL: dict[str, Callable[[Token], str]] = {
    **_SHARED,
    QUOTED: _text,
    LITERAL: lambda token: f"[{token.text}]",
}
_EXTERNAL: dict[str, Callable[[Token], str]] = {
    **_SHARED,
    QUOTED: _quoted,
    LITERAL: _literal,
    ",": lambda _: ", ",
}
_NON_OPERATORS = WORDS | {Address.kind}


def _join(items: Sequence[Item], text: Callable[[Item], str], after_comma: str = "") -> str:
    """The texts of the items, with a space where two would run into one another."""
    parts: list[str] = []
    for item, following in zip(items, [*items[1:], None]):  # noqa: B905 - an empty list has one None
        parts.append(text(item))
        if following is not None:
            parts.append(after_comma if item.kind == "," else _space_between(item.kind, following.kind))
    return "".join(parts)


def _space_between(left: str, right: str) -> str:
    if left == START_GROUP or right == "<" or (left in _NON_OPERATORS and right in _NON_OPERATORS):
        return " "
    return ""
