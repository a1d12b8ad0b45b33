"""rounds - A B A B: each case on fresh systems in turn, then medians, pairwise ratios, targets"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bench.instance import Instance, Kind
from bench.workload import Case, Figures, Skipped, Target

Observer = Callable[[Instance, int], AbstractContextManager[object]]


@dataclass
class Result:
    """What the rounds of one case showed, by system; or why there were none."""

    workload: str
    label: str
    targets: tuple[Target, ...]
    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    skipped: str | None = None

    def names(self) -> list[str]:
        """The figures, in their order."""
        return list(next(iter(self.rounds.values()))[0])

    def median(self, system: str, figure: str) -> float | None:
        """One system's median; None where it was not measured."""
        values = [figures[figure] for figures in self.rounds.get(system, []) if figure in figures]
        return statistics.median(values) if values else None

    def ratio(self, figure: str) -> float | None:
        """Median of the pairwise ratios, pyfix's by Postfix's."""
        pairs = zip(self.rounds.get("pyfix", []), self.rounds.get("postfix", []), strict=False)
        found = [ours[figure] / theirs[figure] for ours, theirs in pairs if theirs.get(figure) and figure in ours]
        return statistics.median(found) if found else None

    def target(self, figure: str) -> tuple[Target, bool | None] | None:
        """The figure's target, and whether it was reached (None: not known)."""
        for target in self.targets:
            if target.figure == figure:
                value = self.ratio(figure) if target.ratio else self.median("pyfix", figure)
                return target, None if value is None else target.reached(value)
        return None


def one_round(kind: Kind, case: Case, observer: Observer | None = None) -> Figures:
    """A fresh system, the case, the system's end."""
    mail = Instance(kind, case.main_cf, case.master_cf)
    mail.observer = observer
    with mail:
        if case.prepare is not None:
            case.prepare(mail)
        mail.start()
        return case.run(mail)


def compare(workload: str, case: Case, kinds: list[Kind], pairs: int) -> Result:
    """All rounds of one case."""
    result = Result(workload, case.label, case.targets)
    for _ in range(min(pairs, case.pairs or pairs)):
        for kind in kinds[:1] if case.alone else kinds:
            try:
                figures = one_round(kind, case)
            except Skipped as reason:
                result.skipped = f"skipped: {kind.name}: {reason}"
                return result
            result.rounds.setdefault(kind.name, []).append(figures)
    return result
