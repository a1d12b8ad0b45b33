"""regexp - lookup table of POSIX regular expressions, first match wins

    /pattern/flags result     !/pattern/flags result     if /pattern/flags ... endif

Flags toggle: i ignores case (on), x extended syntax (on), m lets ^ and $ match at line ends
(off). A bad rule is reported with its file and line and skipped, so that one typing error
does not take the whole table away.

See also: regexp_table(5).
"""

from pyfix.maps import regcomp
from pyfix.maps.delimited import PatternLine, read_rules
from pyfix.maps.lines import decode, encode
from pyfix.maps.rules import BadRuleError, Template
from pyfix.maps.table import Options
from pyfix.maps.watch import Watch

FLAGS = {"i": regcomp.ICASE, "m": regcomp.NEWLINE, "x": regcomp.EXTENDED}


class RegexpRule:
    """One pattern. template: None for an IF; skip_to: where to go on when it doesn't match."""

    __slots__ = ("_fixed", "_negated", "_pattern", "line", "skip_to", "template")

    def __init__(
        self, line: int, pattern: regcomp.Pattern, *, negated: bool, template: Template | None
    ) -> None:
        self.line = line
        self.skip_to = 0
        self.template = template
        self._pattern = pattern
        self._negated = negated
        self._fixed = None if template is None or template.highest else template.fixed

    def matches(self, text: bytes) -> bool:
        """Whether the rule applies to the text."""
        return self._pattern.search(text) is not self._negated

    def result(self, text: bytes) -> str:
        """The value for a text that has just matched."""
        if self._fixed is not None:
            return self._fixed
        assert self.template is not None
        group = self._pattern.group
        return "".join(
            [part if isinstance(part, str) else decode(group(part, text)) for part in self.template.parts]
        )


class RegexpTable:
    """regexp:name."""

    fixed = False  # a pattern table: callers must not try partial keys

    def __init__(self, rules: list[RegexpRule], watch: Watch | None) -> None:
        self._rules = rules
        self.watch = watch

    def lookup(self, key: str) -> str | None:
        """The result of the first rule that matches."""
        text = encode(key)
        rules = self._rules
        at = 0
        while at < len(rules):
            rule = rules[at]
            if not rule.matches(text):
                at = rule.skip_to
            elif rule.template is None:
                at += 1
            else:
                return rule.result(text)
        return None


def open_regexp(options: Options, name: str) -> RegexpTable:
    """Read and compile the rules; OpenError when the file can't be read."""
    return RegexpTable(*read_rules(options, name, _compile))


def _compile(rule: PatternLine) -> RegexpRule:
    flags = regcomp.ICASE | regcomp.EXTENDED
    for letter in rule.flags:
        if letter not in FLAGS:
            raise BadRuleError(f'unknown regexp option "{letter}": skipping this rule')
        flags ^= FLAGS[letter]
    highest = rule.template.highest if rule.template else 0
    try:
        pattern = regcomp.Pattern(encode(rule.pattern), flags, captures=highest)
    except regcomp.BadPatternError as error:
        raise BadRuleError(str(error)) from None
    if highest > pattern.groups:
        raise BadRuleError(f'out of range replacement index "{highest}": skipping this rule')
    return RegexpRule(rule.line, pattern, negated=rule.negated, template=rule.template)
