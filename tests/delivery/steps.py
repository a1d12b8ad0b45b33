"""A delivery by itself, of an agent whose deliveries take turns."""

from collections.abc import Iterator

from pyfix.delivery.outcome import Outcome, Turn
from pyfix.unix.as_user import become


def settled(steps: Iterator[Outcome | Turn]) -> list[Outcome]:
    """Its outcomes; between them it is who it wants to be."""
    outcomes = []
    for step in steps:
        if isinstance(step, Turn):
            become(*step.who)
        else:
            outcomes.append(step)
    return outcomes
