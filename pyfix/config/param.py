"""param - how a main.cf parameter is declared, and read

    class SmtpdParams(Params):
        smtpd_timeout = Time("${stress?{10}:{300}}s", min=1)
        smtpd_helo_required = Bool("no")

    cfg = SmtpdParams(main)
    cfg.smtpd_timeout          # 300

The default is main.cf's own text, expanded when read; a function of the MainCf computes
one that depends on the host. A value is parsed when it is first asked for and then kept in
the object, so that each later read is a plain attribute. A bad value raises BadConfig.

A bound of 0 is no bound, as in Postfix: Int(min=0) takes negative numbers. Times are
seconds; a number without a unit has the default's own.

Sources: postconf(5).
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar, Generic, Self, TypeVar, overload

from pyfix.config.syntax import BadConfig

if TYPE_CHECKING:
    from pyfix.config.main_cf import MainCf

__all__ = ["BadConfig", "Bool", "Int", "Long", "NBool", "NInt", "Parameter", "Params", "Raw", "Str", "Time"]

T = TypeVar("T")

_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?0*[0-9]{1,20}", re.ASCII)
_TIME = re.compile(r"[ \t\n\v\f\r]*\+?0*([0-9]{0,20})(.?)", re.ASCII | re.DOTALL)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_INT_MAX = 2**31 - 1
_LONG_MAX = 2**63 - 1

Default = str | Callable[["MainCf"], str]


class Parameter(Generic[T]):
    """One parameter: its name, default and bounds. kind is the reference's word for the type."""

    kind: ClassVar[str]

    def __init__(self, default: Default, *, name: str = "", min: int = 0, max: int = 0) -> None:  # noqa: A002 - bounds have these names
        self.default = default
        self.name = name
        self.min = min
        self.max = max

    def __set_name__(self, owner: type, name: str) -> None:
        self._attribute = name
        self.name = self.name or name

    @overload
    def __get__(self, params: None, owner: type) -> Self: ...
    @overload
    def __get__(self, params: "Params", owner: type) -> T: ...
    def __get__(self, params: "Params | None", owner: type) -> Self | T:
        if params is None:
            return self
        value = self.read(params.main)
        params.__dict__[self._attribute] = value
        return value

    def default_text(self, main: "MainCf") -> str:
        """The default, unexpanded."""
        return self.default if isinstance(self.default, str) else self.default(main)

    def text(self, main: "MainCf") -> str:
        """The expanded text in force."""
        text = main.unexpanded(self.name) if self.name == "config_directory" else main.raw(self.name)
        return main.expand(self.default_text(main) if text is None else text, self.name)

    def read(self, main: "MainCf") -> T:
        """The value in force. Raises BadConfig, located."""
        try:
            return self.parse(self.text(main))
        except ValueError as e:
            raise main.bad(self.name, str(e)) from None

    def parse(self, text: str) -> T:
        """The value that an expanded text stands for; ValueError says what is wrong with it."""
        raise NotImplementedError

    def _bounded(self, value: int) -> int:
        if self.min and value < self.min:
            raise ValueError(f"invalid {self.name} parameter value {value} < {self.min}")
        if self.max and value > self.max:
            raise ValueError(f"invalid {self.name} parameter value {value} > {self.max}")
        return value


class Str(Parameter[str]):
    """Text; min and max bound its length."""

    kind = "string"

    def parse(self, text: str) -> str:
        if self.min and len(text) < self.min:
            raise ValueError(f"bad string length {len(text)} < {self.min}: {self.name} = {text}")
        if self.max and len(text) > self.max:
            raise ValueError(f"bad string length {len(text)} > {self.max}: {self.name} = {text}")
        return text


class Raw(Str):
    """Text that is not expanded when it is read; its user expands it with names of its own."""

    kind = "raw"

    def text(self, main: "MainCf") -> str:
        text = main.raw(self.name)
        return self.default_text(main) if text is None else text


class Int(Parameter[int]):
    """A decimal number of 32 bits."""

    kind = "int"
    largest: ClassVar[int] = _INT_MAX

    def parse(self, text: str) -> int:
        value = int(text) if _NUMBER.fullmatch(text) else self.largest + 1
        if not -self.largest - 1 <= value <= self.largest:
            raise ValueError(f"bad numerical configuration: {self.name} = {text}")
        return self._bounded(value)


class Long(Int):
    """A decimal number of 64 bits."""

    kind = "long"
    largest = _LONG_MAX


class NInt(Int):
    """A number whose default is an expression."""

    kind = "nint"


class Bool(Parameter[bool]):
    """yes or no, in any letter case."""

    kind = "bool"

    def parse(self, text: str) -> bool:
        word = text.lower()
        if word not in {"yes", "no"}:
            raise ValueError(f"bad boolean configuration: {self.name} = {text}")
        return word == "yes"


class NBool(Bool):
    """A yes or no whose default is an expression."""

    kind = "nbool"


class Time(Parameter[int]):
    """A time in seconds, written with a unit (s m h d w) or in the default's unit."""

    kind = "time"

    @property
    def unit(self) -> str:
        """The unit of a number that has none: the last letter of the default."""
        last = self.default[-1:] if isinstance(self.default, str) else "s"
        return last if last in _SECONDS else "s"

    def parse(self, text: str) -> int:
        value = parse_time(text, self.unit)
        if value is None:
            raise ValueError(f"parameter {self.name}: bad time value or unit: {text}")
        return self._bounded(value)

    def _bounded(self, value: int) -> int:
        if self.min and value < self.min:
            raise ValueError(f"invalid {self.name}: {value} (min {self.min})")
        if self.max and value > self.max:
            raise ValueError(f"invalid {self.name}: {value} (max {self.max})")
        return value


def parse_time(text: str, unit: str) -> int | None:
    """Seconds of a number with an optional unit letter; None when it is no time.

    Empty text is no time, but a unit without a number is 0, and what follows the unit is
    ignored, as in Postfix.
    """
    match = _TIME.match(text)
    if not text or match is None:
        return None
    scale = _SECONDS.get(match[2] or unit)
    value = None if scale is None else int(match[1] or 0) * scale
    return value if value is not None and value <= _INT_MAX else None


class Params:
    """The parameters of a program, read from one MainCf. Subclasses declare; nobody writes."""

    def __init__(self, main: "MainCf") -> None:
        self.main = main

    @classmethod
    def declared(cls) -> "Iterator[Parameter[object]]":
        """Every parameter that this class declares itself."""
        for value in vars(cls).values():
            if isinstance(value, Parameter):
                yield value

    def check(self) -> None:
        """Read every parameter now, so that a bad one is known before anything starts. Raises BadConfig.

        One that may not be empty and is by default (virtual_mailbox_base) only troubles who reads it.
        """
        for parameter in self.declared():
            if parameter.default != "" or self.main.raw(parameter.name) is not None:
                parameter.read(self.main)
