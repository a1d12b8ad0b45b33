"""defer - when a message is tried again, and how long it may stay

Parameters: minimal_backoff_time, maximal_backoff_time, maximal_queue_lifetime, bounce_queue_lifetime.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """All in seconds."""

    minimal: float = 300
    maximal: float = 4000
    lifetime: float = 432000
    bounce_lifetime: float = 432000

    def delay(self, age: float) -> float:
        """Seconds until the next try of a message of that age: as long as it has waited, within bounds."""
        return max(self.minimal, min(age, self.maximal))

    def expired(self, age: float, sender: str) -> bool:
        """Whether a message that was just tried is not tried again. 0 means one try."""
        return age >= (self.lifetime if sender else self.bounce_lifetime)
