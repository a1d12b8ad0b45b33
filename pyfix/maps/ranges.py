"""ranges - network rules compiled to one sorted list of address ranges

    ranges = Ranges.compiled(rules, 4)
    ranges.value(0x7F000001)

The bounds of all networks cut the address space into cells within which every rule says the
same. Each cell is given to the first rule that ends the search there, so that a lookup is a
binary search whatever the number of rules, and negation, IF and ENDIF cost nothing.

See also: cidr_table(5).
"""

from array import array
from bisect import bisect_right
from collections.abc import MutableSequence, Sequence
from typing import Protocol

from pyfix.maps.network import BITS, Network

Span = tuple[int, int]
"""Cells from the first number up to, but without, the second."""


class Rule(Protocol):
    """A rule as read. value: None for an IF, which covers the rules before number skip_to."""

    network: Network
    negated: bool
    value: str | None
    skip_to: int


class Ranges:
    """What each range of addresses of one IP version gives."""

    __slots__ = ("_starts", "_values")

    def __init__(self, starts: Sequence[int], values: list[str | None]) -> None:
        """starts: where each range begins, from 0 on upwards; values: of each."""
        self._starts = starts
        self._values = values

    @classmethod
    def compiled(cls, rules: Sequence[Rule], version: int) -> "Ranges":
        """The ranges for addresses of IP version 4 or 6."""
        nets = [rule.network for rule in rules if rule.network.version == version]
        bounds = {0, *[net.number for net in nets], *[net.after for net in nets]}
        bounds.discard(1 << BITS[version])
        starts = sorted(bounds)
        return cls(*_joined(starts, _painted(rules, version, starts), version))

    def value(self, number: int) -> str | None:
        """The value for an address; None when no rule gives one."""
        return self._values[bisect_right(self._starts, number) - 1]


def _painted(rules: Sequence[Rule], version: int, starts: list[int]) -> list[str | None]:
    """The value of each cell."""
    cells = _Cells(len(starts))
    cell = {start: number for number, start in enumerate(starts)}
    blocks = [(len(rules), [(0, len(starts))])]  # open IFs: where each ends, where it applies
    at = 0
    while at < len(rules):
        while blocks[-1][0] <= at:
            blocks.pop()
        rule = rules[at]
        at += 1
        net = rule.network
        if net.version != version:
            at = rule.skip_to
            continue
        span = cell[net.number], cell.get(net.after, len(starts))
        spans = _clipped(blocks[-1][1], span, negated=rule.negated)
        if rule.value is None:
            blocks.append((rule.skip_to, spans))
        else:
            cells.paint(spans, rule.value)
    return cells.values


def _clipped(spans: list[Span], by: Span, *, negated: bool) -> list[Span]:
    """What of the spans is within another one, or outside of it."""
    low, high = by
    if not negated:
        return [(max(start, low), min(end, high)) for start, end in spans if start < high and end > low]
    before = [(start, min(end, low)) for start, end in spans if start < low]
    return before + [(max(start, high), end) for start, end in spans if end > high]


class _Cells:
    """Values of cells, each written once."""

    def __init__(self, count: int) -> None:
        self.values: list[str | None] = [None] * count
        self._free = list(range(count + 1))  # a cell at or after this one, on the way to one that is free

    def paint(self, spans: list[Span], value: str) -> None:
        """Give the value to those cells in the spans that have none yet."""
        for start, end in spans:
            at = self._find(start)
            while at < end:
                self.values[at] = value
                self._free[at] = at + 1
                at = self._find(at + 1)

    def _find(self, at: int) -> int:
        """The first free cell from here on; shortens the way for those who come after."""
        free = self._free
        found = at
        while free[found] != found:
            found = free[found]
        while free[at] != found:
            free[at], at = found, free[at]
        return found


def _joined(
    starts: list[int], values: list[str | None], version: int
) -> tuple[Sequence[int], list[str | None]]:
    """The same without bounds between equal values; compact where an address fits a machine word."""
    bounds: MutableSequence[int] = array("L") if version == 4 else []
    kept: list[str | None] = []
    for start, value in zip(starts, values, strict=True):
        if not kept or value != kept[-1]:
            bounds.append(start)
            kept.append(value)
    return bounds, kept
