"""table - what a lookup table is to those who ask it

A Table answers `await table.lookup(key)`: the value, None for "not found", or TableError.
`fixed` tells whether partial keys (`user`, `@domain`, `.domain`) may be tried: a pattern
table sees the whole key only.

A table type is a Source: plain, synchronous, without case folding. LocalTable makes a Table
of it: folds keys for tables of fixed strings, checks UTF-8, and opens the source again
when its file was replaced or changed. A source that can't open is replaced by Unavailable,
which answers TableError; a repaired file is found within seconds.

See also: postfix DATABASE_README, smtputf8_enable.
"""

from collections.abc import Awaitable, Callable, Iterator
from enum import Flag
from typing import NamedTuple, Protocol, runtime_checkable

from pyfix.mail.error import Retry
from pyfix.maps.watch import AskAgain, Stamp, Watch
from pyfix.unix import msg


class TableError(Retry):
    """A table that can't answer now. table: its type:name; reason: for the log and for commands."""

    def __init__(self, table: str, reason: str) -> None:
        super().__init__("Temporary lookup failure", detail=f"{table}: {reason}")
        self.table = table
        self.reason = reason


class OpenError(Exception):
    """A table can't be opened; str() is the reason as commands print it."""


class Table(Protocol):
    """What every opened table offers."""

    name: str
    fixed: bool

    async def lookup(self, key: str) -> str | None:
        """The value, None when not found; TableError when the table can't answer."""
        ...


class Threads(Protocol):
    """Where lookups that take their time are made."""

    async def run(self, lookup: Callable[[str], str | None], key: str) -> str | None:
        """The lookup's answer; what it raises passes through."""
        ...


class Source(Protocol):
    """What a table type implements. watch: None where no file can change.

    One that asks a server has an attribute `waits`, which is true; its lookup is called by several
    threads. It may have lookup_kept (see pyfix.maps.kept). One that wants keys as they were asked for, though it is
    of fixed strings, has an attribute `folds_itself`, which is true.
    """

    fixed: bool
    watch: Watch | None

    def lookup(self, key: str) -> str | None:
        """The value for exactly this key; TableError when there is trouble."""
        ...


@runtime_checkable
class Dump(Protocol):
    """A source that can tell all it holds (`postmap -s`)."""

    def items(self) -> Iterator[tuple[str, str]]:
        """Keys and values in the table's own order."""
        ...


class Care(Flag):
    """What a parameter does not take from its tables, since it says what runs, or where mail goes."""

    NONE = 0
    NO_SUBSTITUTION = 1
    """Values made of what a pattern has matched: such rules are left out."""
    NO_PROXY = 2
    """Answers of proxymap: the daemon opens the table itself."""
    NO_STRANGERS = 4
    """Answers of servers that could be anybody's: such a table does not open."""
    PARANOID = 7


class Options(NamedTuple):
    """How a table is opened. fold: lower-case keys of fixed strings; utf8: smtputf8_enable; secret: values are not
    for the log.
    """

    type: str
    fold: bool = True
    utf8: bool = True
    config_dir: str = ""
    care: Care = Care.NONE
    secret: bool = False

    def spec(self, name: str) -> str:
        """The table's name as the administrator wrote it."""
        return f"{self.type}:{name}"

    def shown(self, name: str) -> str:
        """The same for the log."""
        return without_values(self.spec(name)) if self.secret else self.spec(name)


def without_values(spec: str) -> str:
    """A table's type:name for the log, where the name may have the table's values in it."""
    table_type = spec.partition(":")[0]
    return f"{table_type}:(hidden)" if table_type == "static" or "{" in spec else spec


Opener = Callable[[], Source]
LookupKept = Callable[[str], Awaitable[str | None]]


class NotNowError(Exception):
    """This has to be asked in a thread."""


def missing_extra(options: Options, name: str, package: str, extra: str) -> OpenError:
    """The error for a table type whose package is not installed."""
    return OpenError(f"{options.spec(name)} needs the package {package}: pip install 'pyfix[{extra}]'")


def new_threads() -> Threads:
    """Threads of a table's own."""
    from pyfix.maps.threads import TableThreads

    return TableThreads()


