"""cidr - lookup table of network patterns, first match wins

    network/length result     !network/length result     if network/length ... endif

A bad line is reported with its file and number and skipped, so that one typing error does
not take the whole table away. Keys that are not addresses match nothing.

See also: cidr_table(5).
"""

from pyfix.maps.lines import SPACE
from pyfix.maps.network import Address, BadNetworkError, Network, parse_address, parse_network
from pyfix.maps.rules import BadRuleError, Complain, Nesting, keyword, negation, table_lines
from pyfix.maps.table import Options
from pyfix.maps.watch import Watch


class CidrRule:
    """One pattern. value: None for an IF; skip_to: where to go on when it doesn't match."""

    __slots__ = ("_negated", "_network", "line", "skip_to", "value")

    def __init__(self, line: int, network: Network, *, negated: bool, value: str | None) -> None:
        self.line = line
        self.skip_to = 0
        self.value = value
        self._network = network
        self._negated = negated

    def matches(self, address: Address) -> bool:
        """Whether the rule applies; to an address of the other IP version none does, negated or not."""
        return address.version == self._network.version and (
            self._network.contains(address) is not self._negated
        )


class CidrTable:
    """cidr:name."""

    fixed = False  # a pattern table: callers must not try partial keys

    def __init__(self, rules: list[CidrRule], watch: Watch | None) -> None:
        self._rules = rules
        self.watch = watch

    def lookup(self, key: str) -> str | None:
        """The value of the first rule that matches; no address, no value."""
        address = parse_address(key)
        if address is None:
            return None
        rules = self._rules
        at = 0
        while at < len(rules):
            rule = rules[at]
            if not rule.matches(address):
                at = rule.skip_to
            elif rule.value is None:
                at += 1
            else:
                return rule.value
        return None


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
    return CidrTable(rules, watch)


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
