"""postconf - shows and changes what main.cf and master.cf say

    postconf [-dhHnxf] [-C class] [-c dir] [-o name=value] [name...]
    postconf [-e] [-c dir] name=value...        change, or add at the end
    postconf -X name... / postconf -# name...   remove, or comment out
    postconf -M [service[/type]...]             the services of master.cf
    postconf -m / postconf -l                   table types, ways to lock
    postconf -b [file] / postconf -t [file]     the words of bounces, with their $names expanded or as they are

Sources: postconf(1).
"""

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from pyfix.commands import mail_conf
from pyfix.config import bounce_template, edit
from pyfix.config.catalog import CLASSES, Catalog
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import Line, Service, parse_service, read_lines, unbraced
from pyfix.config.params.bounce import BounceParams
from pyfix.config.syntax import SPACE, BadConfig, split_setting
from pyfix.unix import msg

LETTERS = "bc:C:defhHlmMno:pqtvxX#"
USAGE = (
    "usage: postconf [-c config_dir] [-b (bounce text)] [-C param_class] [-d (parameter defaults)] "
    "[-e (edit configuration)] "
    "[-f (fold lines)] [-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] [-M (master.cf)] "
    "[-n (non-default parameters)] [-o name=value (override parameter value)] [-p (main.cf, default)] "
    "[-q (no warnings)] [-t (bounce templates)] [-v (verbose)] [-x (expand parameter values)] [-X (exclude)] "
    "[-# (comment-out)] "
    "[name...]"
)
MODES = ("e", "X", "#", "d", "n")
NOT_WHEN_EDITING = ("x", "h", "H", "f", "M", "l", "m")
EXCLUSIVE = (
    *((one, other) for at, one in enumerate(MODES) for other in MODES[at + 1 :]),
    *((one, other) for one in MODES[:3] for other in NOT_WHEN_EDITING),
    ("h", "H"), ("M", "n"), ("M", "d"), ("M", "m"), ("M", "l"), ("l", "m"),
)  # fmt: skip
COLUMNS = (0, 11, 17, 25, 33, 41, 49, 57)  # where the fields of master.cf begin
WIDTH, INDENT = 80, 4  # of folded lines
LOCKS = ("flock", "fcntl", "dotlock")


class Options:
    """The command line, taken apart."""

    def __init__(self, found: list[tuple[str, str]], operands: list[str]) -> None:
        self.letters = {letter for letter, _ in found}
        values = dict(found)
        self.directory = values.get("c") or os.environ.get("MAIL_CONFIG") or mail_conf.DEFAULT_DIRECTORY
        self.classes = [word for letter, text in found if letter == "C" for word in text.split(",")]
        self.overrides = [_override(value) for letter, value in found if letter == "o"]
        self.operands = operands

    def __contains__(self, letter: str) -> bool:
        return letter in self.letters


def main(argv: Sequence[str] | None = None) -> int:
    """The postconf command; argv with its name, None for the process's own."""
    found, operands = mail_conf.begin(None if argv is None else list(argv), "postconf", LETTERS, USAGE)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        options = Options(found, operands)
        _refuse_contradictions(options)
        _action(options)(options)
    except BadConfig as problem:
        msg.fatal(str(problem))
    return 0


def _action(options: Options) -> "Callable[[Options], None]":
    """What the options ask for; name=value without a mode is an edit."""
    for letter, action in ACTIONS.items():
        if letter in options:
            return action
    if any("=" in operand for operand in options.operands) and not options.letters & {"d", "n"}:
        return edit_values
    return show


def _override(text: str) -> tuple[str, str]:
    try:
        return split_setting(text)
    except ValueError as e:
        raise BadConfig(f"invalid parameter override: {text}: {e}") from None


def _refuse_contradictions(options: Options) -> None:
    for one, other in EXCLUSIVE:
        if one in options and other in options:
            raise BadConfig(f"specify one of -{one} -{other}")
    for name in options.classes:
        if name not in {*CLASSES, "all"}:
            raise BadConfig(f'unknown -C option value "{name}" in "{",".join(options.classes)}"')


# The words of bounces.


def show_templates(options: Options) -> None:
    """-t: the templates as they are written."""
    _, templates = _templates(options)
    print(bounce_template.dump_templates(templates.values()), end="")


def show_texts(options: Options) -> None:
    """-b: what a report says, the $names expanded."""
    main, templates = _templates(options)
    texts = [(name, bounce_template.expand_body(template, main)) for name, template in templates.items()]
    print("\n".join("\n".join([f"expanded_{name}_text = <<EOF", *lines, "EOF\n"]) for name, lines in texts), end="")


def _templates(options: Options) -> tuple[MainCf, dict[str, bounce_template.Template]]:
    main = MainCf.load(options.directory, options.overrides)
    path = options.operands[0] if options.operands else BounceParams(main).bounce_template_file
    try:
        return main, bounce_template.load_templates(path)
    except bounce_template.BadTemplate as problem:
        raise BadConfig(str(problem)) from None
    except OSError as problem:
        raise BadConfig(f"open {path}: {problem.strerror}") from None


# Editing.


def edit_values(options: Options) -> None:
    """-e: set values."""
    if not options.operands:
        raise BadConfig("-e requires name=value argument")
    edit.edit_file(f"{options.directory}/main.cf", edit.parse_changes(options.operands))


def remove(options: Options) -> None:
    """-X: remove settings."""
    _edit_names(options, edit.Action.REMOVE)


def comment_out(options: Options) -> None:
    """-#: comment settings out."""
    _edit_names(options, edit.Action.COMMENT)


