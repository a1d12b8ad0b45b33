"""stdio - standard input, output and error of a command, whatever its caller made of them

A descriptor that the caller closed leads to /dev/null, so that no file gets its number. Output to a pipe that nobody
reads any more ends the command as it ends other programs, by SIGPIPE; what can't be written otherwise (a full disk) is
gone, and `error` says why: what a command has done is not undone by what it could not tell.
"""

import io
import posix as os  # sendmail comes here too
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from _typeshed import ReadableBuffer

error: OSError | None = None
"""Why standard output was lost."""

end_well = False
"""Whether a pipe that nobody reads ends the command with status 0, not by the signal."""

_ready = False


class _Output(io.FileIO):
    """Standard output or error."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """All of it, or as far as it goes: who writes is never told of trouble."""
        global error  # noqa: PLW0603 - a process has these streams once
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            try:
                written = super().write(left)
                if written is None:  # a descriptor that the caller made one that does not wait
                    _wait_for_room(self.fileno())
                left = left[written or 0 :]
            except BrokenPipeError:
                _end()
            except OSError as why:
                error = why if self.fileno() == 1 else error
                break
        return size


def _wait_for_room(fd: int) -> None:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll()


def prepare() -> None:
    """Be called first by a command that is a process of its own."""
    global _ready  # noqa: PLW0603 - the same
    if _ready:
        return
    _ready = True
    for fd in range(3):
        _open_if_closed(fd)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    out, err = sys.stdout, sys.stderr
    sys.stdout = _stream(1, "w", out.encoding if out else "utf-8", out.errors if out else "surrogateescape")
    sys.stderr = _stream(2, "w", err.encoding if err else "utf-8", "backslashreplace")


def _open_if_closed(fd: int) -> None:
    try:
        os.fstat(fd)
    except OSError:
        os.set_inheritable(os.open("/dev/null", os.O_RDWR), True)  # the lowest that is free: this one


def _stream(fd: int, mode: str, encoding: str, errors: str | None) -> io.TextIOWrapper:
    by_line = fd == 2 or os.isatty(fd)
    raw = _Output(fd, mode, closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=by_line)


def _end() -> "NoReturn":
    if end_well:
        os._exit(0)  # noqa: SLF001 - its public name is in os
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPIPE})
    os.kill(os.getpid(), signal.SIGPIPE)
    os._exit(1)  # noqa: SLF001 - the same
