"""pcre - lookup table of Perl-compatible regular expressions, first match wins

    /pattern/flags result     !/pattern/flags result     if /pattern/flags ... endif

Flags toggle: i ignores case (on), s lets dot match line ends (on), m lets ^ and $ match at
line ends, x ignores white space in patterns, A matches at the start only, E lets $ match at
the very end only, U makes quantifiers lazy (all off); X means nothing any more. A bad rule
is reported with its file and line and skipped.

Needs the extra `pcre`, which is imported when the first such table is opened.

See also: pcre_table(5), pcre2pattern(3).
"""

from typing import Any

from pyfix.maps.delimited import PatternLine, read_rules
from pyfix.maps.lines import decode, encode
from pyfix.maps.literals import required
from pyfix.maps.patterns import Patterns
from pyfix.maps.rules import BadRuleError, Complain, Template
from pyfix.maps.table import Options, missing_extra
from pyfix.maps.watch import Watch
from pyfix.unix import msg

FLAGS = {  # PCRE2's numbers
    "i": 0x0000_0008,  # CASELESS
    "m": 0x0000_0400,  # MULTILINE
    "s": 0x0000_0020,  # DOTALL
    "x": 0x0000_0080,  # EXTENDED
    "A": 0x8000_0000,  # ANCHORED: the library wants it at each match instead
    "E": 0x0000_0010,  # DOLLAR_ENDONLY
    "U": 0x0004_0000,  # UNGREEDY
    "X": 0,
}


class PcreRule:
    """One pattern. template: None for an IF; skip_to: where to go on when it doesn't match."""

    __slots__ = ("_complain", "_error", "_match", "_negated", "line", "needs", "skip_to", "template")

    def __init__(self, rule: PatternLine, pattern: Any, complain: Complain, error: type[Exception]) -> None:
        """error: what the library raises when it gives up; complain: where that is told."""
        self.line = rule.line
        self.skip_to = 0
        self.template = rule.template
        self._match = pattern.match if "A" in rule.first.flags else pattern.search
        self._negated = rule.first.negated
        plain = not self._negated and "x" not in rule.first.flags
        self.needs = required(encode(rule.first.pattern), perl=True) if plain else ()
        self._complain = complain
        self._error = error

    def search(self, text: bytes) -> Any:
        """What matched, something false when the rule does not apply."""
        try:
            match = self._match(text)
        except self._error as error:  # a limit on backtracking, most likely
            self._complain(self.line, f"{error}")
            return None
        return match if not self._negated else match is None


class PcreTable:
    """pcre:name."""

    fixed = False  # a pattern table: callers must not try partial keys

    def __init__(self, rules: list[PcreRule], watch: Watch | None, name: str) -> None:
        self._patterns = Patterns(rules)
        self.watch = watch
        self._name = name

    def lookup(self, key: str) -> str | None:
        """The result of the first rule that matches."""
        if msg.verbose:
            msg.info(f"dict_pcre_lookup: {self._name}: {key}")
        found = self._patterns.first(encode(key))
        if found is None:
            return None
        rule, match = found
        assert rule.template is not None
        return _result(rule.template, match)


def open_pcre(options: Options, name: str) -> PcreTable:
    """Read and compile the rules; OpenError when the file or the library can't be read."""
    try:
        import pcre2
    except ImportError:
        raise missing_extra(options, name, "pcre2", "pcre") from None
    complain = Complain(options.type, name)

    def compiled(rule: PatternLine) -> PcreRule:
        flags = _flags(rule, complain)
        try:
            pattern = pcre2.compile(encode(rule.first.pattern), flags | pcre2.ASCII)
        except pcre2.PatternError as error:
            text = error.msg.partition("; ")[2]
            raise BadRuleError(f"error in regex at offset {error.pos}: {text}") from None
        highest = rule.template.highest if rule.template else 0
        if highest > pattern.groups:
            raise BadRuleError(f'out of range replacement index "{highest}": skipping this rule')
        return PcreRule(rule, pattern, complain, pcre2.LibraryError)

    return PcreTable(*read_rules(options, name, compiled), name)


def _flags(rule: PatternLine, complain: Complain) -> int:
    flags = FLAGS["i"] | FLAGS["s"]
    for letter in rule.first.flags:
        if letter not in FLAGS:
            raise BadRuleError(f'unknown regexp option "{letter}": skipping this rule')
        if letter == "X":
            complain(rule.line, 'ignoring obsolete regexp option "X"')
        flags ^= FLAGS[letter]
    return flags


def _result(template: Template, match: Any) -> str:
    if not template.highest:
        return template.fixed
    return "".join(
        [part if isinstance(part, str) else decode(match.group(part) or b"") for part in template.parts]
    )
