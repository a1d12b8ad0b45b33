"""regexp - lookup table of POSIX regular expressions, first match wins

    /pattern/flags result     !/pattern/flags result     if /pattern/flags ... endif

Flags toggle: i ignores case (on), x extended syntax (on), m lets ^ and $ match at line ends
(off). A bad rule is reported with its file and line and skipped, so that one typing error
does not take the whole table away.

See also: regexp_table(5).
"""

from pyfix.maps import regcomp
from pyfix.maps.delimited import Delimited, PatternLine, read_rules
from pyfix.maps.lines import decode, encode
from pyfix.maps.literals import required
from pyfix.maps.patterns import Patterns
from pyfix.maps.rules import BadRuleError
from pyfix.maps.table import Options
from pyfix.maps.watch import Watch
from pyfix.unix import msg

FLAGS = {"i": regcomp.ICASE, "m": regcomp.NEWLINE, "x": regcomp.EXTENDED}


class RegexpRule:
    """One rule. template: None for an IF; skip_to: where to go on when it doesn't match."""

    __slots__ = ("_but", "_but_negated", "_fixed", "_negated", "_pattern", "line", "needs", "skip_to", "template")

    def __init__(self, rule: PatternLine) -> None:
        """BadRuleError when a pattern is bad or the template asks for a group that is not there."""
        highest = rule.template.highest if rule.template else 0
        self.line = rule.line
        self.skip_to = 0
        self.template = rule.template
        self._fixed = None if rule.template is None or highest else rule.template.fixed
        self._pattern = _compile(rule.first, highest)
        self._negated = rule.first.negated
        extended = "x" not in rule.first.flags
        self.needs = required(encode(rule.first.pattern), perl=False) if extended and not self._negated else ()
        self._but = None if rule.but is None else _compile(rule.but, 0)
        self._but_negated = rule.but is not None and rule.but.negated

    def search(self, text: bytes) -> bool:
        """Whether the rule applies to the text."""
        if self._pattern.search(text) is self._negated:
            return False
        return self._but is None or self._but.search(text) is not self._but_negated

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

    def __init__(self, rules: list[RegexpRule], watch: Watch | None, name: str) -> None:
        self._patterns = Patterns(rules)
        self.watch = watch
        self._name = name

    def lookup(self, key: str) -> str | None:
        """The result of the first rule that matches."""
        if msg.verbose:
            msg.info(f"dict_regexp_lookup: {self._name}: {key}")
        text = encode(key)
        found = self._patterns.first(text)
        return None if found is None else found[0].result(text)


def open_regexp(options: Options, name: str) -> RegexpTable:
    """Read and compile the rules; OpenError when the file can't be read."""
    return RegexpTable(*read_rules(options, name, RegexpRule), name)


def _compile(text: Delimited, highest: int) -> regcomp.Pattern:
    flags = regcomp.ICASE | regcomp.EXTENDED
    for letter in text.flags:
        if letter not in FLAGS:
            raise BadRuleError(f'unknown regexp option "{letter}": skipping this rule')
        flags ^= FLAGS[letter]
    try:
        pattern = regcomp.Pattern(encode(text.pattern), flags, captures=highest)
    except regcomp.BadPatternError as error:
        raise BadRuleError(str(error)) from None
    if highest > pattern.groups:
        raise BadRuleError(f'out of range replacement index "{highest}": skipping this rule')
    return pattern
