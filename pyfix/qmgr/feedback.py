"""feedback - how many deliveries to one destination go on at once

Each destination has a window. A delivery that worked gives positive feedback, one that failed
for the whole site gives negative feedback; when enough feedback has come the window moves by
one. The amount may depend on the window: `1`, `1 / 8`, `1 / concurrency`, `1 / sqrt_concurrency`.
Pure: no clock, no queue.

Parameters (each with default_ or the transport's name before it): initial_destination_concurrency,
destination_concurrency_limit, destination_concurrency_positive_feedback,
destination_concurrency_negative_feedback, destination_concurrency_failed_cohort_limit.
"""

from __future__ import annotations

import re

HYSTERESIS = 1.0  # how much feedback moves the window by one

_NUMBER = r"[0-9]*\.?[0-9]+|[0-9]+\."
_SYNTAX = re.compile(rf"\s*({_NUMBER})\s*(?:/\s*({_NUMBER}|concurrency|sqrt_concurrency)\s*)?", re.ASCII)
_POWERS = {"concurrency": 1.0, "sqrt_concurrency": 0.5}


class Feedback:
    """An amount of feedback: `base`, divided by the window to a `power` (0, 0.5 or 1)."""

    __slots__ = ("base", "power")

    def __init__(self, base: float = 1.0, power: float = 0.0) -> None:
        self.base = base
        self.power = power

    def at(self, window: int) -> float:
        """The amount for this window."""
        return self.base / window**self.power if self.power else self.base


def parse_feedback(text: str) -> Feedback:
    """The amount that a main.cf value stands for; ValueError when it is none between 0 and 1."""
    found = _SYNTAX.fullmatch(text)
    if found is None:
        raise ValueError(f"malformed feedback: {text}")
    base, divisor = float(found[1]), found[2]
    power = 0.0
    if divisor in _POWERS:
        power = _POWERS[divisor]
    elif divisor is not None:
        base = base / float(divisor) if float(divisor) else 2.0
    if base > 1:
        raise ValueError(f"feedback is not between 0 and 1: {text}")
    return Feedback(base, power)


class Rules:
    """The limits of one transport.

    initial: window of a destination that is new or alive again; limit: largest window (0: none);
    cohort_limit: how many windows of failed deliveries make a destination dead (0: it never is).
    """

    __slots__ = ("cohort_limit", "initial", "limit", "negative", "positive")

    def __init__(
        self,
        initial: int = 5,
        limit: int = 20,
        cohort_limit: float = 1,
        positive: Feedback | None = None,
        negative: Feedback | None = None,
    ) -> None:
        self.initial = initial if limit == 0 else min(initial, limit)
        self.limit = limit
        self.cohort_limit = cohort_limit
        self.positive = positive or Feedback()
        self.negative = negative or Feedback()


class Window:
    """The window of one destination. size: deliveries at once; 0: the destination is dead."""

    __slots__ = ("_rules", "fail_cohorts", "failure", "size", "success")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.size = rules.initial
        self.success = 0.0
        self.failure = 0.0
        self.fail_cohorts = 0.0

    def succeeded(self, busy: int) -> None:
        """A delivery worked. busy: deliveries under way, this one included."""
        self.fail_cohorts = 0.0
        rules = self._rules
        if not self.size:
            self.revive(busy)
        if (rules.limit and self.size >= rules.limit) or self.size >= busy + rules.initial:
            return
        amount = rules.positive.at(self.size)
        self.success += amount
        while self.success + amount / 2 >= HYSTERESIS:
            self.size += 1
            self.success -= HYSTERESIS
            self.failure = 0.0
        if rules.limit:
            self.size = min(self.size, rules.limit)

    def failed(self) -> bool:
        """A delivery met trouble of the whole site; True when the destination is dead now."""
        if not self.size:
            return True
        rules = self._rules
        self.fail_cohorts += 1.0 / self.size
        if rules.cohort_limit and self.fail_cohorts >= rules.cohort_limit:
            self.size = 0
            return True
        amount = rules.negative.at(self.size)
        self.failure -= amount
        while self.failure - amount / 2 < 0:
            self.size -= 1
            self.success = 0.0
            self.failure += HYSTERESIS
        self.size = max(self.size, 1)
        return False

    def revive(self, busy: int) -> None:
        """A dead destination may be tried again."""
        self.size = busy or self._rules.initial
        self.success = self.failure = self.fail_cohorts = 0.0
