"""cidr - lookup table of network patterns, first match wins

    network/length result     !network/length result     if network/length ... endif

A bad line is reported with its file and number and skipped, so that one typing error does
not take the whole table away. Keys that are not addresses match nothing.

See also: cidr_table(5).
"""

from pyfix.maps.lines import SPACE
from pyfix.maps.network import BadNetworkError, Network, pack_address, parse_network
from pyfix.maps.ranges import Ranges
from pyfix.maps.rules import BadRuleError, Complain, Nesting, keyword, negation, table_lines
from pyfix.maps.table import Options
from pyfix.maps.watch import Watch
from pyfix.unix import msg


class CidrRule:
    """One pattern, for addresses of its IP version only, negated or not.

    value: None for an IF; skip_to: where to go on when it doesn't match.
    """

    __slots__ = ("line", "negated", "network", "skip_to", "value")

    def __init__(self, line: int, network: Network, *, negated: bool, value: str | None) -> None:
        self.line = line
        self.skip_to = 0
        self.network = network
        self.negated = negated
        self.value = value


class CidrTable:
    """cidr:name."""

    fixed = False  # a pattern table: callers must not try partial keys

    def __init__(self, rules: list[CidrRule], watch: Watch | None, name: str) -> None:
        self._four = Ranges.compiled(rules, 4)
        self._six = Ranges.compiled(rules, 6)
        self.watch = watch
        self._name = name

    def lookup(self, key: str) -> str | None:
        """The value of the first rule that matches; no address, no value."""
        if msg.verbose:
            msg.info(f"dict_cidr_lookup: {self._name}: {key}")
        packed = pack_address(key)
        if packed is None:
            return None
        ranges = self._four if len(packed) == 4 else self._six
        return ranges.value(int.from_bytes(packed))


def open_cidr(options: Options, name: str) -> CidrTable:
    """Read the rules; bad ones are reported. OpenError when the file can't be read."""
    lines, watch = table_lines(options, name)
    complain = Complain(options.type, name)
    rules: list[CidrRule] = []
    nesting = Nesting()
    for number, line in lines:
        try:
            _add(rules, nesting, number, line.rstrip(SPACE))
        except (BadRuleError, BadNetworkError) as error:
            complain(number, f"{error}: skipping this rule")
    nesting.finish(complain, len(rules))
    return CidrTable(rules, watch, name)


def _add(rules: list[CidrRule], nesting: Nesting, number: int, line: str) -> None:
    word, rest = keyword(line)
    if word == "endif":
        _end(nesting, rest, len(rules))
        return
    negated, rest = negation(rest)
    if not rest:
        raise BadRuleError("no address pattern")
    pattern, value = (rest, None) if word else _split(rest)
    rule = CidrRule(number, parse_network(pattern), negated=negated, value=value)
    if value == "":
        raise BadRuleError("no lookup result")
    rule.skip_to = len(rules) + 1
    rules.append(rule)
    if value is None:
        nesting.start(rule)


def _end(nesting: Nesting, rest: str, at: int) -> None:
    if not nesting:
        raise BadRuleError("ENDIF without IF")
    if rest:
        raise BadRuleError("garbage after ENDIF")
    nesting.end(at)


def _split(text: str) -> tuple[str, str | None]:
    pattern, *value = text.split(None, 1)
    return pattern, value[0] if value else ""
