"""master_cf - the services of master.cf

    name type private unpriv chroot wakeup maxproc command [argument ...]

"-" takes a field's default. An argument that begins with "{" goes up to the closing brace,
white space and all. Options of the program come first: "-o name=value",
"-o { name = value }" and "-v"; what follows the first other word is the program's own.

Sources: master(5).
"""

import re
from collections.abc import Callable, Iterator
from os import PathLike
from typing import NamedTuple

from pyfix.config.expand import parse_level
from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.config.syntax import SPACE, BadConfig, logical_lines, read_text, split_braced, split_setting
from pyfix.unix import msg

TYPES = frozenset({"inet", "unix", "fifo", "pass", "unix-dgram"})
FIELDS = (
    "service name",
    "transport type",
    "private",
    "unprivileged",
    "chroot",
    "wakeup_time",
    "max_proc",
    "command",
)

_SHOWN = 30  # characters of a bad line that a warning shows
_WAKEUP = re.compile(r"([0-9]+)(\??)", re.ASCII)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)


class Service(NamedTuple):
    """One line of master.cf.

    wakeup: seconds, 0 for never; maxproc: sessions at once, 0 for any number, None for
    default_process_limit; overrides: the -o settings, unexpanded; verbose: how many -v;
    line: where it begins.
    """

    name: str
    type: str
    private: bool
    unpriv: bool
    chroot: bool
    wakeup: int
    wakeup_if_used: bool
    maxproc: int | None
    program: str
    args: tuple[str, ...]
    overrides: tuple[tuple[str, str], ...]
    verbose: int
    line: int

    @property
    def key(self) -> str:
        """What tells it from others: its place and type. Inet services live at their address."""
        place = "" if self.type == "inet" else "private/" if self.private else "public/"
        return f"{place}{self.name}"


class Line:
    """A logical line of master.cf as words, braces kept; where says "FILE: line N"."""

    def __init__(self, number: int, text: str, path: str) -> None:
        self.number = number
        self.text = text
        self.where = f"{path}: line {number}"
        self.words = list(_words(text))

    def bad(self, problem: str) -> BadConfig:
        """The exception for a problem with this line."""
        return BadConfig(f"{self.where}: {problem}")

    def field(self, index: int) -> str:
        """One of FIELDS. Raises BadConfig when the line ends before it."""
        if index >= len(self.words):
            raise self.bad(f'missing "{FIELDS[index]}" field')
        return self.words[index]

    def value(self, index: int, convert: Callable[[str], object], default: object) -> object:
        """A field's value by its conversion, which raises ValueError for a bad one."""
        word = self.field(index)
        if word == "-":
            return default
        try:
            return convert(word)
        except ValueError:
            raise self.bad(f'field "{FIELDS[index]}": bad value: "{word}"') from None

    def flag(self, index: int, default: bool) -> bool:
        """A field that is y or n."""
        return bool(self.value(index, ("n", "y").index, default))


def load_services(source: "str | PathLike[str] | MainCf") -> list[Service]:
    """The services of a configuration directory's master.cf, in order. Raises BadConfig, located.

    Of two with the same address the last counts, with a warning.
    """
    main = source if isinstance(source, MainCf) else MainCf.load(source)
    path = f"{main.config_dir}/master.cf"
    services: dict[tuple[str, str], Service] = {}
    jail = _chroot_default(main)
    for line in read_lines(path):
        service = parse_service(line, chroot=jail)
        key = (service.key, service.type)
        if services.pop(key, None):
            what = f'duplicate master.cf entry for service "{service.name}" ({service.key})'
            msg.warning(f"{line.where}: {what} -- using the last entry")
        services[key] = service
    return list(services.values())


def read_lines(path: str) -> list[Line]:
    """The logical lines of a master.cf. Raises BadConfig when it can't be read."""
    return list(lines_of(read_text(path), path))


def lines_of(text: str, path: str) -> Iterator[Line]:
    """The logical lines of a text; path is for messages."""
    for number, line in logical_lines(text):
        if line[0] in SPACE:
            shown = line[:_SHOWN] + ("..." if len(line) > _SHOWN else "")
            msg.warning(f'{path}: logical line must not start with whitespace: "{shown}"')
            continue
        yield Line(number, line, path)


