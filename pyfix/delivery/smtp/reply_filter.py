"""reply_filter - lines of replies that an administrator wants to have said otherwise

Each line is looked up as it came, without its end, before anything is made of it.

Parameters: smtp_reply_filter
"""

from __future__ import annotations

from contextlib import suppress

from pyfix.delivery.smtp import log
from pyfix.delivery.smtp.addresses import Server
from pyfix.maps.maps import Maps
from pyfix.maps.table import TableError
from pyfix.unix import msg


class Filter:
    """Of one connection. limit: bytes of a line; what is longer passes as it is."""

    def __init__(self, maps: Maps, server: Server, limit: int) -> None:
        self._maps = maps
        self._server = server
        self._limit = limit
        self._rest = b""

    async def apply(self, data: bytes) -> bytes:
        """Whole lines, filtered; what follows the last one waits for its end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        changed = b"".join([await self._line(line) for line in lines])
        if len(self._rest) > self._limit:
            changed, self._rest = changed + self._rest, b""
        return changed

    async def _line(self, line: bytes) -> bytes:
        text = line.rstrip(b"\r").decode("utf-8", "surrogateescape")
        with suppress(TableError):
            found = await self._maps.find(text)
            if found is not None:
                msg.info(log.replacing(self._server, text, found))
                return found.encode("utf-8", "surrogateescape") + b"\r\n"
        return line + b"\n"
