"""threads - where tables that ask servers are asked, so that no event loop waits for them

Drivers of databases block. A table has a few threads of its own, which start when they are
needed: a server that hangs holds up its own table only. A program without an event loop does
without them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

WORKERS = 4
"""Threads of a table, and so connections to a server."""


class TableThreads:
    """The threads of one table."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="table")

    async def run(self, lookup: Callable[[str], str | None], key: str) -> str | None:
        """The lookup's answer; what it raises passes through."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return lookup(key)
        return await loop.run_in_executor(self._pool, lookup, key)
