"""expand - $name and ${...} in the values of main.cf

    reference  = "$$" | "$" name | "${" inside "}" | "$(" inside ")"
    inside     = [ws] name [ws] [choice] | comparison [choice] | function "{" text "}"
    choice     = "?" branch [":" branch] | ":" branch
    branch     = [ws] "{" text "}" [ws] | text up to the end
    comparison = "{" text "}" [ws] operator ["level"] [ws] "{" text "}" [ws]

A "?" branch that another follows must stand in braces. "name?" asks whether the value is
not empty as it is written, before it is expanded. A comparison without a choice gives "true" or
nothing. Two operands made of digits only compare as numbers, others as text; with "level" they are compatibility levels
(major.minor.patch). Only the branch taken is expanded. Names that nobody knows expand to
nothing.

Sources: postconf(5) "EXPRESSIONS"; error words as Postfix 3.7 prints them.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

from pyfix.config.syntax import SPACE

MAX_DEPTH = 100  # names inside the values of names

_NAME = re.compile(r"[A-Za-z0-9_]*", re.ASCII)
_OPERATOR = re.compile(r"[<>!=?+\-*/~&|%]*")
_SUFFIX = re.compile(r"[A-Za-z0-9]*", re.ASCII)
_LEVEL = re.compile(r"\+?(\d{1,10})(?:\.(\d{1,9})(?:\.(\d{1,9}))?)?", re.ASCII)
_REFERENCE = re.compile(r"\$\$|\$([A-Za-z0-9_]+)|\$[{(]\s*([A-Za-z0-9_]+)(?!\s*[A-Za-z0-9_{])", re.ASCII)
_CLOSING = {"{": "}", "(": ")"}
_MOST_DIGITS = 18  # of a number that is compared
_SHOWN = 20  # characters of the rest that an error shows

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">=": operator.ge,
    ">": operator.gt,
}
_EXPECTED_OPERATOR = '"==" or "!=" or "<" or "<=" or ">=" or ">" expected'

Lookup = Callable[[str], str | None]


class ExpandError(Exception):
    """A value that can't be expanded; name is the parameter whose value it is ("": the text given)."""

    def __init__(self, text: str, name: str = "") -> None:
        super().__init__(text)
        self.name = name


def parse_level(text: str) -> tuple[int, ...]:
    """A compatibility level as (major, minor, patch); ExpandError when it is none."""
    match = _LEVEL.fullmatch(text)
    if match is None:
        raise ExpandError(f'malformed compatibility level syntax: "{text}"')
    return tuple(int(part or 0) for part in match.groups())


def to_ascii(text: str) -> str:
    """The A-label form of a domain name; text that has none stays as it is."""
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        return text


_FUNCTIONS: dict[str, Callable[[str], str]] = {"domain_to_ascii": to_ascii}


