"""moment - something that is waited for, and whose waiter may go on at once

For a task it is a future like any other. A coroutine that pyfix.server.eager drives goes on
within come(), which saves a task and two turns of the loop for each answer of another daemon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Moment(asyncio.Future[Any]):
    """Made when somebody waits. resume: set by who drives the waiter without a task."""

    resume: Callable[[], None] | None = None

    def come(self, result: object = None) -> None:
        """What was waited for is there."""
        if not self.done():
            self.set_result(result)
            resume, self.resume = self.resume, None
            if resume is not None:
                resume()
