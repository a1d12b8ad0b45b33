"""run_now - drives a coroutine that does not wait

Decision code is `async def`, since any lookup may wait. Where all tables are local it never
does; then a program without an event loop, or a test, takes its value on the spot.
"""

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class WaitsError(RuntimeError):
    """The coroutine would have to wait, and there is no event loop to wait in."""


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's value; its exceptions pass through. WaitsError when it would wait."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    coroutine.close()
    raise WaitsError(f"{coroutine!r} waits for something")
