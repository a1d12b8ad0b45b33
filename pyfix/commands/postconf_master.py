"""postconf_master - what postconf shows of master.cf: services, their fields, their settings

    -M [service[/type]...]
    -F [service[/type[/field]]...]
    -P [service[/type[/parameter]]...]

Sources: postconf(1).
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from copy import copy
from typing import NamedTuple

from pyfix.commands.postconf_print import shown, shown_json
from pyfix.config.expand import Expander
from pyfix.config.main_cf import MainCf
from pyfix.config.master_entry import COMMAND, NAMES, Entry, field_index
from pyfix.config.syntax import SPACE, BadConfig
from pyfix.unix import msg

FORMS = {"M": "service_name[/type]", "F": "service_name[/type[/field]]", "P": "service_name[/type[/parameter]]"}
PARTS = {"M": 2, "F": 3, "P": 3}


class Pattern(NamedTuple):
    """An operand: the services it means, and which field or parameter of each ("*": all)."""

    service: str
    what: str
    text: str


# Showing


def show(mode: str, operands: Sequence[str], letters: Container[str], main: MainCf, entries: Iterable[Entry]) -> None:
    """-M, -F or -P: what the operands ask for, service by service; a warning for one that asks for nothing."""
    patterns = [_pattern(mode, operand) for operand in operands or ["*"]]
    unmatched = dict.fromkeys(patterns if operands else [])
    for entry in entries:
        entry = _expanded(entry, main) if "x" in letters else entry
        for pattern in patterns:
            lines = list(SHOW[mode](entry, pattern.what, letters)) if entry.matches(pattern.service) else []
            if lines:
                print("\n".join(lines))
                unmatched.pop(pattern, None)
    for pattern in unmatched:
        msg.warning(f'unmatched request: "{pattern.text}"')


def _show_entry(entry: Entry, _: str, letters: Container[str]) -> Iterator[str]:
    if "j" in letters:
        yield shown_json(entry.key, " ".join([*entry.fields[:COMMAND], entry.command()]))
    else:
        yield entry.text(fold="f" in letters)


def _show_fields(entry: Entry, field: str, letters: Container[str]) -> Iterator[str]:
    for index in range(len(NAMES)) if field == "*" else [field_index(field)]:
        name, value = f"{entry.key}/{NAMES[index]}", entry.fields[index]
        if index == COMMAND and "H" not in letters and "j" not in letters:
            yield entry.command("" if "h" in letters else f"{name} = ", fold="f" in letters)
        else:
            yield shown(letters, name, entry.command() if index == COMMAND else value)


def _show_parameters(entry: Entry, parameter: str, letters: Container[str]) -> Iterator[str]:
    settings = dict(entry.overrides)
    for name in sorted(settings) if parameter == "*" else [parameter]:
        if name in settings:
            yield shown(letters, f"{entry.key}/{name}", settings[name])


SHOW: dict[str, Callable[[Entry, str, Container[str]], Iterator[str]]] = {
    "M": _show_entry,
    "F": _show_fields,
    "P": _show_parameters,
}


def _expanded(entry: Entry, main: MainCf) -> Entry:
    """The service with values in place of the references in its settings."""
    own = main.with_overrides([("service_name", entry.name), *entry.overrides])
    new = copy(entry)
    new.arguments = list(entry.arguments)
    for name, value in entry.overrides:
        new.set_override(name, Expander(own.unexpanded).text(value))
    return new


def _pattern(mode: str, text: str) -> Pattern:
    pattern = split_pattern(mode, text)
    if pattern is None:
        raise BadConfig(f"-{mode} option requires {FORMS[mode]}")
    if mode == "F" and pattern.what != "*":
        field_index(pattern.what)
    return pattern


def split_pattern(mode: str, text: str) -> Pattern | None:
    """The parts of an operand, those that are missing are "*"; None when it can't be one."""
    parts = text.strip(SPACE).split("/")
    if not parts[0] or len(parts) > PARTS[mode] or any("*" in part and part != "*" for part in parts):
        return None
    name, kind, what = (part or "*" for part in [*parts, "", ""][:3])
    return Pattern(f"{name}/{kind}", what, text)