class Expander:
    """Expands text; lookup(name) gives a name's unexpanded value, or None when there is none."""

    __slots__ = ("_depth", "_lookup", "_name")

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._depth = 0
        self._name = ""

    def text(self, text: str) -> str:
        """The text with every reference replaced. Raises ExpandError."""
        at, dollar = 0, text.find("$")
        if dollar < 0:
            return text
        out = []
        while dollar >= 0:
            out.append(text[at:dollar])
            value, at = self._reference(text, dollar + 1)
            out.append(value)
            dollar = text.find("$", at)
        out.append(text[at:])
        return "".join(out)

    def value(self, name: str) -> str:
        """The expanded value of a name; nothing when it has none. Raises ExpandError."""
        raw = self._lookup(name)
        if not raw:
            return ""
        outer, self._name = self._name, name
        value = self.text(raw)
        self._name = outer
        return value

    def _referred(self, name: str) -> str:
        """The value of a name in a text, which may refer to more."""
        self._depth += 1
        if self._depth >= MAX_DEPTH:
            raise ExpandError(f'unreasonable macro call nesting: "{name}"', name)
        value = self.value(name)
        self._depth -= 1
        return value

    def _reference(self, text: str, at: int) -> tuple[str, int]:
        """The value of the reference after the "$" before at, and where the text goes on."""
        begin = text[at : at + 1]
        if begin == "$":
            return "$", at + 1
        if begin in _CLOSING:
            end = _matching(text, at)
            if end < 0:
                raise self._error(f'truncated macro reference: "{text}"')
            inside, at = text[at + 1 : end], end + 1
        else:
            inside = _match(_NAME, text, at)
            at += len(inside)
        if not inside:
            raise self._error(f'empty macro name: "{text}"')
        return self._inside(inside), at

    def _inside(self, inside: str) -> str:
        """The value of what stands between the braces of ${...}."""
        at = _skip(inside, 0)
        if inside[at : at + 1] == "{":
            holds, at = self._comparison(inside, at)
            if at == len(inside):
                return "true" if holds else ""
            if inside[at] not in "?:":
                raise self._error_at('"?" or ":" expected', "}", inside[at:])
            return self._choice(inside, at, "true" if holds else "")
        name = _match(_NAME, inside, at)
        after = at + len(name)
        at = _skip(inside, after)
        if at == len(inside):
            return self._referred(name)
        if inside[at] in "?:":
            return self._choice(inside, at, self._lookup(name) or "")  # "$empty" is not empty
        if inside[at] == "{" and name in _FUNCTIONS:
            argument, _ = self._braced(inside, at)
            return _FUNCTIONS[name](self.text(argument))
        raise self._error_at("attribute name syntax error", name, inside[after:])

    def _choice(self, inside: str, at: int, subject: str) -> str:
        """The branch of "?..." or ":..." at this place that the subject selects."""
        kind = inside[at]
        then, at = self._branch(inside, at + 1)
        otherwise = ""
        if kind == ":":
            then, otherwise = "", then
        elif at < len(inside):
            if inside[at] != ":":
                raise self._error_at('":" expected', f"{then}}}", inside[at:])
            otherwise, at = self._branch(inside, at + 1)
        if at < len(inside):
            raise self._error_at("unexpected input", f"{otherwise}}}", inside[at:])
        return self.text(then if subject else otherwise)

    def _branch(self, inside: str, at: int) -> tuple[str, int]:
        """A branch, unexpanded: the braced text, else all that is left."""
        brace = _skip(inside, at)
        if inside[brace : brace + 1] == "{":
            return self._braced(inside, brace)
        return inside[at:], len(inside)

    def _braced(self, inside: str, at: int) -> tuple[str, int]:
        """The text in the braces at this place, and the place of what follows the space after them."""
        end = _matching(inside, at)
        if end < 0:
            raise self._error(f'unbalanced {{}} in attribute expression: "{inside[at:]}"')
        return inside[at + 1 : end], _skip(inside, end + 1)

    def _comparison(self, inside: str, begin: int) -> tuple[bool, int]:
        left, at = self._braced(inside, begin)
        sign = _match(_OPERATOR, inside, at)
        # A bare "?" or ":" can follow no operand on the left, so a sign must be known as it stands.
        if sign not in _COMPARE:
            raise self._error_at(_EXPECTED_OPERATOR, f"{left}}}", inside[at:])
        signed = at + len(sign)
        suffix = _match(_SUFFIX, inside, signed)
        at = _skip(inside, signed + len(suffix))
        if inside[at : at + 1] != "{":
            raise self._error_at('"{expression}" expected', inside[begin:signed], inside[signed:])
        if suffix not in {"", "level"}:
            raise self._error_at("bad operator suffix", sign, suffix)
        right, at = self._braced(inside, at)
        left, right = self.text(left), self.text(right)
        return _COMPARE[sign](*self._operands(left, right, bool(suffix))), at

    def _operands(self, left: str, right: str, levels: bool) -> tuple[Any, Any]:
        """Both operands as levels, numbers or text."""
        if levels:
            try:
                return parse_level(left), parse_level(right)
            except ExpandError as e:
                raise self._error(str(e)) from None
        if all(text.isascii() and text.isdigit() for text in (left, right)):
            return self._number(left), self._number(right)
        return left, right

    def _number(self, digits: str) -> int:
        if len(digits.lstrip("0")) > _MOST_DIGITS:
            raise self._error(f"bad conversion: {digits}")
        return int(digits[-_MOST_DIGITS:])

    def _error(self, text: str) -> ExpandError:
        return ExpandError(text, self._name)

    def _error_at(self, text: str, before: str, rest: str) -> ExpandError:
        """An error that shows its place: "...before>>>rest"."""
        return self._error(f'{text} at: "...{before}>>>{rest[:_SHOWN]}"')


def references(text: str) -> set[str]:
    """Every name that a text refers to, in whatever branch; bad syntax ends the search quietly."""
    if "$" not in text:
        return set()
    names = set()
    for found in _REFERENCE.finditer(text):
        if found[2] and _matching(text, found.start() + 1) < 0:
            break
        if name := found[1] or found[2]:
            names.add(name)
    return names


def _match(pattern: re.Pattern[str], text: str, at: int) -> str:
    match = pattern.match(text, at)
    return match[0] if match else ""


def _skip(text: str, at: int) -> int:
    """The first place at or after this one that is not white space."""
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at


def _matching(text: str, at: int) -> int:
    """The place of the bracket that closes the one at this place; -1 when there is none."""
    opening = text[at]
    closing = _CLOSING[opening]
    depth = 0
    for place in range(at, len(text)):
        if text[place] == opening:
            depth += 1
        elif text[place] == closing:
            depth -= 1
            if not depth:
                return place
    return -1
