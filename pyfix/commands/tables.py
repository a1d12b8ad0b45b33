"""tables - what postmap and postalias have in common: build, change, ask and dump lookup tables

The two differ in the syntax of their source files and in how they print a pair; see Command.

Exit status: 0 done (-q, -d: something was found), 1 not found or trouble.
Parameters: default_database_type, import_environment, lmdb_map_size, smtputf8_enable.
Sources: postmap(1), postalias(1).
"""

import base64
import binascii
import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from pyfix.commands import mail_conf
from pyfix.commands.json_text import json_text
from pyfix.commands.message_lines import message_lines
from pyfix.config.environment import let_through
from pyfix.config.params.mail import MailParams
from pyfix.maps import cdb, index
from pyfix.maps.hash import convert
from pyfix.maps.lines import decode, encode, logical_lines, stream
from pyfix.maps.lmdb import index_path
from pyfix.maps.nbdb_redirect import made_as
from pyfix.maps.open import GONE, TYPES, in_place_of, open_or_fail
from pyfix.maps.table import LocalTable, OpenError, Options, TableError, fold_key, is_key, is_utf8
from pyfix.unix import msg

INDEXED = frozenset({"hash", "btree", "lmdb"})
BUILT = INDEXED | {"cdb"}
READ_ONLY = frozenset(
    {"cidr", "inline", "ldap", "mysql", "pcre", "pgsql", "pipemap", "randmap", "regexp", "socketmap", "sqlite", "tcp",
     "texthash", "unionmap", "unix"}
)  # fmt: skip
MOMENTARY = frozenset({"environ", "internal"})
"""What is added to them is gone with the process."""

ROOM = 4
"""How much larger than its source an index may become, most likely: else it is begun again."""

Filling = index.Filling | cdb.Filling
Entry = Callable[[str, str], tuple[str, str] | None]


@dataclass(frozen=True)
class Command:
    """One of the two programs. joint: between key and value in output; signs: each table says who made it, and when."""

    name: str
    letters: str
    usage: str
    entry: Entry
    joint: str
    signs: bool = False


@dataclass
class Request:
    """What the command line asks for. key: of -q or -d."""

    command: Command
    flags: set[str] = field(default_factory=set)
    mode: str = ""
    key: str = ""
    config_dir: str | None = None
    maps: list[str] = field(default_factory=list)

    @property
    def fold(self) -> bool:
        """Whether keys are folded to lower case."""
        return "f" not in self.flags


@dataclass(frozen=True)
class Settings:
    """What main.cf and the options come to."""

    request: Request
    default_type: str
    map_size: int
    utf8: bool
    config_dir: str
    myhostname: str

    @property
    def signature(self) -> list[tuple[str, str]]:
        """Entries of every table: Sendmail's sign that it is complete, NIS's that it is of this host and moment."""
        if not self.request.command.signs:
            return []
        return [("@", "@"), ("YP_LAST_MODIFIED", str(int(time.time()))), ("YP_MASTER_NAME", self.myhostname)]

    def key(self, text: str) -> str:
        """A key as it stands in an index file."""
        return fold_key(text, utf8=self.utf8) if self.request.fold else text

    def pair(self, key: str, value: str) -> str:
        """A line of output; with -j an object of JSON."""
        if "j" in self.request.flags:
            return f"{{{json_text(key)}: {json_text(value)}}}"
        return f"{key}{self.request.command.joint}{value}"

    def split(self, spec: str) -> tuple[str, str]:
        """A table's type and name."""
        table_type, colon, name = spec.partition(":")
        return (table_type, name) if colon else (self.default_type, spec)

    def style(self, table: str, source: os.stat_result | None = None) -> index.Style:
        """How a table is written; source: status of the file that it is made of."""
        flags = self.request.flags
        return index.Style(
            table,
            map_size=max(self.map_size, 0 if source is None else ROOM * source.st_size),
            duplicates=_duplicates(flags),
            nul="N" in flags or not ("n" in flags or table.startswith("cdb:")),
            mode=0o644 if source is None or "p" in flags else stat.S_IMODE(source.st_mode) & 0o777,
        )

    def open(self, spec: str) -> LocalTable:
        """The opened table; OpenError."""
        return open_or_fail(
            spec,
            config_dir=self.config_dir,
            fold=self.request.fold,
            utf8=self.utf8,
            default=self.default_type,
        )


def run(command: Command, argv: list[str] | None) -> int:
    """Do what the command line asks for; returns the exit status."""
    found, operands = mail_conf.begin(argv, command.name, command.letters, f"usage: {command.usage}")
    request = _request(command, found, operands)
    settings = _settings(request)
    try:
        return MODES[request.mode](settings)
    except (OpenError, index.UpdateError) as error:
        msg.fatal(str(error))
    finally:
        sys.stdout.flush()


ONLY_ONE = "specify only one of -d -i -q or -s"


