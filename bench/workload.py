"""workload - what a workload is: named cases, each a function on a started mail system, and targets"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.instance import Instance

Figures = dict[str, float]
"""What one round showed: the figure's name and unit, its value."""


class Skipped(Exception):
    """This can't be measured here; the text says why."""


@dataclass(frozen=True)
class Target:
    """What pyfix's figure must reach: in relation to Postfix's in the same run, or by itself."""

    figure: str
    bound: float
    least: bool
    ratio: bool

    def __str__(self) -> str:
        return f"{'at least' if self.least else 'at most'} {self.bound:g}{'x' if self.ratio else ''}"

    def reached(self, value: float) -> bool:
        """Whether a ratio, or pyfix's own figure, is good enough."""
        return value >= self.bound if self.least else value <= self.bound


def at_least(figure: str, bound: float) -> Target:
    """At least so many times Postfix's figure."""
    return Target(figure, bound, least=True, ratio=True)


def at_most(figure: str, bound: float) -> Target:
    """At most so many times Postfix's figure."""
    return Target(figure, bound, least=False, ratio=True)


def no_more(figure: str, bound: float) -> Target:
    """At most this much, whatever Postfix needs."""
    return Target(figure, bound, least=False, ratio=False)


@dataclass(frozen=True)
class Case:
    """One line of the table: settings of main.cf and master.cf, what is done, what must be reached."""

    label: str
    run: Callable[[Instance], Figures]
    targets: tuple[Target, ...] = ()
    main_cf: dict[str, str] = field(default_factory=dict)
    master_cf: str = ""
    prepare: Callable[[Instance], None] | None = None
    """Writes files (tables, keys) before the system is started."""
    pairs: int | None = None
    """How many rounds at most, where one takes long."""
    alone: bool = False
    """Only pyfix: it is compared with itself."""


@dataclass(frozen=True)
class Workload:
    """w1 ... w12: a name, a title, its cases."""

    name: str
    title: str
    cases: tuple[Case, ...]
