"""turn - what happens in one turn of the event loop leaves in one write

A request in a batch of ten costs a fraction of one alone, because the wake-up of the
reader is what costs.
"""

from __future__ import annotations

from pyfix.unix.loop import Loop
from pyfix.unix.transport import StreamTransport


class TurnWriter:
    """Collects writes to a transport and hands them over once per loop turn."""

    __slots__ = ("_held", "_loop", "_out", "_transport")

    def __init__(self, transport: StreamTransport, loop: Loop) -> None:
        self._transport = transport
        self._loop = loop
        self._out: list[bytes] = []
        self._held = False

    def write(self, data: bytes) -> None:
        """Send with all else of this turn."""
        if not self._out and not self._held:
            self._loop.poller.after(self.flush)
        self._out.append(data)

    def hold(self) -> None:
        """Collect until release(), which comes in this turn: so the loop need not turn once more."""
        self._held = True

    def release(self) -> None:
        """Send what was collected."""
        self._held = False
        self.flush()

    def flush(self) -> None:
        """Send now what was collected."""
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            if not self._transport.is_closing():
                self._transport.write(data)

    def close(self) -> None:
        """Send what was collected, then close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """End it without what was collected."""
        self._out.clear()
        self._transport.abort()
