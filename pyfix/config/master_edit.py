"""master_edit - changes of a master.cf that leave the rest of it alone

    set_entries     -Me   a service gets another line, at the place of the old one or at the end
    drop_entries    -MX -M#   it goes, or becomes a comment
    change_entries  -Fe -Pe -PX   one of its fields or settings changes; the line is laid out anew

Lines that are not meant may be wrong: so what is wrong can be put right. Comments stay. Those inside a line that is
laid out anew come to stand before it. A pattern is service/type, where "*" stands for any.

See also: postconf(1).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from pyfix.config.edit import Action, split_lines
from pyfix.config.master_cf import Line, lines_of
from pyfix.config.master_entry import COMMAND, NAMES, Entry, field_index, matches
from pyfix.config.syntax import SPACE, BadConfig
from pyfix.unix import msg

Change = Callable[[Entry], None]


class Request(NamedTuple):
    """One operand: the services it means, and what is to happen to each."""

    pattern: str
    change: Change
    operand: str


class Block(NamedTuple):
    """The lines of a service with the comments between and behind them, or (line None) other lines."""

    line: Line | None
    lines: list[str]


def set_entries(text: str, entries: Mapping[str, Entry], path: str) -> str:
    """The text of a master.cf with other lines for some services, by pattern."""
    done: set[str] = set()
    out: list[str] = []
    for line, lines in _blocks(text, path):
        pattern = _found(line, entries)
        if pattern is None:
            out += lines
            continue
        if pattern not in done:
            out.append(f"{entries[pattern].text(fold=True)}\n")
        done.add(pattern)
        out += _comments(lines)
    return _with_new(out, [entry for pattern, entry in entries.items() if pattern not in done])


def drop_entries(text: str, patterns: Iterable[str], action: Action, path: str) -> str:
    """The text of a master.cf without some services, or with them as comments."""
    patterns = list(patterns)
    out: list[str] = []
    for entry, lines in _blocks(text, path):
        if _found(entry, patterns) is None:
            out += lines
        elif action is Action.COMMENT:
            out += [line if _is_comment(line) else f"#{line}" for line in lines]
        else:
            out += _comments(lines)
    return "".join(out)


def change_entries(text: str, requests: Iterable[Request], path: str) -> str:
    """The text of a master.cf with changed services; warns of a request that means none."""
    requests = list(requests)
    unmatched = {*requests}
    out: list[str] = []
    for line, lines in _blocks(text, path):
        wanted = [request for request in requests if _found(line, [request.pattern])]
        if line is None or not wanted:
            out += lines
            continue
        entry = Entry(line)
        for request in wanted:
            request.change(entry)
        unmatched.difference_update(wanted)
        out += [*_comments(lines), f"{entry.text(fold=True)}\n"]
    for request in requests:
        if request in unmatched:
            msg.warning(f'unmatched service_name/type: "{request.operand}"')
    return "".join(out)


def set_field(field: str, value: str) -> Change:
    """The change that gives a field another value. Raises BadConfig for what it can't be."""
    index = field_index(field)
    if index != COMMAND:
        if any(char in SPACE for char in value):
            raise BadConfig("-Fe does not accept whitespace in non-command field")
        _check_field(index, value)
        return lambda entry: entry.fields.__setitem__(index, value)
    new = parse_entry(f"x unix - - - - - {value}", value)

    def change(entry: Entry) -> None:
        entry.fields[COMMAND] = new.program
        entry.arguments = list(new.arguments)

    return change


def set_override(name: str, value: str) -> Change:
    """The change that sets a parameter by -o."""
    if any(char in SPACE for char in value):
        raise BadConfig("-Pe does not accept whitespace in parameter value")
    return lambda entry: entry.set_override(name, value)


def remove_override(name: str) -> Change:
    """The change that takes the -o of a parameter away."""
    return lambda entry: entry.remove_override(name)


def parse_entry(text: str, shown: str) -> Entry:
    """The entry that a text is; shown: what was typed, for messages. Raises BadConfig."""
    lines = list(lines_of(text.strip(SPACE), "master.cf"))
    if len(lines) != 1 or len(lines[0].words) < len(NAMES):
        raise BadConfig(f'bad field count: "{shown}"')
    return Entry(lines[0])


def _check_field(index: int, value: str) -> None:
    words = ["x", "unix", "-", "-", "-", "-", "-", "x"]
    words[index] = value
    try:
        parse_entry(" ".join(words), value)
    except BadConfig:
        raise BadConfig(f'invalid {NAMES[index]} field "{value}" in "{value}"') from None


def _found(line: Line | None, patterns: Iterable[str]) -> str | None:
    """The first pattern that means this line, which need not be right."""
    if line is None or len(line.words) < 2:
        return None
    return next((pattern for pattern in patterns if matches(pattern, *line.words[:2])), None)


def _with_new(out: list[str], entries: Iterable[Entry]) -> str:
    new = [f"{entry.text(fold=True)}\n" for entry in entries]
    if new and out and not out[-1].endswith("\n"):
        out.append("\n")
    return "".join(out + new)


def _blocks(text: str, path: str) -> Iterator[Block]:
    """The file in parts that joined are the text again."""
    entries = {line.number: line for line in lines_of(text, path)}
    entry: Line | None = None
    lines: list[str] = []
    for number, line in enumerate(split_lines(text), 1):
        if number in entries:
            if lines:
                yield Block(entry, lines)
            entry, lines = entries[number], []
        lines.append(line)
    if lines:
        yield Block(entry, lines)


def _is_comment(line: str) -> bool:
    return line.lstrip(SPACE)[:1] in {"", "#"}


def _comments(lines: Iterable[str]) -> list[str]:
    return [line if line.endswith("\n") else f"{line}\n" for line in lines if _is_comment(line)]
