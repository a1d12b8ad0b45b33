"""postlog - puts lines of scripts into the mail log

    postlog [-iv] [-c config_dir] [-p priority] [-t tag] [text ...]

The words are one line; without words each line of standard input is one.
Priorities: info (the default), warn, error, fatal, panic. Always exits 0.

Sources: postlog(1).
"""

import getopt
import os
import sys
from collections.abc import Iterator

from pyfix.commands.postfix import System, script_sink
from pyfix.config.main_cf import BadConfig
from pyfix.server import log
from pyfix.unix import msg
from pyfix.unix.msg import Priority

USAGE = "usage: postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text...]"
PRIORITIES = {
    "info": Priority.INFO,
    "warn": Priority.WARNING,
    "warning": Priority.WARNING,
    "error": Priority.ERROR,
    "fatal": Priority.FATAL,
    "panic": Priority.PANIC,
}


def main() -> int:
    """The command; returns its exit status."""
    msg.to_stderr("postlog")
    try:
        found, words = getopt.getopt(sys.argv[1:], "c:ip:t:v")
    except getopt.GetoptError as error:
        msg.fatal(f"{error.msg}: {USAGE}")
    options = dict(found)
    name = options.get("-p", "info")
    if name not in PRIORITIES:
        msg.fatal(f"invalid priority: {name}")
    priority = PRIORITIES[name]
    try:
        sink = _sink(options)
    except BadConfig as error:
        msg.fatal(str(error))
    msg.to(sink)
    for text in [" ".join(words)] if words else _input():
        _put(sink, priority, text)
    log.close()
    return 0


def _sink(options: dict[str, str]) -> msg.Sink:
    config_dir = os.path.abspath(options.get("-c") or os.environ.get("MAIL_CONFIG") or "/etc/postfix")
    return script_sink(System(config_dir), "postlog", tag=options.get("-t"))


def _put(sink: msg.Sink, priority: Priority, text: str) -> None:
    line = msg.printable(msg.WORDS[priority] + text)
    sink(priority, line)
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"postlog: {line}\n")


def _input() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.rstrip(b"\n").decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    sys.exit(main())
