"""cfg_parser - the parameters of a table that asks a server

    class SqliteParams(DbParams):
        dbpath = Str("")

    cfg = read_params(SqliteParams, options, "/etc/postfix/users.cf")

A name that begins with `/` or `.` is a file of `name = value` lines, in which `$` is plain.
Any other one stands for main.cf's parameters NAME_hosts, NAME_user, ... (the old style).

Sources: mysql_table(5), ldap_table(5), ...
"""

from typing import TypeVar

from pyfix.config import in_force
from pyfix.config.main_cf import BadConfig, MainCf, Setting
from pyfix.config.param import Params
from pyfix.config.syntax import read_text
from pyfix.maps.table import OpenError, Options

P = TypeVar("P", bound=Params)


class PrefixCf(MainCf):
    """main.cf as one table sees it: `hosts` is NAME_hosts."""

    __slots__ = ("_main", "_prefix")

    def __init__(self, main: MainCf, prefix: str) -> None:
        super().__init__(main.config_dir, main.path, {}, {})
        self._main = main
        self._prefix = prefix

    def raw(self, name: str) -> str | None:
        """The unexpanded text in force."""
        return self._main.raw(self._prefix + name)

    def expand(self, text: str, name: str = "") -> str:
        """The text with main.cf's $names expanded."""
        return self._main.expand(text, self._prefix + name)

    def setting(self, name: str) -> Setting | None:
        """The setting in force."""
        return self._main.setting(self._prefix + name)


class TableCf(PrefixCf):
    """The file of one table: nothing is expanded."""

    def expand(self, text: str, name: str = "") -> str:  # noqa: ARG002 - the interface's
        """The text as it is."""
        return text


def read_params(kind: type[P], options: Options, name: str) -> P:
    """All parameters of a table, checked. OpenError says what is wrong, and where."""
    try:
        params = kind(_source(options, name))
        for each in kind.__mro__:
            if issubclass(each, Params):
                for parameter in each.declared():
                    parameter.read(params.main)
    except BadConfig as error:
        said = str(error)  # of a parameter that is not there it names no place
        raise OpenError(said if name in said else f"{name}: {said}") from None
    return params


def _source(options: Options, name: str) -> MainCf:
    if not name.startswith(("/", ".")):
        return PrefixCf(in_force.main_cf(options.config_dir), f"{name}_")
    return TableCf(MainCf.from_text(read_text(name), path=name), "")
