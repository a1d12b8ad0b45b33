"""quick_conf - a few settings of main.cf, for commands that scripts call in loops

Reads main.cf without the registry of parameters, and imports nothing: a command that needs five values starts
in half the time. What is not plain (a value with a reference in it, a broken line) is asked of MainCf.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

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
    values = dict(defaults)
    broken = False
    for line in _lines(text):
        name, equals, value = line.partition("=")
        name = name.strip(_SPACE)
        broken |= not (equals and name)
        if name in values:
            values[name] = value.strip(_SPACE)
    doubtful = [name for name, value in values.items() if "$" in value]
    return values | _expanded(directory, doubtful) if doubtful or broken else values


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


def _expanded(directory: str, names: list[str]) -> dict[str, str]:
    from pyfix.config.main_cf import BadConfig, MainCf

    try:
        main = MainCf.load(directory)
        return {name: main.value(name) for name in names}
    except BadConfig as error:
        raise BadSettingError(str(error)) from None
