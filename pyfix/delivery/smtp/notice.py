"""notice - what was said in a conversation that broke the protocol, for the administrator

Written down only where notify_classes has "protocol". Sent when the connection ends, if the server answered
what SMTP does not provide for: 50x, a reply of another class than can be, a line that is no reply.

With -v, and with a server of debug_peer_list, the lines go to the log as they come.

Parameters: notify_classes, error_notice_recipient
"""

from __future__ import annotations

from pyfix.clients.notice import folded
from pyfix.delivery.smtp import log
from pyfix.delivery.smtp.addresses import Server
from pyfix.unix import msg

MOST_LINES = 1000
COMMAND_TROUBLE = range(500, 505)  # answers to what should not have been sent, or not so


class Transcript:
    """One conversation. broken: it is one to tell of. logged: it goes to the log too, as one with this server."""

    def __init__(self, logged: Server | None = None) -> None:
        self.lines: list[str] = []
        self.broken = False
        self._logged = logged

    def sent(self, data: bytes) -> None:
        """Commands."""
        self._add(">", " Out: ", data)

    def received(self, data: bytes) -> None:
        """Whole lines of replies."""
        self._add("<", " In:  ", data)

    def _add(self, direction: str, prefix: str, data: bytes) -> None:
        for line in data.decode("utf-8", "replace").splitlines():
            if self._logged is not None:
                msg.info(log.talk(direction, self._logged, line))
            if len(self.lines) < MOST_LINES:
                self.lines += folded(prefix, line)

    def report(self, server: str) -> list[str]:
        """What the notice says. server: its name, address and port."""
        return [f"Unexpected response from {server}.", "", "Transcript of session follows.", "", *self.lines]
