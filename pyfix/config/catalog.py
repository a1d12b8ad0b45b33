"""catalog - every name that an instance's files may use, and what is wrong with those they do use

Three classes, as postconf -C calls them: builtin (declared in pyfix.config.params), service
(brought along by a service of master.cf) and user. A name is the user's when it is set and something
looks at it: a $name, smtpd_restriction_classes, or a table whose parameters are in main.cf.

An -o of master.cf may use all that, and what other -o of the same service look at.

Sources: postconf(1), postconf(5).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from pyfix.config import dbms, deprecated, families, registry
from pyfix.config.expand import Expander, references
from pyfix.config.hosts import SEPARATORS
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.master_entry import Entry
from pyfix.config.param import Parameter, Raw

CLASSES = ("builtin", "service", "user")

Settings = Sequence[tuple[str, str]]


class Catalog:
    """The names of one main.cf and its master.cf."""

    def __init__(self, main: MainCf, entries: Sequence[Entry]) -> None:
        self._main = main
        self._entries = entries
        self._builtin = registry.everything()
        self._service = {
            f"{entry.name}_{suffix}": (entry.name, suffix)
            for entry in entries
            for suffix in families.suffixes(entry.program)
        }
        self._settings: Settings = [(name, main.raw(name) or "") for name in main.names()]

    @property
    def _by_class(self) -> dict[str, Collection[str]]:
        return dict(zip(CLASSES, (self._builtin, self._service, self._user), strict=True))

    def classes_of(self, name: str) -> set[str]:
        """The classes of a name, none when nobody knows it."""
        return {found for found, names in self._by_class.items() if name in names}

    def knows(self, name: str) -> bool:
        """Whether the name stands for something, be it nothing but an older name of a parameter."""
        return any(name in table for table in (self._builtin, self._service, self._user, deprecated.LEGACY))

    def names(self, classes: Iterable[str] = CLASSES) -> list[str]:
        """All names of some classes, in byte order."""
        tables = self._by_class
        return sorted({name for found in classes for name in tables[found]})

    def parameter(self, name: str) -> Parameter[Any] | None:
        """The declaration of a name; None for those of users."""
        found = self._builtin.get(name)
        if found is None and name in self._service:
            found = families.member(*self._service[name])
        return found

    def services_with(self, suffix: str) -> list[str]:
        """The services that have a parameter of a family, in order."""
        return sorted({service for service, has in self._service.values() if has == suffix})

    def default(self, name: str) -> str | None:
        """The default of a name, unexpanded; None for those of users."""
        parameter = self.parameter(name)
        if parameter is None:
            return "" if name in deprecated.LEGACY else None
        return parameter.default_text(self._main)

    @cached_property
    def values(self) -> MainCf:
        """main.cf with the defaults of the parameters that services bring, for expanding."""
        services = ((name, families.member(*found).default_text(self._main)) for name, found in self._service.items())
        return self._main.with_defaults(services)

    # What is wrong

    def undefined(self, *, strict: bool = False) -> Iterator[str]:
        """Warnings of names that are looked at and stand for nothing, and of what tables' own files say.

        strict: ExpandError for the value of a parameter that can't be expanded.
        """
        set_in_main = {*self._main.names()}
        set_in_master = {name for entry in self._entries for name, _ in entry.overrides}
        for name in sorted(self._wanted_in_master()):
            yield f"{self._master_cf}: undefined parameter: {name}"
        for name in sorted(self._wanted - set_in_main - set_in_master):
            if not self.knows(name):
                yield f"{self._main.path}: undefined parameter: {name}"
        yield from self._in_values(strict=strict)

    def unused(self, *, main: bool = True) -> Iterator[str]:
        """Warnings of names that are set and nothing looks at, and of those that will go; main: in main.cf too."""
        old = False
        if main:
            for name, value in self._settings:
                if not self.knows(name):
                    yield f"{self._main.path}: unused parameter: {name}={value}"
                yield from (warnings := _deprecated(self._main.path, name))
                old |= bool(warnings)
        for entry in self._entries:
            for name, value in entry.overrides:
                if not self._knows_locally(entry, name):
                    yield f"{self._master_cf}: unused parameter: {name}={value}"
                yield from (warnings := _deprecated(self._master_cf, name))
                old |= bool(warnings)
        if old:
            yield deprecated.SEE

    @property
    def _master_cf(self) -> str:
        return f"{self._main.config_dir}/master.cf"

    def _wanted_in_master(self) -> set[str]:
        """The names that -o settings look at in vain."""
        set_in_main = {*self._main.names()}
        return {
            name
            for entry in self._entries
            for name in self._wanted_by[entry.line.number] - {name for name, _ in entry.overrides} - set_in_main
            if not self.knows(name)
        }

    def _knows_locally(self, entry: Entry, name: str) -> bool:
        if self.knows(name) or name in self._wanted | self._in_tables | self._wanted_by[entry.line.number]:
            return True
        return name in self._of_tables(entry.overrides, self._main.with_overrides(entry.overrides))

    def _in_values(self, *, strict: bool) -> Iterator[str]:
        """Warnings of what values say: words that can't be, and what the files of tables say in vain."""
        master_cf = self._master_cf
        scopes = [(self._main.path, "", self._settings, self._main)]
        for entry in self._entries:
            view = self._main.with_overrides(entry.overrides)
            scopes.append((master_cf, f":{entry.key}", entry.overrides, view))
        tables = set()
        for path, service, settings, main in scopes:
            for found in self._scan(settings, main, strict=strict):
                if isinstance(found, dbms.Complaint):
                    yield f"{path}{service if found.of_service else ''}: {found.text}"
                elif found.is_file:
                    tables.add(found)
        for table in sorted(tables):
            yield from dbms.unused_in_file(table)

    # Who looks at what

    @cached_property
    def _wanted(self) -> set[str]:
        """The names that main.cf looks at."""
        return self._references(self._settings) | _restriction_classes(self._main)

    @cached_property
    def _wanted_by(self) -> dict[int, set[str]]:
        """The same of each service's own settings, by the line it begins at."""
        return {
            entry.line.number: self._references(entry.overrides)
            | (_restriction_classes(self._main.with_overrides(entry.overrides)) if _has_classes(entry) else set())
            for entry in self._entries
        }

    @cached_property
    def _in_tables(self) -> set[str]:
        """The names that the tables of main.cf look at."""
        return self._of_tables(self._settings, self._main)

    @cached_property
    def _user(self) -> set[str]:
        """The names of main.cf that are the user's own."""
        own = {name for name, _ in self._settings if name not in self._builtin and name not in self._service}
        if not own:
            return own
        wanted = self._wanted | deprecated.LEGACY.keys() | self._in_tables
        for entry in self._entries:
            main = self._main.with_overrides(entry.overrides)
            looks_at = self._wanted_by[entry.line.number] | self._of_tables(entry.overrides, main)
            wanted |= looks_at - {name for name, _ in entry.overrides}
        return own & wanted

    def _references(self, settings: Settings) -> set[str]:
        """What the values refer to; those that are expanded with names of their user's don't count."""
        values = (value for name, value in settings if not isinstance(self._builtin.get(name), Raw))
        return {name for value in values for name in references(value)}

    def _of_tables(self, settings: Settings, main: MainCf) -> set[str]:
        """The old-style parameters of the tables that the settings name."""
        tables = (found for found in self._scan(settings, main) if isinstance(found, dbms.Table))
        return {name for table in tables for name in table.parameters()}

    def _scan(
        self, settings: Settings, main: MainCf, *, strict: bool = False
    ) -> Iterator[dbms.Table | dbms.Complaint]:
        for name, value in settings:
            parameter = self._builtin.get(name)
            if isinstance(parameter, Raw) or (parameter is None and name not in self._service):
                continue
            text = Expander(main.unexpanded).text(value) if strict else _expanded(main, name, value)
            yield from dbms.scan(text)


def _has_classes(entry: Entry) -> bool:
    return any(name == "smtpd_restriction_classes" for name, _ in entry.overrides)


def _restriction_classes(main: MainCf) -> set[str]:
    name = "smtpd_restriction_classes"
    return {word for word in SEPARATORS.split(_expanded(main, name, main.raw(name) or "")) if word}


def _expanded(main: MainCf, name: str, value: str) -> str:
    """The value of a setting, nothing when it is wrong: who reads it says so."""
    try:
        return main.expand(value, name)
    except BadConfig:
        return ""


def _deprecated(path: str, name: str) -> list[str]:
    warning = deprecated.warning(name)
    return [] if warning is None else [f"{path}: {warning}"]