class LocalTable:
    """A table of this process. lookup_now is lookup for callers without a loop.

    waits: it asks a server, and so do it only through `lookup` where there is a loop; secret: no value is for the log.
    """

    __slots__ = (
        "_due", "_fold", "_folds", "_lookup_kept", "_opened", "_opener", "_source", "_threads", "_utf8",
        "fixed", "name", "secret", "waits",
    )  # fmt: skip

    def __init__(self, name: str, opener: Opener, *, fold: bool = True, utf8: bool = True) -> None:
        """Open the table; OpenError passes through."""
        self.name = name
        self._opener = opener
        self._fold = fold
        self._utf8 = utf8
        self.secret = False
        self._threads: Threads | None = None
        self._use(opener())
        self._opened = self.stamp()

    async def lookup(self, key: str) -> str | None:
        """The value, None when not found; TableError when the table can't answer."""
        if self._threads is None:
            return self.lookup_now(key)
        if self._lookup_kept is not None and key.isascii():
            try:
                value = await self._lookup_kept(key.lower() if self._folds else key)
            except NotNowError:
                pass
            else:
                if value is None or value.isascii():
                    return value
        return await self._threads.run(self.lookup_now, key)

    def lookup_now(self, key: str) -> str | None:
        """The same without waiting."""
        if self._due is not None and self._due():
            self._open_again()
        value = (
            self._source.lookup(key.lower() if self._folds else key)
            if key.isascii()
            else self._lookup_wide(key)
        )
        if value is None or value.isascii() or not self._utf8 or is_utf8(value):
            return value
        shown = "(hidden)" if self.secret else value
        msg.warning(f'{self.name}: key "{key}": non-UTF-8 value "{shown}": malformed UTF-8 or invalid codepoint')
        raise TableError(self.name, "")

    def stamp(self) -> Stamp | None:
        """Changes when the table's file does; None for a table without a file."""
        watch = self._source.watch
        return None if watch is None else watch.stamp()

    def changed(self) -> bool:
        """Whether the file on disk is no longer as it was when this object was made."""
        return self.stamp() != self._opened

    @property
    def source(self) -> Source:
        """The table type's own object, for dumps."""
        return self._source

    def _use(self, source: Source) -> None:
        self._source = source
        self._due = None if source.watch is None else source.watch.due
        self._folds = folds(source, fold=self._fold)
        self.fixed = source.fixed
        self.waits = bool(getattr(source, "waits", False))
        self._lookup_kept: LookupKept | None = getattr(source, "lookup_kept", None)
        if self.waits and self._threads is None:
            self._threads = new_threads()

    def _lookup_wide(self, key: str) -> str | None:
        if self._utf8 and not is_key(self.name, key):
            return None
        return self._source.lookup(fold_key(key, utf8=self._utf8) if self._folds else key)

    def _open_again(self) -> None:
        """The file is another now: take it; what can't be opened leaves the old one in use."""
        try:
            self._use(self._opener())
        except OpenError:
            assert self._source.watch is not None
            self._source.watch.postpone()


class Unavailable:
    """Stands in for a table that could not be opened: each lookup warns and fails.

    Its watch asks for another attempt to open the table every second.
    """

    fixed = False  # one failure is enough: no partial keys

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        self.watch: Watch | None = AskAgain()

    def lookup(self, key: str) -> str | None:  # noqa: ARG002 - the interface's
        """Never a value."""
        msg.warning(f"{self.name} is unavailable. {self.reason}")
        raise TableError(self.name, self.reason)


def is_key(name: str, text: str) -> bool:
    """Whether a table that keeps UTF-8 can have this key; warns where it can't. name: of the table."""
    if is_utf8(text):
        return True
    msg.warning(f'{name}: non-UTF-8 key "{text}": malformed UTF-8 or invalid codepoint')
    return False


def is_utf8(text: str) -> bool:
    """Whether the bytes behind this text are UTF-8: no surrogates stand for stray bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def folds(source: Source, *, fold: bool) -> bool:
    """Whether keys are folded for a table. fold: those of fixed strings are."""
    return fold and source.fixed and not getattr(source, "folds_itself", False)


def fold_key(key: str, *, utf8: bool = True) -> str:
    """The key without differences of case: of Unicode with utf8, else of ASCII letters only."""
    if key.isascii():
        return key.lower()
    return key.casefold() if utf8 else key.translate(_LOWER_ASCII)


_LOWER_ASCII = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
