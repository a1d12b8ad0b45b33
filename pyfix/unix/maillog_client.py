"""maillog_client - where the lines of daemons go: postlogd, a file, syslog

    Mmm dd hh:mm:ss HOST TAG/PROGRAM[PID]: TEXT

With maillog_file set, lines go to postlogd as datagrams, several in one where a loop
collects them. While postlogd can't take them they wait here, at most KEEP of them for
PATIENCE seconds; older ones, and those left at the end, go to the fallback (the file where
this process may write it, else syslog). So a line is not lost in silence, and mail never
waits for one.

What a loop collects leaves up to LATEST seconds later than what another process says of the
same message meanwhile. So each line of a daemon has a stamp before it, by which postlogd
puts lines in order; it does not get into the log:

    01 (a byte), then what hex() makes of CLOCK_MONOTONIC in nanoseconds + 2**60, so that it has 16 digits
"""

import os
import socket
import struct
import syslog
import time
from _thread import get_ident  # threading would want to know of each fork
from collections.abc import Callable
from typing import Protocol

from pyfix.unix.msg import WORDS, Priority, Sink

KEEP = 20000
"""Lines that wait for postlogd."""
LINE = 8192
"""Bytes of one line, or of several in one datagram; a line that is longer is cut."""
TEXT = 2000
"""Bytes of a text without its severity; what is more is cut. Standard error gets it whole."""
TOGETHER = 64
"""Lines in one datagram, at most."""
GAP = 0.01
"""Seconds between two datagrams of a busy loop: lines that come sooner leave together, with the next line after it."""
LATEST = 1.5 * GAP
"""Seconds after which lines leave though none has come after them: busy daemons are not woken for their log alone."""
STAMP = 19
"""Bytes of a stamp."""
RETRY = 0.002
"""Seconds until lines are offered again; doubled each time that none is taken."""
SELDOM = 0.05
"""The same, at most: so that all lines that have waited arrive at nearly the same time."""
PATIENCE = 10.0
"""Seconds that lines wait for postlogd."""

_GAP_NS = round(GAP * 1e9)
_SHORT = TEXT // 4  # characters: never too long
_EPOCH = 1 << 60  # the smallest number of 16 digits
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_SYSLOG = {
    Priority.PANIC: syslog.LOG_CRIT,
    Priority.FATAL: syslog.LOG_CRIT,
    Priority.ERROR: syslog.LOG_ERR,
    Priority.WARNING: syslog.LOG_WARNING,
    Priority.INFO: syslog.LOG_INFO,
}
_TRANSIENT = (BlockingIOError, FileNotFoundError, ConnectionRefusedError, InterruptedError, PermissionError)


class Timer(Protocol):
    """A call that is to be made later."""

    def cancel(self) -> None:
        """Don't make it."""


class Scheduler(Protocol):
    """The part of an event loop that is needed here."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back after some seconds."""


class Frame:
    """Puts time, host, tag and pid before a line. pid: of a process that does not fork; 0: whoever asks."""

    def __init__(self, tag: str, host: str) -> None:
        self._host = host.partition(".")[0] or "localhost"
        self.tag = tag
        self.pid = 0
        self._second = -1
        self._shown = 0
        self._before = ""

    def line(self, text: str) -> str:
        """The whole line, without its end."""
        return self.before(int(time.time())) + text

    def before(self, second: int) -> str:
        """What stands before a line of this second."""
        pid = self.pid or os.getpid()
        if second != self._second or pid != self._shown:
            self._second, self._shown = second, pid
            self._before = f"{stamp(second)} {self._host} {self.tag}[{pid}]: "
        return self._before


def stamp(second: float) -> str:
    """`Mmm dd hh:mm:ss` of a time, in local time and English."""
    t = time.localtime(second)
    return f"{_MONTHS[t.tm_mon - 1]} {t.tm_mday:2} {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"


