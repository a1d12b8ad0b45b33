"""loop - waits for descriptors, signals and times, and calls back

As little as a supervisor needs: level-triggered epoll, a heap of timers, signals as bytes.
"""

import heapq
import select
import signal
import time
from collections.abc import Callable, Iterable
from itertools import count

from pyfix.unix.signals import SignalPipe

Callback = Callable[[], object]
OnSignal = Callable[[signal.Signals], None]


class Timer:
    """A call that will be made once."""

    __slots__ = ("callback", "number", "when")

    def __init__(self, when: float, number: int, callback: Callback) -> None:
        self.when = when
        self.number = number
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Don't call."""
        self.callback = None

    def __lt__(self, other: "Timer") -> bool:
        return (self.when, self.number) < (other.when, other.number)


class Loop:
    """Calls back until stop() is called."""

    def __init__(self) -> None:
        self._epoll = select.epoll(flags=select.EPOLL_CLOEXEC)
        self._readers: dict[int, Callback] = {}
        self._timers: list[Timer] = []
        self._numbers = count()
        self._running = True

    def watch(self, fd: int, callback: Callback) -> None:
        """Call back whenever the descriptor is readable or its peer has gone."""
        if fd not in self._readers:
            self._epoll.register(fd, select.EPOLLIN)
        self._readers[fd] = callback

    def forget(self, fd: int) -> None:
        """Call back no more; nothing happens when the descriptor was not watched."""
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_later(self, delay: float, callback: Callback) -> Timer:
        """Call back once, after that many seconds."""
        timer = Timer(time.monotonic() + delay, next(self._numbers), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def on_signals(self, wanted: Iterable[signal.Signals], callback: OnSignal) -> None:
        """Call back with each signal that comes; several of one kind may be one call."""
        pipe = SignalPipe(wanted)

        def read() -> None:
            for number in sorted(pipe.read()):
                callback(number)

        self.watch(pipe.fd, read)

    def run(self) -> None:
        """Wait and call until stop()."""
        while self._running:
            for fd, _ in self._epoll.poll(self._patience()):
                callback = self._readers.get(fd)  # an earlier call may have forgotten it
                if callback is not None:
                    callback()
            self._call_due()

    def stop(self) -> None:
        """Return from run() after this round."""
        self._running = False

    def _patience(self) -> float:
        while self._timers and self._timers[0].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0].when - time.monotonic()) if self._timers else -1

    def _call_due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0].when <= now:
            callback = heapq.heappop(self._timers).callback
            if callback is not None:
                callback()
