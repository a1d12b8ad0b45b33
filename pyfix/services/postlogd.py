"""postlogd - writes the lines of all daemons to maillog_file

Service: postlog, unix-dgram. One line in a datagram from Postfix's programs, one or more
from ours; the time, host and program stand in them already. Lines of our daemons, which come
in batches, are put in the order in which they were said (maillog_client's stamps): they wait
here for WINDOW seconds; while late ones come, whose daemons had to wait for a postlogd, for
SETTLE more. Others are written at once. Without maillog_file the text goes to syslog. A reload
makes a new postlogd, which opens the file anew.

Privileges: mail_owner; the file is opened before.
Parameters: maillog_file, maillog_file_permissions, maillog_file_prefixes, syslog_facility
Sources: postlogd(8).
"""

import asyncio
import os
import socket
import time
from bisect import bisect
from collections.abc import Callable, Sequence

from pyfix.config.check import maillog_file
from pyfix.config.params.mail import MailParams
from pyfix.server import log
from pyfix.server.context import Context
from pyfix.unix import msg
from pyfix.unix.loop import running
from pyfix.unix.maillog_client import GAP, LATEST, SELDOM, STAMP, Append, Syslog, stamp_of
from pyfix.unix.msg import Priority

STDOUT = "/dev/stdout"
BATCH = 256
"""Datagrams written at once."""
WINDOW = LATEST + GAP
"""Seconds that a stamped line waits for those that were said before it."""
LATE = 3 * WINDOW
"""Seconds after which a line is late: nobody took it in time, nor, it seems, those of others."""
SETTLE = 2 * SELDOM
"""Seconds without late lines until lines are written again: meanwhile all daemons offer what they have."""
LONGEST = 1.0
"""Seconds that lines wait for late ones at most."""
TICK = GAP
"""Seconds between two looks at the socket while lines wait, at most: no datagram wakes this process up meanwhile."""
SOONEST = TICK / 10
"""The same, at least."""
ENOUGH = 5
"""Datagrams to be found in one look: the socket may hold ten only, and who finds it full has to wait."""
_SIZE = 65536
_FRAME_WORDS = 5

Write = Callable[[Sequence[bytes]], None]


class Postlogd:
    """The service's one worker."""

    def __init__(self, context: Context) -> None:
        cfg = MailParams(context.main)
        self._syslog = Syslog(log.tag(context.main, context.program), cfg.syslog_facility)
        self._write: Write = self._to_syslog
        self._fd = -1
        if cfg.maillog_file:
            maillog_file(cfg)
            self._fd = open_log(cfg.maillog_file, log.file_mode(context.main))
            self._write = self._to_file
            msg.to(Append(self._fd, log.frame(context.main, context.program)))
        self._waiting: list[bytes] = []
        """Lines with their stamps."""
        self._tick: asyncio.TimerHandle | None = None
        self._pause = TICK
        self._watches = False
        self._late = False
        """Whether the last look has found late lines."""
        self._settled = self._at_last = 0.0
        """When lines are written again, and when they are at the latest; 0 where none were late."""
        self._sock: socket.socket
        self._over = asyncio.Event()

    async def start(self) -> None:
        """Nothing runs beside the datagrams."""

    async def serve_datagrams(self, sock: socket.socket) -> None:
        """Write lines until retire()."""
        self._sock = sock
        self._watch(on=True)
        await self._over.wait()
        self._watch(on=False)
        if self._tick is not None:
            self._tick.cancel()
        while self.receive():
            pass
        self.write_in_order(0)

    async def retire(self) -> None:
        """Write what has arrived, and end."""
        self._over.set()

    def _watch(self, *, on: bool) -> None:
        if on != self._watches:
            self._watches = on
            poller = running().poller
            if on:
                poller.add(self._sock.fileno(), self._look)
            else:
                poller.remove(self._sock.fileno())

    def _on_tick(self) -> None:
        self._tick = None
        self._look()

    def _look(self) -> None:
        count = self.receive()
        if self._is_settled():
            self.write_in_order(WINDOW)
        self._watch(on=not self._waiting)
        if self._waiting and self._tick is None:
            self._pause = pause_after(count, self._pause)
            self._tick = asyncio.get_running_loop().call_later(self._pause, self._on_tick)

    def _is_settled(self) -> bool:
        """Whether no late lines are to be expected, or it has been long enough."""
        now = time.monotonic_ns() / 1e9
        if self._late:
            self._at_last = self._at_last or now + LONGEST
            self._settled = min(now + SETTLE, self._at_last)
        elif now >= self._settled:
            self._at_last = 0.0
        return now >= self._settled

    def receive(self) -> int:
        """Take the datagrams that are there, write lines without a stamp; returns how many datagrams."""
        stamped, plain = self._waiting, list[bytes]()
        late = stamp_of(time.monotonic_ns() - round(LATE * 1e9))
        self._late = False
        count = 0
        try:
            while count < BATCH:
                data = self._sock.recv(_SIZE)
                count += 1
                if b"\x01" <= data[:STAMP] < late:
                    self._late = True
                for line in data.strip(b"\n").replace(b"\0", b"?").split(b"\n"):
                    (stamped if line[:1] == b"\x01" else plain).append(line)
        except (BlockingIOError, InterruptedError):
            pass
        if plain:
            self._write(plain)
        return count

    def write_in_order(self, window: float) -> None:
        """Write the lines that are older than window seconds, and those whose stamp can't be right."""
        now = time.monotonic_ns()
        lines = self._waiting
        lines.sort()
        old, future = bisect(lines, stamp_of(now - round(window * 1e9))), bisect(lines, stamp_of(now + 1))
        self._waiting = lines[old:future]
        if due := lines[:old] + lines[future:]:
            self._write([line[STAMP:] for line in due])

    def _to_file(self, lines: Sequence[bytes]) -> None:
        data = b"\n".join(lines) + b"\n"
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self._syslog(Priority.ERROR, f"error: write log file: {error.strerror}")
            self._to_syslog(data.split(b"\n")[:-1])

    def _to_syslog(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            words = line.split(None, _FRAME_WORDS)
            self._syslog(Priority.INFO, words[-1].decode("utf-8", "replace"))


def pause_after(count: int, pause: float) -> float:
    """Seconds until the next look, when one after `pause` seconds has found `count` datagrams."""
    return min(TICK, max(SOONEST, pause * ENOUGH / max(count, 1)))


def open_log(path: str, mode: int) -> int:
    """The descriptor that lines are appended to; fatal when it can't be had."""
    if path == STDOUT:
        return 1
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
    except OSError as error:
        msg.fatal(f"open log file '{path}': {error.strerror}")
