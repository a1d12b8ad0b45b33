"""A delivery by itself, of an agent whose deliveries take turns."""

from pyfix.clients.deliver import Request
from pyfix.delivery.agent import Deliver, Delivery
from pyfix.delivery.outcome import Outcome, Settled
from pyfix.unix.as_user import become


def settled(deliver: Deliver, request: Request, fd: int) -> list[Outcome]:
    """Its outcomes; between them it is who it wants to be."""
    outcomes: list[Outcome] = []

    async def settle(_: Delivery, outcome: Outcome | Settled) -> None:
        assert isinstance(outcome, Outcome)
        outcomes.append(outcome)

    async def run() -> None:
        await deliver(Delivery(request, fd, settle))  # type: ignore[misc]  # it is a coroutine

    for turn in run().__await__():
        become(*turn.who)
    return outcomes
