"""edit - changes of a main.cf that leave the rest of it alone

Comments, empty lines and the order stay. A setting that is changed loses its continuation
lines, but not the comments between them; one that is new goes to the end. The file is
replaced in one step and keeps its mode and owner.

See also: postconf(1) -e, -X, -#.
"""

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import Enum

from pyfix.config.syntax import SPACE, BadConfig, split_setting
from pyfix.unix import msg
from pyfix.unix.files import rename_durably


class Action(Enum):
    """What to do with a setting where no new value is given."""

    REMOVE = "-X"
    COMMENT = "-#"


Change = str | Action  # a new value, or what to do with the old


def edited(text: str, changes: Mapping[str, Change], path: str = "main.cf") -> str:
    """The text of a main.cf with changes by name; path is for warnings."""
    out: list[str] = []
    seen: set[str] = set()
    change: Change | None = None
    for line in _lines(text):
        if line.lstrip(SPACE)[:1] in {"", "#"}:
            out.append(line)
            continue
        if line[0] not in SPACE:
            name = line.partition("=")[0].rstrip(SPACE)
            change = changes.get(name)
            if name in seen:
                msg.warning(f'{path}: multiple entries for "{name}"')
            if change is not None:
                seen.add(name)
            if isinstance(change, str):
                out.append(f"{name} = {change}\n")
        out += _kept(line, change)
    new = {name: value for name, value in changes.items() if name not in seen and isinstance(value, str)}
    if new and out and not out[-1].endswith("\n"):
        out.append("\n")
    return "".join(out + [f"{name} = {value}\n" for name, value in new.items()])


def parse_changes(arguments: Iterable[str]) -> dict[str, Change]:
    """name=value arguments. Raises BadConfig in postconf's words; of two for a name the last counts."""
    changes: dict[str, Change] = {}
    for argument in arguments:
        _refuse_lines(argument)
        try:
            name, value = split_setting(argument)
        except ValueError as e:
            raise BadConfig(f'{e}: "{argument}"') from None
        if name in changes:
            msg.warning(f"ignoring earlier request: '{name} = {changes[name]}'")
        changes[name] = value
    return changes


def parse_names(arguments: Iterable[str], action: Action) -> dict[str, Change]:
    """Names to remove or comment out. Raises BadConfig in postconf's words."""
    changes: dict[str, Change] = {}
    for argument in arguments:
        _refuse_lines(argument)
        name = argument.strip(SPACE)
        if "=" in name:
            raise BadConfig("-X or -# requires parameter names without value")
        if not name or name.startswith("#"):
            raise BadConfig("-X or -# requires non-blank parameter names")
        changes[name] = action
    return changes


def edit_file(path: str, changes: Mapping[str, Change]) -> None:
    """Change a main.cf. Raises BadConfig when it can't be read or written."""
    real = os.path.realpath(path)
    try:
        with open(real, encoding="utf-8", errors="surrogateescape", newline="") as file:
            before, found = file.read(), os.fstat(file.fileno())
    except OSError as e:
        raise BadConfig(f"open {path} for reading: {e.strerror}") from e
    after = edited(before, changes, path)
    try:
        _replace(real, after.encode("utf-8", "surrogateescape"), found)
    except OSError as e:
        raise BadConfig(f"open {path} for writing: {e.strerror}") from e


def _replace(path: str, data: bytes, like: os.stat_result) -> None:
    """Write a file beside and rename it. Before: the old content; after: the new, durable."""
    temporary = f"{path}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            with suppress(PermissionError):  # only root gives files away
                os.fchown(fd, like.st_uid, like.st_gid)
            os.fchmod(fd, stat.S_IMODE(like.st_mode))
            os.fsync(fd)
        rename_durably(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _lines(text: str) -> list[str]:
    """Lines with their ends; only a line feed ends one."""
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _kept(line: str, change: Change | None) -> list[str]:
    """What stays of an old line."""
    if change is None:
        return [line]
    return [f"#{line}"] if change is Action.COMMENT else []


def _refuse_lines(argument: str) -> None:
    if "\n" in argument:
        raise BadConfig("-e, -X, or -# accepts no multi-line input")
