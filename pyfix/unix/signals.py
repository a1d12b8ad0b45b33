"""signals - signals as bytes in a pipe that a loop can wait for

A handler runs between any two instructions; a byte in a pipe is read when the loop is ready for it.
"""

import os
import signal
from collections.abc import Iterable


class SignalPipe:
    """The given signals arrive as bytes at `fd`, each the number of a signal."""

    def __init__(self, wanted: Iterable[signal.Signals]) -> None:
        self.fd, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in wanted:
            signal.signal(number, _noted)

    def read(self) -> set[signal.Signals]:
        """The signals that came since the last call."""
        try:
            return {signal.Signals(number) for number in os.read(self.fd, 4096)}
        except BlockingIOError:
            return set()

    def close(self) -> None:
        """Stop noting signals."""
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._write)


def _noted(_number: int, _frame: object) -> None:
    """The byte in the pipe says it all."""


def reset() -> None:
    """Give signals back their default action, as a new program expects them."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
