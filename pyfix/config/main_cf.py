"""main_cf - what main.cf says

A MainCf holds the text of one main.cf and the settings that win over it (master.cf's
"-o name=value"). It is never changed after it was made: a reload makes a new one.

raw() is what was written, value() what it means: expanded, and the registry's default for
a name that is set nowhere. Programs read their own parameters through pyfix.config.param;
value() is for names that are put together at run time.

Sources: postconf(5).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from typing import NamedTuple

from pyfix.config.expand import Expander, ExpandError
from pyfix.config.syntax import SPACE, BadConfig, logical_lines, read_text, split_setting
from pyfix.unix import msg

__all__ = ["BadConfig", "MainCf", "Setting"]

_SHOWN = 30  # characters of a bad line that a warning shows


class Setting(NamedTuple):
    """A value as written and where it stands: "FILE, line N", or how it was given."""

    value: str
    where: str


def _settings(text: str, path: str) -> Iterator[tuple[str, Setting]]:
    """Every setting of a main.cf, in order. Raises BadConfig with file and line."""
    for number, line in logical_lines(text):
        if line[0] in SPACE:
            shown = line[:_SHOWN] + ("..." if len(line) > _SHOWN else "")
            msg.warning(f'{path}: logical line must not start with whitespace: "{shown}"')
            continue
        where = f"{path}, line {number}"
        try:
            name, value = split_setting(line.partition("\0")[0])
        except ValueError as e:
            raise BadConfig(f'{where}: {e}: "{line}"') from None
        yield name, Setting(value, where)


class MainCf:
    """One main.cf with what overrides it; config_dir and path as given ("" for text from nowhere)."""

    __slots__ = ("_overrides", "_settings", "config_dir", "path")

    def __init__(
        self, config_dir: str, path: str, settings: Mapping[str, Setting], overrides: Mapping[str, Setting]
    ) -> None:
        self.config_dir = config_dir
        self.path = path
        self._settings = settings
        self._overrides = overrides

    @classmethod
    def load(cls, config_dir: str | PathLike[str], overrides: Iterable[tuple[str, str]] = ()) -> "MainCf":
        """Read config_dir/main.cf. Raises BadConfig: no such file, or bad syntax."""
        path = f"{config_dir}/main.cf"
        return cls.from_text(read_text(path), overrides, config_dir=str(config_dir), path=path)

    @classmethod
    def from_text(
        cls,
        text: str,
        overrides: Iterable[tuple[str, str]] = (),
        *,
        config_dir: str = "",
        path: str = "main.cf",
    ) -> "MainCf":
        """The same from a text; path is for messages only."""
        settings: dict[str, Setting] = {}
        for name, setting in _settings(text, path):
            if name in settings and settings[name].value != setting.value:
                msg.warning(f"{setting.where}: overriding earlier entry: {name}={settings[name].value}")
            settings[name] = setting
        return cls(config_dir, path, settings, {}).with_overrides(overrides)

    def with_overrides(self, pairs: Iterable[tuple[str, str]], where: str = "-o option") -> "MainCf":
        """The same main.cf with more settings that win over it; where names them in messages."""
        more = {name: Setting(value, where) for name, value in pairs}
        return MainCf(self.config_dir, self.path, self._settings, {**self._overrides, **more})

    def with_defaults(self, pairs: Iterable[tuple[str, str]]) -> "MainCf":
        """The same main.cf, where these names have a value when it sets none."""
        more = {name: Setting(value, "default") for name, value in pairs}
        return MainCf(self.config_dir, self.path, {**more, **self._settings}, self._overrides)

    def names(self) -> list[str]:
        """Every name that is set, overrides too."""
        return [*self._settings, *(name for name in self._overrides if name not in self._settings)]

    def setting(self, name: str) -> Setting | None:
        """The setting in force, None when the name is set nowhere."""
        return self._overrides.get(name) or self._settings.get(name)

    def raw(self, name: str) -> str | None:
        """The unexpanded text of a setting; None when it is set nowhere."""
        setting = self._overrides.get(name) or self._settings.get(name)
        return None if setting is None else setting.value

    def unexpanded(self, name: str) -> str | None:
        """The unexpanded text of a setting or of its default; None when nobody knows the name."""
        if name == "config_directory" and self.config_dir:
            return self.config_dir
        text = self.raw(name)
        return self._default(name) if text is None else text

    def value(self, name: str) -> str:
        """The expanded value of any name, the default where it is not set, "" when nobody knows it.

        Raises BadConfig.
        """
        return self._expanded(name, Expander(self.unexpanded).value, name)

    def expand(self, text: str, name: str = "") -> str:
        """Any text with its references replaced; name: whose value it is. Raises BadConfig."""
        if "$" not in text:
            return text
        return self._expanded(name, Expander(self.unexpanded).text, text)

    def bad(self, name: str, problem: str) -> BadConfig:
        """The exception for a bad value: the problem in front of which stands where the value was set."""
        setting = self.setting(name)
        return BadConfig(f"{setting.where}: {problem}" if setting else problem)

    def _expanded(self, name: str, expand: Callable[[str], str], text: str) -> str:
        try:
            return expand(text)
        except ExpandError as e:
            owner = e.name or name
            raise self.bad(owner, f"parameter {owner}: {e}" if owner else str(e)) from None

    def _default(self, name: str) -> str | None:
        from pyfix.config.registry import find  # the registry imports all groups, and they import this

        parameter = find(name)
        return None if parameter is None else parameter.default_text(self)
