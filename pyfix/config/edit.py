"""edit - changes of a main.cf that leave the rest of it alone

Comments, empty lines and the order stay. A setting that is changed loses its continuation
lines, but not the comments between them; one that is new goes to the end. The file is
replaced in one step and keeps its mode and owner; of two edits at once each sees the other's.

See also: postconf(1) -e, -X, -#.
"""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from enum import Enum
from io import FileIO

from pyfix.config.syntax import SPACE, BadConfig, split_setting
from pyfix.unix import msg
from pyfix.unix.files import rename_durably
from pyfix.unix.locks import flock_exclusive


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
    for line in split_lines(text):
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
        refuse_lines(argument)
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
        refuse_lines(argument)
        name = argument.strip(SPACE)
        if "=" in name:
            raise BadConfig("-X or -# requires parameter names without value")
        if not name:
            raise BadConfig("-X or -# requires non-blank parameter names")
        changes[name] = action
    return changes


def edit_file(path: str, changes: Mapping[str, Change]) -> None:
    """Change a main.cf. Raises BadConfig when it can't be read or written."""
    rewrite(path, lambda text: edited(text, changes, path))


def rewrite(path: str, change: Callable[[str], str]) -> None:
    """Replace a configuration file by what `change` makes of its text.

    Before: the old content; after: the new, durable. Who edits holds a lock on the file beside it that
    becomes the new one. Raises BadConfig when it can't be read or written.
    """
    real = os.path.realpath(path)
    try:
        lock = _locked(f"{real}.tmp")
    except OSError as e:
        raise BadConfig(f"open {path}.tmp: {e.strerror}") from e
    with FileIO(lock, "wb") as new:  # nothing is left to write, and to fail, when it is closed
        try:
            text, found = _read(path, real)
            _write(new, change(text).encode("utf-8", "surrogateescape"), found)
            rename_durably(f"{real}.tmp", real)
        except OSError as e:
            _unlink(f"{real}.tmp")
            raise BadConfig(f"open {path} for writing: {e.strerror}") from e
        except BaseException:
            _unlink(f"{real}.tmp")
            raise


def _locked(path: str) -> int:
    """The temporary file, empty and ours alone until it is closed."""
    while True:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        flock_exclusive(fd, wait=True)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(fd)):
                os.ftruncate(fd, 0)
                return fd
        os.close(fd)  # whoever had it made it the real file


def _read(path: str, real: str) -> tuple[str, os.stat_result]:
    try:
        with open(real, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read(), os.fstat(file.fileno())
    except OSError as e:
        raise BadConfig(f"open {path} for reading: {e.strerror}") from e


def _write(file: FileIO, data: bytes, like: os.stat_result) -> None:
    fd = file.fileno()
    os.fchmod(fd, 0o600)
    while data:  # a disk that fills up takes a part
        data = data[file.write(data) :]
    with suppress(PermissionError):  # only root gives files away
        os.fchown(fd, like.st_uid, like.st_gid)
    os.fchmod(fd, stat.S_IMODE(like.st_mode))
    os.fsync(fd)


def _unlink(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def split_lines(text: str) -> list[str]:
    """Lines with their ends; only a line feed ends one."""
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _kept(line: str, change: Change | None) -> list[str]:
    """What stays of an old line."""
    if change is None:
        return [line]
    return [f"#{line}"] if change is Action.COMMENT else []


def refuse_lines(argument: str, who: str = "-e, -X, or -# accepts") -> None:
    """Raises BadConfig for what would be more than one line, or none; who: does not take it, in the message."""
    if "\n" in argument:
        raise BadConfig(f"{who} no multi-line input")
    if argument.lstrip(SPACE).startswith("#"):
        raise BadConfig(f"{who} no comment input")