def _request(command: Command, found: list[tuple[str, str]], operands: list[str]) -> Request:
    request = Request(command, maps=operands)
    for letter, value in found:
        if letter in MODES:
            if request.mode:
                msg.fatal(ONLY_ONE)
            request.mode, request.key = letter, decode(os.fsencode(value))
        elif letter == "c":
            request.config_dir = value
        else:
            request.flags.add(letter)
    if request.mode and "i" in request.flags:
        msg.fatal(ONLY_ONE)
    if request.flags & set("bhm") and (request.mode, request.key) != ("q", "-"):
        msg.fatal('specify -b -h or -m only with "-q -"')
    if "j" in request.flags and request.mode not in ("q", "s"):
        msg.fatal("option -j requires -q or -s")
    if not operands:
        msg.fatal(f"usage: {command.usage}")
    if "m" in request.flags and not request.flags & set("bh"):
        msg.warning("ignoring -m option without -b or -h")
    return request


def _settings(request: Request) -> Settings:
    main = mail_conf.load(request.config_dir)
    mail_conf.log_too(main, request.command.name)
    cfg = MailParams(main)
    if "PYTHONPATH" in cfg.import_environment:  # as for daemons; nothing would be where we happen to be
        sys.path += filter(None, let_through(cfg.import_environment, {}).get("PYTHONPATH", "").split(":"))
    utf8 = cfg.smtputf8_enable and "u" not in request.flags
    if request.flags & set("bh") and "U" not in request.flags:
        utf8 = False
    return Settings(request, cfg.default_database_type, cfg.lmdb_map_size, utf8, main.config_dir, cfg.myhostname)


# -q


def _query(settings: Settings) -> int:
    request = settings.request
    tables = Tables(settings)
    if request.key != "-":
        found = tables.find(request.key)
        if found is not None:
            _write(settings.pair(request.key, found) if "j" in request.flags else found)
        return found is None
    keys = checked_lines(request.flags) if request.flags & set("bh") else stdin_lines()
    seen = False
    for key in keys:
        found = tables.find(key)
        if found is not None:
            seen = True
            _write(settings.pair(key, found))
    return not seen


class Tables:
    """The tables named on the command line, opened when they are needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[str, LocalTable] = {}

    def find(self, key: str) -> str | None:
        """The first table's value for the key; trouble ends the command."""
        for spec in self._settings.request.maps:
            table = self._open.get(spec) or self._open.setdefault(spec, self._settings.open(spec))
            try:
                value = table.lookup_now(key)
            except TableError as error:
                msg.fatal(trouble(error, "query"))
            if value is not None:
                return self._shown(table, key, value)
        return None

    def _shown(self, table: LocalTable, key: str, value: str) -> str:
        if not value:
            msg.warning(f"table {table.name}: key {key}: empty string result is not allowed")
            msg.warning(f"table {table.name} should return NO RESULT in case of NOT FOUND")
        return _content(self._settings, table.name, key, value)


def _content(settings: Settings, table: str, key: str, value: str) -> str:
    """The value, with -F what its base64 stands for."""
    if "F" not in settings.request.flags:
        return value
    try:
        return decode(base64.b64decode(encode(value), validate=True))
    except (binascii.Error, ValueError):
        msg.warning(f"table {table}: key {key}: malformed BASE64 value: {value:.30}")
        msg.fatal(f"table {table}: query error")


def trouble(error: TableError, action: str) -> str:
    """A table can't do what was asked of it."""
    detail = f": {error.reason}" if error.reason else ""
    return f"table {error.table}: {action} error{detail}"


def stdin_lines() -> Iterator[str]:
    """Lines of standard input, without their ends."""
    return stream(sys.stdin.buffer)


def checked_lines(flags: set[str]) -> Iterator[str]:
    """Of a message on standard input: header lines (-h), body lines (-b), by MIME's rules (-m)."""
    for is_header, text in message_lines(stdin_lines(), mime="m" in flags):
        if ("h" if is_header else "b") in flags:
            yield text


# -d


def _delete(settings: Settings) -> int:
    request = settings.request
    keys = list(stdin_lines()) if request.key == "-" else [request.key]
    found = 0
    for spec in request.maps:
        table_type, name = settings.split(spec)
        if not name:
            settings.open(spec)  # says what is wrong
        options = in_place_of(Options(table_type, config_dir=settings.config_dir), name)
        if options.type != table_type:
            table_type, spec = options.type, options.spec(name)
        if table_type == "internal":  # a new one: nothing is in it
            continue
        if table_type not in INDEXED:
            _refuse_delete(settings, *_watched(spec, table_type))
        if table_type != "lmdb":
            convert(name, settings.style(spec))
        elif not os.path.exists(index_path(name)):
            index.rebuild(name, lambda _: None, settings.style(spec))
        known = [key for key in keys if not settings.utf8 or is_key(f"{table_type}:{name}", key)]
        found += len(keys) - len(known)  # what can't be there is as good as gone
        found += index.delete(name, [settings.key(key) for key in known], map_size=settings.map_size)
    return not found


def _watched(spec: str, table_type: str) -> tuple[str, str]:
    """The table that a debug: table logs, and its type; of any other type, itself."""
    while spec.startswith("debug:") and spec.count(":") > 1:
        spec = spec.removeprefix("debug:")
        table_type = spec.partition(":")[0]
    return spec, table_type


