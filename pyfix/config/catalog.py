"""catalog - every name that an instance's files may use, and what is wrong with those they do use

Three classes, as postconf -C calls them: builtin (declared in pyfix.config.params), service
(brought along by a service of master.cf) and user (set, and used as $name or named as a
restriction class).

Sources: postconf(1), postconf(5).
"""

from collections.abc import Iterator
from typing import Any

from pyfix.config import families, registry
from pyfix.config.expand import references
from pyfix.config.hosts import SEPARATORS
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import Service
from pyfix.config.param import Parameter

CLASSES = ("builtin", "service", "user")


class Catalog:
    """The names of one main.cf and its master.cf."""

    def __init__(self, main: MainCf, services: list[Service]) -> None:
        self._main = main
        self._services = services
        self._builtin = registry.everything()
        self._service: dict[str, Parameter[Any]] = {
            parameter.name: parameter
            for service in services
            for parameter in families.generated(service.name, service.program)
            if parameter.name not in self._builtin
        }
        self._in_main = {name for text in self._texts() for name in references(text)}
        self._in_services = {
            name for service in services for _, value in service.overrides for name in references(value)
        }
        self._user = {name for name in main.names() if self._is_user(name)}

    def class_of(self, name: str) -> str | None:
        """The class of a name, None when nobody knows it."""
        if name in self._builtin:
            return "builtin"
        if name in self._service:
            return "service"
        return "user" if name in self._user else None

    def names(self) -> list[str]:
        """All names, in byte order."""
        return sorted({*self._builtin, *self._service, *self._user})

    def default(self, name: str) -> str | None:
        """The default of a name, unexpanded; None for those of users."""
        parameter = self._builtin.get(name) or self._service.get(name)
        return None if parameter is None else parameter.default_text(self._main)

    def complaints(self, *, main: bool = True) -> Iterator[str]:
        """What postconf warns of: names that are used but not defined, or set but not used.

        main: of main.cf too, not only of master.cf.
        """
        master = f"{self._main.config_dir}/master.cf"
        if main:
            yield from self._undefined(self._main.path, self._in_main)
        yield from self._undefined(master, self._in_services)
        if main:
            for name in self._main.names():
                yield from self._unused(self._main.path, name, self._main.raw(name) or "")
        for service in self._services:
            for name, value in service.overrides:
                yield from self._unused(master, name, value)

    def _unused(self, path: str, name: str, value: str) -> Iterator[str]:
        if self.class_of(name) is None and name not in self._in_main | self._in_services:
            yield f"{path}: unused parameter: {name}={value}"

    def _undefined(self, path: str, names: set[str]) -> Iterator[str]:
        for name in sorted(names):
            if self.class_of(name) is None and self._main.raw(name) is None:
                yield f"{path}: undefined parameter: {name}"

    def _texts(self) -> Iterator[str]:
        """The values of main.cf."""
        yield from (self._main.raw(name) or "" for name in self._main.names())

    def _is_user(self, name: str) -> bool:
        if name in self._builtin or name in self._service:
            return False
        classes = SEPARATORS.split(self._main.raw("smtpd_restriction_classes") or "")
        used = name in self._in_main or name in self._in_services or name in classes
        return used or self._in_defaults(name)

    def _in_defaults(self, name: str) -> bool:
        """Old names live on in the defaults of those that replaced them, as virtual_maps does."""
        defaults = [p.default for p in self._builtin.values() if isinstance(p.default, str)]
        return any(name in references(default) for default in defaults)
