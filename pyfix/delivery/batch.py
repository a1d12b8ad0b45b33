"""batch - an agent that takes several deliveries through their steps together

A delivery that has to wait for the disk awaits a Turn first, and all of a batch get that far before
any goes on: so the disk has all their data at once, files that Turns want synced are synced together, and
one change of its journal serves them all. Who a process is belongs to the process, so a Turn also says as
whom a delivery goes on; those of one user follow each other. All log lines leave together, and all answers in one
write.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from pyfix.clients.deliver import PROTOCOL
from pyfix.delivery.agent import Deliver, SerialAgent
from pyfix.delivery.outcome import Who
from pyfix.server.context import Context
from pyfix.server.serial_link import SerialLink
from pyfix.unix import msg
from pyfix.unix.as_user import become
from pyfix.unix.fsync import Sync, sync_all
from pyfix.unix.maillog_client import Postlog
from pyfix.wire.stream import Frame, encode_frame

BATCH = 20  # requests: as many as one destination has at once by default


def take_turns(
    deliveries: Sequence[Coroutine[Any, Any, bytes]], owner: Who, become: Callable[[int, int], None]
) -> list[bytes]:
    """What each delivery returns. They wait for nothing but Turns, and begin as `owner`.

    become: called with the uid and gid of who is next when that is somebody else, and with owner's at the end.
    """
    answers = [b""] * len(deliveries)
    waiting = [(owner, number) for number in range(len(deliveries))]
    now = owner
    while waiting:
        following: list[tuple[Who, int]] = []
        files: list[Sync] = []
        for who, number in sorted(waiting):
            if who != now:
                become(*who)
                now = who
            try:
                turn = deliveries[number].send(None)
            except StopIteration as done:
                answers[number] = done.value
            else:
                following.append((turn.who, number))
                if turn.sync is not None:
                    files.append(turn.sync)
        if files:
            sync_all(files)
        waiting = following
    if now != owner:
        become(*owner)
    return answers


class BatchAgent(SerialAgent):
    """One that takes requests through their steps together. owner: who opens queue files and settles outcomes."""

    def __init__(
        self, context: Context, deliver: Deliver, *, relay: str, owner: Who, status_filter: str = ""
    ) -> None:
        super().__init__(
            context, deliver, relay=relay, concurrency=BATCH, status_filter=status_filter, owner=owner
        )
        self._owner = owner

    def serve(self, sock: socket.socket) -> None:
        """One connection of qmgr's, to its end."""
        link = SerialLink(sock, PROTOCOL, self._greeting, self._wake, self.max_idle)
        for frames in link.batches():
            link.send_all(self.answers(frames, link.peer_gone))

    def answers(self, frames: list[Frame], gone: Callable[[], bool]) -> list[bytes]:
        """Do what these frames ask, together; the frames that answer. gone: see Frame.handle()."""
        deliveries = [self._frame.handle(attrs, body, gone) for _, attrs, body in frames]
        logs = [sink for sink in msg.active() if isinstance(sink, Postlog)]
        for log in logs:
            log.hold()
        try:
            answers = take_turns(deliveries, self._owner, become)
        finally:
            for log in logs:
                log.release()
        return [encode_frame(stream, answer) for (stream, _, _), answer in zip(frames, answers, strict=True)]