def parse_service(line: Line, *, chroot: bool = False) -> Service:
    """The service on a line; chroot: what "-" means in that field. Raises BadConfig."""
    name, kind = line.field(0), line.field(1)
    check_fields(line)
    private = line.flag(2, default=True)
    if kind == "inet":
        _check_inet(line, name, private)
    unpriv, jail = line.flag(3, default=True), line.flag(4, default=chroot)
    wakeup, if_used = _wakeup(line)
    maxproc = line.value(6, _number, None)
    assert maxproc is None or isinstance(maxproc, int)
    program, *words = [unbraced(line, word) for word in line.words[7:] or [line.field(7)]]
    if program == "-":
        raise line.bad('field "command" has no default value')
    overrides, verbose, args = _options(line, words)
    fields = (name, kind, private, unpriv, jail, wakeup, if_used, maxproc, program)
    return Service(*fields, args, overrides, verbose, line.number)


def check_fields(line: Line) -> None:
    """See that each field has a value of its kind. Raises BadConfig."""
    if (kind := line.field(1)) not in TYPES:
        raise line.bad(f"bad transport type: {kind}")
    for index in (2, 3, 4):
        line.flag(index, default=True)
    _wakeup(line)
    line.value(6, _number, None)
    line.field(7)


def _options(line: Line, words: list[str]) -> tuple[tuple[tuple[str, str], ...], int, tuple[str, ...]]:
    """The -o settings, the number of -v, and all other words."""
    overrides: list[tuple[str, str]] = []
    others: list[str] = []
    verbose = at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        word = words[at]
        at += 1
        if word.startswith("-o"):
            rest = [unbraced(line, word[2:])] if word[2:] else words[at : at + 1]
            at += not word[2:]
            overrides.append(_setting(line, rest))
        elif word.strip("v") == "-":
            verbose += len(word) - 1
        else:
            others.append(word)
    return tuple(overrides), verbose, (*others, *words[at:])


def _setting(line: Line, argument: list[str]) -> tuple[str, str]:
    """The name and value of an option -o with this argument, if any."""
    if not argument:
        raise line.bad('option requires an argument: "-o"')
    try:
        return split_setting(argument[0])
    except ValueError as e:
        raise line.bad(f'{e}: "{argument[0]}"') from None


def _check_inet(line: Line, name: str, private: bool) -> None:
    """Refuse what can't be an inet service: "port", "host:port" and "[address]:port" can."""
    if private:
        raise line.bad("inet service cannot be private")
    if name.startswith("["):
        host, bracket, port = name.partition("]")
        if not bracket:
            raise line.bad(f'missing "]" in "{name}"')
        if len(host) == 1 or len(port) < len(":p") or port[0] != ":":
            raise line.bad(f'missing service information in "{name}"')
    elif name.endswith(":"):
        raise line.bad(f'missing service information in "{name}"')


def _wakeup(line: Line) -> tuple[int, bool]:
    """Seconds between wake-ups, and whether only a service in use is woken ("?")."""
    word = line.field(5)
    if word == "-":
        return 0, False
    match = _WAKEUP.fullmatch(word)
    if match is None:
        raise line.bad(f'field "{FIELDS[5]}": bad value: "{word}"')
    return int(match[1]), bool(match[2])


def _number(word: str) -> int:
    if not _NUMBER.fullmatch(word):
        raise ValueError(word)
    return int(word)


def _words(text: str) -> Iterator[str]:
    """Words between white space; white space inside braces does not count."""
    begin, depth = -1, 0
    for at, char in enumerate(text):
        if char in SPACE and not depth:
            if begin >= 0:
                yield text[begin:at]
            begin = -1
            continue
        begin = at if begin < 0 else begin
        depth += (char == "{") - (char == "}" and depth > 0)
    if begin >= 0:
        yield text[begin:]


def unbraced(line: Line, word: str) -> str:
    """What is in the braces around a word, trimmed; other words as they are. Raises BadConfig."""
    inner, problem = split_braced(word)
    if problem:
        raise line.bad(problem)
    return inner


def _chroot_default(main: MainCf) -> bool:
    """What "-" means for chroot: yes below compatibility level 1."""
    return parse_level(MailParams(main).compatibility_level) < (1, 0, 0)
