"""quick_conf - a few settings of main.cf, for commands that scripts call in loops

Reads main.cf without the registry of parameters, and imports next to nothing: a command that needs five values starts
in half the time. What is not plain (a value that may be wrong, a broken line) is asked of MainCf.
"""

import posix as os  # os itself would be a tenth of what sendmail takes

from pyfix.config.at_start import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SPACE = " \t\n\v\f\r"


class BadSettingError(Exception):
    """main.cf can't be read, or is wrong; str() is the whole message."""


def read(directory: str, defaults: "Mapping[str, str]") -> dict[str, str]:
    """The values in force of the names in `defaults`, which has plain defaults. BadSettingError."""
    path = f"{directory}/main.cf"
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise BadSettingError(f"open {path}: {error.strerror}") from None
    settings: dict[str, str] = {}
    good = True
    for line in _lines(text):
        name, equals, value = line.partition("=")
        name = name.strip(_SPACE)
        good &= bool(equals and name)
        settings[name] = value.strip(_SPACE)
    root = not os.geteuid()
    if good and all(plain(name, settings, root=root) for name in settings):
        values = {name: settings.get(name, default) for name, default in defaults.items()}
        if not any("$" in value for value in values.values()):
            return values
    return _checked(directory, defaults)


def number(values: "Mapping[str, str]", name: str) -> int:
    """A number. BadSettingError."""
    try:
        return int(values[name])
    except ValueError:
        raise BadSettingError(f"bad numerical configuration: {name} = {values[name]}") from None


def _lines(text: str) -> list[str]:
    """Logical lines: what begins with white space goes on from the line before it."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line.lstrip(_SPACE)[:1] in {"", "#"}:
            continue
        if line[0] in _SPACE and lines:
            lines[-1] += line
        else:
            lines.append(line)
    return lines


def _checked(directory: str, names: "Iterable[str]") -> dict[str, str]:
    from pyfix.config.check import at_start
    from pyfix.config.main_cf import BadConfig, MainCf

    try:
        main = MainCf.load(directory)
        at_start(main)
        return {name: main.value(name) for name in names}
    except BadConfig as error:
        raise BadSettingError(str(error)) from None
