"""master_entry - a service of master.cf as postconf shows and changes it

    entry.fields        the eight columns
    entry.arguments     what follows the command, out of their braces; -o and its setting are two
    entry.text(fold=True)

Sources: postconf(1) -M -F -P, master(5).
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

from pyfix.config.master_cf import FIELDS, Line, check_fields, unbraced
from pyfix.config.syntax import SPACE, BadConfig, split_braced, split_setting
from pyfix.unix import msg

COLUMNS = (0, 11, 17, 25, 33, 41, 49, 57)  # where the fields begin
NAMES = ("service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command")
COMMAND = len(NAMES) - 1
WIDTH, INDENT = 80, 4  # of folded lines


def matches(pattern: str, name: str, kind: str) -> bool:
    """Whether a pattern means the service of this name and type."""
    wanted, _, wanted_kind = pattern.rpartition("/")
    return wanted in {"*", name} and wanted_kind in {"*", kind}


class Entry:
    """One logical line of master.cf. Raises BadConfig, located, when it can't be one."""

    def __init__(self, line: Line) -> None:
        check_fields(line)
        self.line = line
        self.fields = [unbraced(line, word) for word in line.words[: len(FIELDS)]]
        self.arguments = list(_arguments(line.words[len(FIELDS) :]))

    @property
    def name(self) -> str:
        """The name of the service."""
        return self.fields[0]

    @property
    def program(self) -> str:
        """The program that it runs."""
        return self.fields[COMMAND]

    @property
    def key(self) -> str:
        """service/type."""
        return "/".join(self.fields[:2])

    def matches(self, pattern: str) -> bool:
        """Whether service/type is meant by a pattern of the same form; "*" stands for any."""
        return matches(pattern, *self.fields[:2])

    # Its settings

    @property
    def options_end(self) -> int:
        """Where in the arguments the options of the program end."""
        at = 0
        while at < len(self.arguments) and self.arguments[at].startswith("-") and self.arguments[at] != "--":
            at += 2 if self.arguments[at] == "-o" else 1
        return min(at, len(self.arguments))

    @property
    def overrides(self) -> tuple[tuple[str, str], ...]:
        """The settings of -o; of two for a name the last counts."""
        found: dict[str, str] = {}
        for option, value in pairwise(self.arguments[: self.options_end]):
            if option == "-o":
                with suppress(ValueError):
                    found.update([split_setting(value)])
        return tuple(found.items())

    def set_override(self, name: str, value: str) -> None:
        """Give each -o of that name a new value; where there is none, add one behind the other options."""
        places = self._places(name)
        for at in places:
            self.arguments[at] = f"{name}={value}"
        if not places:
            end = self.options_end
            self.arguments[end:end] = ["-o", f"{name}={value}"]

    def remove_override(self, name: str) -> None:
        """Take each -o of that name away."""
        for at in reversed(self._places(name)):
            del self.arguments[at - 1 : at + 1]

    def _places(self, name: str) -> list[int]:
        """Where among the arguments that name is set."""
        options = self.arguments[: self.options_end]
        pairs = enumerate(pairwise(options), 1)
        return [at for at, (option, value) in pairs if option == "-o" and value.partition("=")[0] == name]

    # How it is written

    def text(self, *, fold: bool = False) -> str:
        """All of it, the fields in columns."""
        text = ""
        for column, word in zip(COLUMNS, self.fields, strict=True):
            text = f"{text} {word}" if len(text) >= column > 0 else text.ljust(column) + word
        return self._with_arguments(text, fold=fold)

    def command(self, before: str = "", *, fold: bool = False) -> str:
        """The last field, with the arguments."""
        return self._with_arguments(before + self.program, fold=fold)

    def _with_arguments(self, text: str, *, fold: bool) -> str:
        """The arguments behind a text. Folded, each -o has a line of its own."""
        lines = [text]
        own_line = False
        for word in self._printed():
            was, own_line = own_line, word.startswith("-o ")
            braced = word.startswith("{") and any(char in SPACE for char in word)
            bare = len(word) - 2 * braced  # Postfix does not count braces here
            full = len(lines[-1]) > INDENT and len(lines[-1]) + 1 + bare >= WIDTH
            if fold and (was or own_line or full):
                lines.append(" " * INDENT + word)
            else:
                lines[-1] += f" {word}"
        return "\n".join(lines)

    def _printed(self) -> Iterator[str]:
        """The options, each -o together with its setting, and the other arguments; in braces what has to be."""
        end = self.options_end
        options = iter(self.arguments[:end])
        for word in options:
            setting = next(options, None) if word == "-o" else None
            yield _braced(word) if setting is None else f"-o {_braced(setting)}"
        for at, word in enumerate(self.arguments[end:]):
            # Postfix has no braces at all around the first of them.
            yield word if at == 0 and _stays_whole(word) else _braced(word)


def field_index(field: str) -> int:
    """The place of a field of that name. Raises BadConfig."""
    if field not in NAMES:
        raise BadConfig(f'invalid service attribute name: "{field}"')
    return NAMES.index(field)


def _arguments(words: list[str]) -> Iterator[str]:
    """The arguments as the program gets them; of braces that are not right, a warning."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "--":
            yield _bare(word)
            break
        if not word.startswith("-o"):
            yield word
            continue
        yield "-o"
        setting = word[2:] or next(rest, None)
        if setting is not None:
            yield _setting(setting)
    yield from (_bare(word) for word in rest)


def _bare(word: str) -> str:
    """A word out of its braces."""
    inner, problem = split_braced(word)
    if problem:
        msg.warning(f"master.cf: {problem}")
    return inner


def _setting(word: str) -> str:
    """What follows -o; out of braces, without white space around name and value."""
    bare = _bare(word)
    if word.startswith("{"):
        try:
            return "=".join(split_setting(bare))
        except ValueError as problem:
            msg.warning(f'master.cf: {problem}: "{bare}"')
    return bare


def _stays_whole(word: str) -> bool:
    """Whether it is read as one word without braces around it: white space in it is within braces of its own."""
    depth = 0
    for char in word:
        if char in SPACE and depth <= 0:
            return False
        depth += (char == "{") - (char == "}")
    return bool(word) and word[0] != "{"


def _braced(word: str) -> str:
    return f"{{{word}}}" if not word or any(char in SPACE for char in word) else word
