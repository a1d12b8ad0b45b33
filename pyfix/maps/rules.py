"""rules - what pattern tables (regexp, pcre, cidr) have in common

A table is a flat list of rules. A rule with a value ends the search when it matches; one
without is an IF: where it does not match, the search goes on after its ENDIF (`skip_to`).
Bad rules are reported with the table's name and line, and left out.

    for number, line in table_lines(...): ...
    Template.parse("550 use ${1} instead of $$2")

See also: regexp_table(5), pcre_table(5), cidr_table(5).
"""

import re
from collections.abc import Iterator
from typing import Protocol

from pyfix.maps.braces import BraceError
from pyfix.maps.braces import rules as braced_rules
from pyfix.maps.lines import SPACE, logical_lines, read_text
from pyfix.maps.table import OpenError, Options
from pyfix.maps.watch import Watch
from pyfix.unix import msg


class BadRuleError(ValueError):
    """A rule that must be skipped. reasons: a warning each."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(*reasons)
        self.reasons = reasons


class Skippable(Protocol):
    """A rule, as the nesting of IF and ENDIF sees it."""

    line: int
    skip_to: int


class Nesting:
    """Which IFs are open while a table is read."""

    def __init__(self) -> None:
        self._open: list[Skippable] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def start(self, rule: Skippable) -> None:
        """An IF begins."""
        self._open.append(rule)

    def end(self, at: int) -> None:
        """The innermost IF ends before rule number `at`."""
        self._open.pop().skip_to = at

    def finish(self, complain: "Complain", at: int) -> None:
        """The table has ended; what is still open is reported, innermost first, and ends here."""
        while self._open:
            complain(self._open[-1].line, "IF has no matching ENDIF")
            self.end(at)


class Complain:
    """Warns about a line of a table: `regexp map re, line 9: ...`."""

    def __init__(self, table_type: str, name: str) -> None:
        self._prefix = f"{table_type} map {name}"

    def __call__(self, line: int, text: str) -> None:
        """Log the warning."""
        msg.warning(f"{self._prefix}, line {line}: {text}")


def table_lines(options: Options, name: str) -> tuple[Iterator[tuple[int, str]], Watch | None]:
    """Numbered rules from the file, or from braces in the table's name, and the file's watch.

    OpenError when the file can't be read or the braces don't match.
    """
    if not name.startswith("{"):
        text, watch = read_text(name, failure=f"open {name}")
        return logical_lines(text.split("\n"), name), watch
    try:
        return logical_lines("\n".join(braced_rules(name)).split("\n"), name), None
    except BraceError as error:
        raise OpenError(f"{options.type} map: {error}") from None


KEYWORD = re.compile(r"(?P<word>if|endif)(?![A-Za-z0-9])", re.IGNORECASE)


def keyword(line: str) -> tuple[str, str]:
    """("if" or "endif" or "", the rest of the line)."""
    match = KEYWORD.match(line)
    if match is None:
        return "", line
    return match["word"].lower(), line[match.end() :].lstrip(SPACE)


def negation(text: str) -> tuple[bool, str]:
    """Whether the pattern is negated (an odd number of `!`), and what follows."""
    negated = False
    while text[:1] == "!":
        negated = not negated
        text = text[1:].lstrip(SPACE)
    return negated, text


_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<curly>[^}]*)\}|\((?P<round>[^)]*)\)|(?P<plain>\w+)|)", re.ASCII
)


class Template:
    """A result with $1, ${1}, $(1) and $$ in it: parts of text and numbers of groups."""

    __slots__ = ("highest", "parts")

    def __init__(self, parts: list[str | int]) -> None:
        self.parts = parts
        self.highest = max([part for part in parts if isinstance(part, int)], default=0)

    @classmethod
    def parse(cls, text: str) -> "Template":
        """BadRuleError when a `$` is followed by anything else."""
        parts: list[str | int] = []
        at = 0
        for match in _REFERENCE.finditer(text):
            if match.start() > at:
                parts.append(text[at : match.start()])
            parts.append("$" if match["dollar"] else _number(text, match))
            at = match.end()
        if at < len(text):
            parts.append(text[at:])
        return cls(parts)

    @property
    def fixed(self) -> str:
        """The text of a template without groups."""
        return "".join([part for part in self.parts if isinstance(part, str)])


_BAD = "bad replacement syntax: skipping this rule"


def _number(text: str, match: re.Match[str]) -> int:
    name = match["curly"] or match["round"] or match["plain"]
    if not name:
        following = text[match.end() : match.end() + 1]
        kind = "truncated macro reference" if following and following in "{(" else "empty macro name"
        msg.warning(f'{kind}: "{text}"')
        raise BadRuleError(_BAD)
    if not name.isdecimal():
        raise BadRuleError(f'non-numeric replacement index "{name}"', _BAD)
    if int(name) < 1:
        raise BadRuleError(f'out of range replacement index "{name}"', _BAD)
    return int(name)