def _edit_names(options: Options, action: edit.Action) -> None:
    if not options.operands:
        raise BadConfig(f"{action.value} requires name argument")
    edit.edit_file(f"{options.directory}/main.cf", edit.parse_names(options.operands, action))


# Showing main.cf.


def show(options: Options) -> None:
    """Values of the names given, else of all; warnings about names follow."""
    if "d" in options:  # what main.cf says does not count
        main = MainCf.from_text("", options.overrides)
    else:
        main = MainCf.load(options.directory, options.overrides)
    catalog = Catalog(main, _services_or_none(options.directory))
    _show_names(options, main, catalog)
    if not options.letters & {"d", "q"}:
        for complaint in catalog.complaints():
            msg.warning(complaint)


def _show_names(options: Options, main: MainCf, catalog: Catalog) -> None:
    for name in options.operands or _listed(options, catalog):
        if catalog.class_of(name) is None:
            msg.warning(f"{name}: unknown parameter")
        elif "n" not in options or _is_set(main, catalog, name):
            print(_shown(options, name, _value(options, main, catalog, name)))


def _listed(options: Options, catalog: Catalog) -> list[str]:
    """Names to show when none are given: of the classes asked for; those of users only where they are set."""
    classes = {*CLASSES} if not options.classes or "all" in options.classes else {*options.classes}
    names = [name for name in catalog.names() if catalog.class_of(name) in classes]
    return names if "d" not in options else [name for name in names if catalog.default(name) is not None]


def _is_set(main: MainCf, catalog: Catalog, name: str) -> bool:
    if name == "config_directory":
        return main.config_dir != catalog.default(name)
    return main.raw(name) is not None


def _value(options: Options, main: MainCf, catalog: Catalog, name: str) -> str:
    text = main.unexpanded(name)
    if text is None:
        text = catalog.default(name) or ""
    return main.expand(text, name) if "x" in options else text


def _shown(options: Options, name: str, value: str) -> str:
    """A line of output. Words are one space apart."""
    words = value.split()
    if "H" in options:
        return name
    if "h" not in options:
        words = [name, "=", *words]
    return "\n".join(_folded(words)) if "f" in options else " ".join(words)


def _folded(words: Sequence[str]) -> Iterator[str]:
    """Words as lines of at most WIDTH characters, where they can be broken; more than one begin indented."""
    line = ""
    for word in words:
        if len(line) > INDENT and len(line) + 1 + len(word) > WIDTH:
            yield line
            line = " " * INDENT + word
        else:
            line = f"{line} {word}" if line else word
    yield line


# master.cf.


def show_services(options: Options) -> None:
    """-M: the services asked for, else all, with their fields in columns."""
    main = MainCf.load(options.directory, options.overrides)
    services = _services(options.directory)
    patterns = options.operands or ["*/*"]
    for pattern in patterns:
        chosen = [line for line, service in services if _matches(service, pattern)]
        if not chosen and options.operands:
            msg.warning(f'unmatched request: "{pattern}"')
        for line in chosen:
            print("\n".join(_columns(line, fold="f" in options)))
    if "q" not in options:
        catalog = Catalog(main, [service for _, service in services])
        for complaint in catalog.complaints(main=False):
            msg.warning(complaint)


def _services(directory: str) -> list[tuple[Line, Service]]:
    return [(line, parse_service(line)) for line in read_lines(f"{directory}/master.cf")]


def _services_or_none(directory: str) -> list[Service]:
    """The services; a master.cf that can't be read is only worth a warning."""
    try:
        lines = read_lines(f"{directory}/master.cf")
    except BadConfig as problem:
        msg.warning(str(problem))
        return []
    return [parse_service(line) for line in lines]


def _matches(service: Service, pattern: str) -> bool:
    name, _, kind = pattern.partition("/")
    return name in {"*", service.name} and kind in {"", "*", service.type}


def _columns(line: Line, *, fold: bool) -> Iterator[str]:
    """A service in columns; folded, each option begins a line."""
    text = ""
    for column, word in zip(COLUMNS, line.words, strict=False):
        text = f"{text} {word}" if len(text) >= column > 0 else text.ljust(column) + word
    for argument in _arguments(line):
        if fold and argument.startswith("-"):
            yield text
            text = " " * INDENT + argument
        else:
            text = f"{text} {argument}"
    yield text


def _arguments(line: Line) -> Iterator[str]:
    """The arguments, an option -o with its value, and braces around what has white space."""
    words = iter(line.words[len(COLUMNS) :])
    for word in words:
        if word.startswith("-o") and (setting := word[2:] or next(words, "")):
            name, equals, value = unbraced(line, setting).partition("=")
            yield f"-o {_braced(name.strip(SPACE) + equals + value.strip(SPACE))}"
        else:
            yield _braced(unbraced(line, word))


def _braced(word: str) -> str:
    return f"{{{word}}}" if any(char in SPACE for char in word) or not word else word


# Lists.


def show_types(_: Options) -> None:
    """-m: the types of lookup tables."""
    from pyfix.maps.open import TYPES

    print("\n".join(sorted(TYPES)))


def show_locks(_: Options) -> None:
    """-l: the ways to lock a mailbox."""
    print("\n".join(LOCKS))


ACTIONS: "dict[str, Callable[[Options], None]]" = {
    "b": show_texts,
    "t": show_templates,
    "e": edit_values,
    "X": remove,
    "#": comment_out,
    "M": show_services,
    "m": show_types,
    "l": show_locks,
}

if __name__ == "__main__":
    sys.exit(main())
