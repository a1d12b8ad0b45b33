"""delimited - rules of the form `/pattern/flags result`, as regexp: and pcre: have them

    /pattern/flags result     !/pattern/flags result     if /pattern/flags ... endif

regexp: also has /pattern/flags!/other/flags result: the second pattern must not match.

See also: regexp_table(5), pcre_table(5).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pyfix.maps.lines import SPACE
from pyfix.maps.rules import (
    BadRuleError,
    Complain,
    Nesting,
    Skippable,
    Template,
    keyword,
    negation,
    table_lines,
)
from pyfix.maps.table import Care, Options
from pyfix.maps.watch import Watch

R = TypeVar("R", bound=Skippable)


class Delimited(NamedTuple):
    """A pattern as written."""

    pattern: str
    flags: str
    negated: bool


@dataclass(frozen=True, slots=True)
class PatternLine:
    """A rule as read. but: a second pattern that must match too (regexp); template: None for an IF."""

    line: int
    first: Delimited
    but: Delimited | None
    template: Template | None


def read_rules(
    options: Options, name: str, compile_rule: Callable[[PatternLine], R]
) -> tuple[list[R], Watch | None]:
    """All good rules of a table; the bad ones are reported. OpenError when it can't be read."""
    lines, watch = table_lines(options, name)
    complain = Complain(options.type, name)
    rules: list[R] = []
    nesting = Nesting()
    for number, line in lines:
        word, rest = keyword(line)
        try:
            if word == "endif":
                _end(complain, nesting, number, rest, len(rules))
                continue
            found = _parse(options, complain, number, word, rest)
            rule = compile_rule(found)
        except BadRuleError as error:
            for reason in error.reasons:
                complain(number, reason)
            continue
        rule.skip_to = len(rules) + 1
        rules.append(rule)
        if found.template is None:
            nesting.start(rule)
    nesting.finish(complain, len(rules))
    return rules, watch


def _end(complain: Complain, nesting: Nesting, number: int, rest: str, at: int) -> None:
    if not nesting:
        raise BadRuleError("ignoring ENDIF without matching IF")
    if rest.strip(SPACE):
        complain(number, "ignoring extra text after ENDIF")
    nesting.end(at)


def _parse(options: Options, complain: Complain, number: int, word: str, text: str) -> PatternLine:
    if not word and text[0].isascii() and text[0].isalnum():
        raise BadRuleError("ignoring unrecognized request")
    table_type = options.type
    first, text = _delimited(table_type, text)
    if word:
        if text:
            complain(number, f'ignoring extra text after IF statement: "{text}"')
            complain(number, "do not prepend whitespace to statements between IF and ENDIF")
        return PatternLine(number, first, None, None)
    but = None
    if text[:1] == "!" and table_type == "regexp":
        but, text = _delimited(table_type, text)
    template = _result(complain, number, text, first)
    if template.highest and Care.NO_SUBSTITUTION in options.care:
        raise BadRuleError("regular expression substitution is not allowed: skipping this rule")
    return PatternLine(number, first, but, template)


def _delimited(table_type: str, text: str) -> tuple[Delimited, str]:
    """The pattern at the start of the text, and what follows it."""
    negated, text = negation(text)
    pattern, text = _pattern(table_type, text)
    stop = SPACE + "!" if table_type == "regexp" else SPACE
    end = 0
    while end < len(text) and text[end] not in stop:
        end += 1
    return Delimited(pattern, text[:end], negated), text[end:].strip(SPACE)


def _pattern(table_type: str, text: str) -> tuple[str, str]:
    """The text between the delimiters, its backslashes kept, and what follows."""
    delimiter = text[:1]
    if not delimiter:
        raise BadRuleError("no regexp: skipping this rule")
    at = 1
    while at < len(text) and text[at] != delimiter:
        at += 2 if text[at] == "\\" else 1
    if at >= len(text):
        verb = "ignoring" if table_type == "pcre" else "skipping"
        raise BadRuleError(f'no closing regexp delimiter "{delimiter}": {verb} this rule')
    return text[1:at], text[at + 1 :]


def _result(complain: Complain, number: int, text: str, pattern: Delimited) -> Template:
    if not text:
        complain(number, "no replacement text: using empty string")
    template = Template.parse(text)
    if pattern.negated and template.highest:
        raise BadRuleError("$number found in negative match replacement text: skipping this rule")
    return template
