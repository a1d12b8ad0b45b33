"""msg - what every program has to say, with its severity

    msg.info("connect from localhost[127.0.0.1]")
    msg.warning("...")            "warning: ..." in the log
    msg.fatal("...")              "fatal: ..."; raises Fatal, a SystemExit with status 1

Lines go to every sink that is set (`to`); before any is set they go to standard error
under the program's name. Control characters and what is no UTF-8 become "?", so that no input from
outside can forge a line; all other characters stay, as in Postfix.

See also: maillog_client, the sinks of daemons.
"""

import re
import sys
from enum import IntEnum
from typing import NoReturn, Protocol

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Controls, and bytes that are no UTF-8 (surrogateescape)."""


class Priority(IntEnum):
    """How grave a line is; the numbers are syslog(3)'s."""

    PANIC = 1
    FATAL = 2
    ERROR = 3
    WARNING = 4
    INFO = 6


INFO = Priority.INFO  # a member's name is looked up in ten times the time


class Sink(Protocol):
    """Where lines go."""

    def __call__(self, priority: Priority, text: str, /) -> None:
        """Take one."""


WORDS = {
    Priority.PANIC: "panic: ",
    Priority.FATAL: "fatal: ",
    Priority.ERROR: "error: ",
    Priority.WARNING: "warning: ",
    Priority.INFO: "",
}

verbose = 0
"""How often -v was given."""

ascii_only = False
"""Whether what is not ASCII does not print either, as with smtputf8_enable = no."""

pause = 0.0
"""Seconds that a fatal error waits before the program ends (commands)."""

_sinks: tuple[Sink, ...] = ()


class Fatal(SystemExit):
    """The program can't go on and has said why. Its status is 1."""

    def __init__(self, text: str) -> None:
        super().__init__(1)
        self.text = text


def to(*sinks: Sink) -> tuple[Sink, ...]:
    """Send lines to these sinks and no others from now on; returns what was set before."""
    global _sinks  # the log is a process's own
    before, _sinks = _sinks, sinks
    return before


def active() -> tuple[Sink, ...]:
    """The sinks that are set."""
    return _sinks


def to_stderr(name: str) -> None:
    """Send lines to standard error as `name: text`."""
    to(stderr_sink(name))


def stderr_sink(name: str) -> Sink:
    """A sink that writes `name: text` lines to standard error."""

    def write(_: Priority, text: str) -> None:
        stream = sys.stderr
        if stream is not None:
            stream.write(f"{name}: {text}\n")
            stream.flush()

    return write


def on_terminal() -> bool:
    """Whether standard error is one."""
    return sys.stderr is not None and sys.stderr.isatty()


def printable(text: str, instead: str = "?") -> str:
    """The text with `?` (or that instead) for each UNPRINTABLE, and with ascii_only for each byte above 127."""
    if ascii_only and not text.isascii():
        text = text.encode("utf-8", "surrogateescape").decode("ascii", "replace").replace("\ufffd", instead)
    if text.isprintable():
        return text
    return UNPRINTABLE.sub(instead, text)


def info(text: str) -> None:
    """Log a line of normal operation."""
    if ascii_only or not text.isprintable():
        text = printable(text)
    for sink in _sinks or (stderr_sink(_program_name()),):
        sink.__call__(INFO, text)  # in Python 3.11 an object that is called takes longer than a method of its own


def debug(text: str) -> None:
    """Log a line that only those want who gave -v."""
    if verbose:
        info(text)


def warning(text: str) -> None:
    """Log trouble that the program works around."""
    _log(Priority.WARNING, text)


def error(text: str) -> None:
    """Log trouble that costs something: a session, a table."""
    _log(Priority.ERROR, text)


def fatal(text: str) -> NoReturn:
    """Log why the program can't go on; raises Fatal."""
    _log(Priority.FATAL, text)
    if pause:
        from time import sleep

        sleep(pause)
    raise Fatal(text)


def panic(text: str) -> NoReturn:
    """Log a bug that makes going on unsafe; raises Fatal."""
    _log(Priority.PANIC, text)
    raise Fatal(text)


def _log(priority: Priority, text: str) -> None:
    line = printable(WORDS[priority] + text)
    for sink in _sinks or (stderr_sink(_program_name()),):
        sink(priority, line)


def _program_name() -> str:
    return sys.argv[0].rpartition("/")[2] if sys.argv and sys.argv[0] else "pyfix"
