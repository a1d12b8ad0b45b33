"""patterns - the first of many rules that applies, with few regular expressions tried

    patterns = Patterns(rules)
    found = patterns.first(b"Subject: hello")       (rule, match) or None

A rule whose expression needs a literal text is tried only where that text is. In a long table
an index of three-byte pieces finds those rules, so that a lookup costs by the length of the
text rather than by the number of rules. The order of rules, IF and ENDIF count as written.

See also: pyfix.maps.literals.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from pyfix.maps.rules import Template

LONG = 50
"""Rules from which on an index is worth its costs."""

Piece = tuple[int, int, int]


class Rule(Protocol):
    """A rule. template: None for an IF; needs: of which texts one must be there, () for no limit."""

    template: Template | None
    skip_to: int
    needs: tuple[bytes, ...]

    def search(self, text: bytes) -> Any:
        """Something true when the rule applies."""
        ...


R = TypeVar("R", bound=Rule)


class Patterns(Generic[R]):
    """A list of rules."""

    def __init__(self, rules: Sequence[R]) -> None:
        self._rules = rules
        self._always: Sequence[int] = range(len(rules))
        self._index: dict[Piece, list[int]] = {}
        if len(rules) >= LONG:
            self._build_index()

    def first(self, text: bytes) -> tuple[R, Any] | None:
        """The rule that gives the result for a text, and what its search gave."""
        lowered = text.lower()
        at = 0
        for number in self._candidates(lowered):
            if number < at:
                continue
            rule = self._rules[number]
            match = rule.search(text) if _has(lowered, rule.needs) else None
            if not match:
                at = rule.skip_to
            elif rule.template is not None:
                return rule, match
        return None

    def _candidates(self, lowered: bytes) -> Iterable[int]:
        """The numbers of rules that may apply, and of all IFs, in order."""
        index = self._index
        if not index:
            return self._always
        pieces = index.keys() & set(zip(lowered, lowered[1:], lowered[2:], strict=False))
        if not pieces:
            return self._always
        return sorted({*self._always, *[number for piece in pieces for number in index[piece]]})

    def _build_index(self) -> None:
        always = []
        for number, rule in enumerate(self._rules):
            if rule.template is None or not rule.needs or min(map(len, rule.needs)) < 3:
                always.append(number)
                continue
            for literal in rule.needs:
                pieces = zip(literal, literal[1:], literal[2:], strict=False)
                rarest = min(pieces, key=lambda piece: len(self._index.get(piece, ())))
                self._index.setdefault(rarest, []).append(number)
        self._always = always


def _has(lowered: bytes, needs: tuple[bytes, ...]) -> bool:
    for literal in needs:
        if literal in lowered:
            return True
    return not needs
