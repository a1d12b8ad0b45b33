"""registry - every declared parameter by name

find() imports one group after the other until one declares the name; everything() imports
all. A daemon that goes to a jail calls load() first, since nothing can be imported there.

Sources: the literal list pyfix.config.params.GROUPS.
"""

from importlib import import_module

from pyfix.config.param import Parameter, Params
from pyfix.config.params import GROUPS

_declared: dict[str, Parameter[object]] = {}
_pending = list(GROUPS)


def find(name: str) -> Parameter[object] | None:
    """The parameter of that name, None when no group declares it."""
    while name not in _declared and _pending:
        _import(_pending.pop(0))
    return _declared.get(name)


def load() -> None:
    """Import every group."""
    while _pending:
        _import(_pending.pop(0))


def everything() -> dict[str, Parameter[object]]:
    """Every parameter by name. Not to be changed."""
    load()
    return _declared


def group(name: str) -> type[Params]:
    """The class of a group."""
    module, _, attribute = GROUPS[name].partition(":")
    found: type[Params] = getattr(import_module(module), attribute)
    return found


def _import(name: str) -> None:
    try:
        declared = group(name).declared()
    except ModuleNotFoundError as e:
        if e.name != GROUPS[name].partition(":")[0]:
            raise
        return  # a program that is not there yet
    for parameter in declared:
        _declared[parameter.name] = parameter