class Syslog:
    """Lines to the system's log; it makes the frame. Connects at once: a jail may follow."""

    def __init__(self, tag: str, facility: str = "mail") -> None:
        number = getattr(syslog, f"LOG_{facility.upper()}", syslog.LOG_MAIL)
        syslog.openlog(tag, syslog.LOG_PID | syslog.LOG_NDELAY, number)

    def __call__(self, priority: Priority, text: str) -> None:
        syslog.syslog(_SYSLOG[priority], text if len(text) <= _SHORT else cut(priority, text))


class Append:
    """Lines to a file, opened for appending, or to an open descriptor. Raises nothing once made.

    lost: told of what can't be written, with the sink; None: syslog gets it.
    """

    def __init__(
        self,
        target: str | int,
        frame: Frame,
        mode: int = 0o600,
        lost: "Callable[[Append, OSError], object] | None" = None,
    ) -> None:
        self._lost = lost
        if isinstance(target, str):
            target = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
        self._fd = target
        self._frame = frame

    def __call__(self, priority: Priority, text: str) -> None:
        if len(text) > _SHORT:
            text = cut(priority, text)
        try:
            os.write(self._fd, encoded(self._frame.line(text)) + b"\n")
        except OSError as error:
            if self._lost is not None:
                self._lost(self, error)
            else:
                syslog.syslog(_SYSLOG[priority], f"{text} (log file: {error.strerror})")