def _refuse_delete(settings: Settings, spec: str, table_type: str) -> None:
    if table_type in READ_ONLY:
        msg.fatal(f"{spec} map requires O_RDONLY access mode")
    if table_type == "cdb":
        msg.fatal("unsupported non-bulk change request")
    if table_type == "fail":
        msg.fatal(f"table {spec}: delete error: Application error")
    msg.fatal(f"table {settings.open(spec).name}: delete operation is not supported")


# -s


def _dump(settings: Settings) -> int:
    table = settings.open(settings.request.maps[0])
    items = getattr(table.source, "items", None)
    if items is None:
        failing = table.name.startswith("fail:")
        msg.fatal(
            f"table {table.name}: sequence "
            + ("error: Application error" if failing else "operation is not supported")
        )
    for key, value in items():
        _write(settings.pair(key, _content(settings, table.name, key, value)))
    return 0


def _write(line: str) -> None:
    sys.stdout.buffer.write(encode(line) + b"\n")


# Building


def _build(settings: Settings) -> int:
    for spec in settings.request.maps:
        table_type, name = settings.split(spec)
        if "i" in settings.request.flags:
            _add(settings, table_type, name)
        else:
            _rebuild(settings, table_type, name)
    return 0


def _add(settings: Settings, table_type: str, name: str) -> None:
    table_type = made_as(table_type, name, settings.config_dir)
    if table_type in MOMENTARY:
        return
    spec, watched = _watched(f"{table_type}:{name}", table_type)
    _check_type(watched, spec, adds=True)
    if table_type not in INDEXED:
        msg.fatal("unsupported non-bulk change request")
    lines = list(stdin_lines())  # may be asked for twice
    style = settings.style(f"{table_type}:{name}")
    if table_type != "lmdb":
        convert(name, style)
    index.add(name, lambda table: _fill(settings, table, lines, "stdin"), style)


def _rebuild(settings: Settings, table_type: str, name: str) -> None:
    if table_type == "proxy":
        msg.fatal("can't create maps via the proxy service")
    with _opened(name) as file:
        table_type = made_as(table_type, name, settings.config_dir)
        _check_type(table_type, f"{table_type}:{name}", adds=False)
        status = os.fstat(file.fileno())
        style = settings.style(f"{table_type}:{name}", source=status)

        def fill(table: Filling) -> None:
            file.seek(0)
            _fill(settings, table, stream(file), name)
            for key, value in settings.signature:
                table.put(key, value)

        with as_owner(status) if "o" not in settings.request.flags else contextlib.nullcontext():
            (cdb if table_type == "cdb" else index).rebuild(name, fill, style)


def _opened(name: str) -> BinaryIO:
    try:
        return open(name, "rb")
    except OSError as error:
        raise OpenError(f"open {name}: {error.strerror}") from None


def _check_type(table_type: str, spec: str, *, adds: bool) -> None:
    if table_type not in TYPES:
        raise OpenError(GONE.get(table_type, f"unsupported map type: {table_type}"))
    if table_type not in BUILT:
        if adds and table_type in READ_ONLY:
            raise OpenError(f"{spec} map requires O_RDONLY access mode")
        if table_type == "fail":
            raise OpenError(f"table {spec}: write error: Application error")
        if adds:
            raise OpenError(f"table {spec}: update operation is not supported")
        raise OpenError(f"no 'map create' support for this type: {table_type}")


def _fill(settings: Settings, table: Filling, lines: Iterable[str], file: str) -> None:
    parse, put = settings.request.command.entry, table.put
    utf8, fold, files = settings.utf8, settings.request.fold, "F" in settings.request.flags
    for number, line in logical_lines(lines, file):
        place = f"{file}, line {number}"
        if utf8 and not line.isascii() and not is_utf8(line):
            msg.warning(f'{place}: non-UTF-8 input "{line}" -- ignoring this line')
            continue
        entry = parse(line, place)
        if entry is None:
            continue
        key, value = entry
        stored = _contents(value, place) if files else value
        if stored is not None:
            put(fold_key(key, utf8=utf8) if fold else key, stored)


def _duplicates(flags: set[str]) -> index.Duplicates:
    if "r" in flags:
        return index.Duplicates.REPLACE
    return index.Duplicates.IGNORE if "w" in flags else index.Duplicates.WARN


def _contents(value: str, place: str) -> str | None:
    """The base64 of the files that a value names (-F)."""
    contents = []
    for path in value.replace(",", " ").split():
        try:
            with open(path, "rb") as file:
                contents.append(file.read())
        except OSError as error:
            msg.warning(f"{place}: open {path}: {error.strerror}: skipping this entry")
            return None
    return base64.b64encode(b"\n".join(contents)).decode()


@contextlib.contextmanager
def as_owner(status: os.stat_result) -> Iterator[None]:
    """Work with the rights of a file's owner, if the file is not root's and we are."""
    if os.geteuid() != 0 or status.st_uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([status.st_gid])
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


MODES: dict[str, Callable[[Settings], int]] = {"q": _query, "d": _delete, "s": _dump, "": _build}
