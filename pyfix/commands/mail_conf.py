"""mail_conf - how a command begins: options, configuration

Small, because scripts call commands in loops: no argparse, no getopt, main.cf only when asked for.

Sources: -c DIR, MAIL_CONFIG.
"""

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyfix.unix import msg, stdio

if TYPE_CHECKING:
    from pyfix.config.main_cf import MainCf

DEFAULT_DIRECTORY = "/etc/postfix"
FATAL_PAUSE = 1.0
"""Seconds between a fatal error and the end of the command."""


class UsageError(Exception):
    """A command line that can't be; str: as getopt says it."""


def options(args: Iterable[str], letters: str) -> tuple[list[tuple[str, str]], list[str]]:
    """([(letter, value), ...], operands). letters as for getopt(3): a colon follows those that take a value.

    The first operand, or --, ends options. UsageError.
    """
    found: list[tuple[str, str]] = []
    rest = iter(args)
    for word in rest:
        if word == "--":
            break
        if word[0:1] != "-" or word == "-":
            return found, [word, *rest]
        found += _letters(word, rest, letters)
    return found, list(rest)


def _letters(word: str, rest: Iterable[str], letters: str) -> list[tuple[str, str]]:
    """The options in one word, such as -be or -sVALUE."""
    found: list[tuple[str, str]] = []
    for at in range(1, len(word)):
        letter = word[at]
        where = letters.find(letter)
        if where < 0 or letter == ":":
            raise UsageError(f"invalid option -- '{letter}'")
        if letters[where + 1 : where + 2] != ":":
            found.append((letter, ""))
            continue
        value = word[at + 1 :] or next(iter(rest), None)
        if value is None:
            raise UsageError(f"option requires an argument -- '{letter}'")
        found.append((letter, value))
        break
    return found


def as_typed(word: str) -> str:
    """The command's name in messages. Of a script that was found in PATH, the kernel tells only where it was found."""
    directory, _, name = word.rpartition("/")
    searched = os.environ.get("PATH", "").split(":")
    return name.removesuffix(".py") if directory in searched or name.endswith(".py") else word


def begin(
    argv: list[str] | None, name: str, letters: str, usage: str, *, pause: bool = True, stderr: bool = True
) -> tuple[list[tuple[str, str]], list[str]]:
    """Messages go to standard error under the command's name, options are taken apart, -v is counted.

    argv: with the name of the command, None for sys.argv. A wrong option ends the command with the usage.
    pause: a fatal error waits a second, so that a script that tries again at once does not eat the machine;
    stderr: False leaves messages where they go now.
    """
    words = sys.argv if argv is None else argv
    if argv is None:
        stdio.prepare()
        os.umask(0o022)  # of what it starts, too
    shown = as_typed(words[0]) if words else name
    if stderr:
        msg.to_stderr(shown)
    msg.verbose = 0
    msg.pause = FATAL_PAUSE if pause and argv is None else 0.0
    try:
        found, operands = options(words[1:], letters)
    except UsageError as error:
        sys.stderr.write(f"{shown}: {error}\n")
        msg.fatal(usage)
    msg.verbose = sum(letter == "v" for letter, _ in found) or ("MAIL_VERBOSE" in os.environ)
    return found, operands


def from_environment() -> str:
    """MAIL_CONFIG's directory, else /etc/postfix. An empty one is no reason to work on another system: it is /."""
    return os.environ.get("MAIL_CONFIG", DEFAULT_DIRECTORY)


def load(directory: str | None) -> "MainCf":
    """main.cf of -c's directory, else MAIL_CONFIG's, else /etc/postfix. A bad one ends the command."""
    from pyfix.config.at_start import plain
    from pyfix.config.main_cf import BadConfig, MainCf

    try:
        main = MainCf.load(directory or from_environment())
        settings = {name: main.raw(name) or "" for name in main.names()}
        if not all(plain(name, settings, root=os.geteuid() == 0) for name in settings):
            from pyfix.config.check import at_start  # reads all parameters there are

            at_start(main)
    except BadConfig as error:
        msg.fatal(str(error))
    return main


def log_too(main_cf: "MainCf", program: str) -> None:
    """Let messages go to the log as well, where a running system takes them; nothing is imported before the first."""
    sinks: list[msg.Sink] = []

    def write(priority: msg.Priority, text: str) -> None:
        from pyfix.server import log

        if not sinks:
            sinks.append(log.command_sink(main_cf, log.tag(main_cf, program)))
        sinks[0](priority, text)

    msg.to(*msg.active(), write)