class Postlog:
    """Lines to postlogd.

    path: its socket; fallback: makes the sink for what postlogd did not take. `collect` hands
    the sending of lines to an event loop; without one each line is sent at once, waiting
    at most WAIT for room, LAST_WAIT at the end. stamps: let postlogd put lines in order, as
    all daemons do; those of commands are to be seen when the command has ended.
    """

    WAIT = struct.pack("@ll", 0, 50_000)  # struct timeval
    LAST_WAIT = struct.pack("@ll", 2, 0)  # less than master waits for whom it has told to leave

    def __init__(self, path: str, frame: Frame, fallback: Callable[[], Sink], *, stamps: bool = False) -> None:
        self._path = path
        self._frame = frame
        self._make_fallback = fallback
        self._stamps = stamps
        self._longest = LINE + STAMP * stamps
        self._fallback: Sink | None = None
        self._waiting: list[tuple[Priority, str, str, int]] = []
        self._before = ""  # what stands before a line until the monotonic clock says:
        self._until = 0
        self._loop: Scheduler | None = None
        self._thread = 0  # the loop's
        self._call_in_loop: Callable[..., object] = lambda call, *args: call(*args)
        self._timer: Timer | None = None
        self._lingers = False  # the timer is for lines that the next one may take along
        self._held = False
        self._sent = 0  # time.monotonic_ns()
        self._delay = RETRY
        self._waited = 0.0
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, self.WAIT)

    def __call__(self, priority: Priority, text: str) -> None:
        if self._loop is not None and get_ident() != self._thread:  # of a table that asks a server
            self._call_in_loop(self, priority, text)
            return
        if len(text) > _SHORT:
            text = cut(priority, text)
        now = time.monotonic_ns()
        if now >= self._until or self._loop is None:
            second, past = divmod(time.time_ns(), 1_000_000_000)
            self._before = self._frame.before(second)
            self._until = now - past + 1_000_000_000
        self._waiting.append((priority, text, self._before, now))
        if self._loop is None:
            if not self._held:
                self._send(0)
        elif self._timer is None:
            self._lingers = now - self._sent <= _GAP_NS
            self._schedule(LATEST if self._lingers else 0)
        elif self._lingers and now - self._sent > _GAP_NS:
            self._lingers = False
            self._timer.cancel()
            self._schedule(0)
        if len(self._waiting) > KEEP:
            self._give_up(1)

    def collect(self, loop: Scheduler) -> None:
        """From now on send lines together, at the end of a loop turn, GAP seconds after the last, never waiting."""
        self._loop = loop
        self._frame.pid = os.getpid()  # nothing with a loop forks
        self._until = 0
        self._thread = get_ident()
        self._call_in_loop = getattr(loop, "call_soon_threadsafe", self._call_in_loop)

    def hold(self) -> None:
        """Without a loop: keep lines until release(), so that they leave together."""
        self._held = True

    def release(self) -> None:
        """Send what was kept, and later lines at once again."""
        self._held = False
        if self._loop is None:
            self._send(0)

    def offer(self) -> bool:
        """Without a loop: send what postlogd did not take, else wait for it a little; whether nothing is left."""
        if self._waiting and self._loop is None and not self._send(0):
            if time.monotonic_ns() - self._waiting[0][-1] <= PATIENCE * 1e9:
                return False
            self._give_up(len(self._waiting))
        return True

    def close(self) -> None:
        """Send what is left, else hand it to the fallback; later lines are sent at once.

        A postlogd that is to be started, as at a reload, is waited for.
        """
        self._loop = None
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, self.LAST_WAIT)
        self._send(0)
        self._give_up(len(self._waiting))

    def __del__(self) -> None:
        self._sock.close()

    def _schedule(self, delay: float) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(delay, self._turn)

    def _turn(self) -> None:
        self._timer, self._lingers = None, False
        if self._loop is None:
            return
        before = len(self._waiting)
        everything = self._send(socket.MSG_DONTWAIT)
        if len(self._waiting) < before:
            self._delay, self._waited = RETRY, 0.0
        if everything:
            self._sent = time.monotonic_ns()
        elif self._waited > PATIENCE:
            self._waited = 0.0
            self._give_up(len(self._waiting))
        else:
            self._waited += self._delay
            self._schedule(self._delay)
            self._delay = min(2 * self._delay, SELDOM)

    def _send(self, flags: int) -> bool:
        """Send datagrams until none is left (True) or postlogd takes no more."""
        waiting = self._waiting
        while waiting:
            lines = waiting[:TOGETHER]
            while len(datagram := self._datagram(lines)) > self._longest and len(lines) > 1:
                del lines[len(lines) // 2 :]
            try:
                self._sock.sendto(datagram[: self._longest], flags, self._path)
            except _TRANSIENT:
                return False
            except OSError:  # the socket, the directory, the datagram: nothing that time mends
                self._give_up(len(lines))
                continue
            del waiting[: len(lines)]
        return True

    def _datagram(self, lines: list[tuple[Priority, str, str, int]]) -> bytes:
        """Lines as they go out, with their stamps if they have some."""
        if self._stamps:
            text = "\n".join([f"\x01{hex(moment + _EPOCH)}{before}{text}" for _, text, before, moment in lines])
        else:
            text = "\n".join([before + text for _, text, before, _ in lines])
        return text.encode("utf-8", "surrogateescape")

    def _give_up(self, count: int) -> None:
        given_up = self._waiting[:count]
        del self._waiting[:count]
        for priority, text, *_ in given_up:
            if self._fallback is None:
                self._fallback = self._make_fallback()
            self._fallback(priority, text)


def stamp_of(moment: int) -> bytes:
    """What stands before a line of that moment (time.monotonic_ns()): later lines are greater."""
    return f"\x01{hex(moment + _EPOCH)}".encode()


def cut(priority: Priority, text: str) -> str:
    """A text with its severity as the log has it at most: whole characters of TEXT bytes."""
    word = WORDS[priority]
    if not text.startswith(word):
        word = ""
    rest = text.encode("utf-8", "surrogateescape")[len(word) :]
    return text if len(rest) <= TEXT else word + rest[:TEXT].decode("utf-8", "ignore")


def encoded(line: str) -> bytes:
    """A line as it goes out, cut where it is too long."""
    return line.encode("utf-8", "surrogateescape")[:LINE]
