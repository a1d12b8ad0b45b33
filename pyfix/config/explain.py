"""explain - what a parameter is, for people: postconf --explain

    smtpd_timeout
        How long a client may take over a command, and over reading a reply.
        type     a time; a number without s, m, h, d or w is in seconds
        default  ${stress?{10}:{300}}s, here 300s
        limits   at least 1 second
        read by  smtpd
        set      /etc/postfix/main.cf, line 12: 30s

Sources: postconf(5).
"""

from collections.abc import Iterator
from textwrap import wrap

from pyfix.config import deprecated, families, pending
from pyfix.config.catalog import Catalog
from pyfix.config.expand import references
from pyfix.config.kinds import kind
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.meanings import FAMILY, meaning
from pyfix.config.nearest import nearest
from pyfix.config.param import Int, Parameter, Raw, Time
from pyfix.config.readers import readers
from pyfix.config.registry import everything

WIDTH = 76
"""Columns of a sentence."""
NEAR = 0.6
"""How much a name has in common with the one that is suggested: something near helps even where it is far off."""


def explain(name: str, main: MainCf, catalog: Catalog) -> Iterator[str]:
    """The lines about one name."""
    member = families.split(name)
    if catalog.knows(name):
        facts = _facts(name, main, catalog)
    elif member:
        facts = _stranger(*member, main, catalog)
    else:
        near = nearest(name, catalog.names(), NEAR)
        yield f"{name}: nobody knows this name{f'; did you mean {near}?' if near else ''}"
        return
    yield name
    yield from (f"    {line}" for line in wrap(_meaning(name), WIDTH))
    yield from (f"    {title:8} {text}" for title, text in (*facts, *_settings(name, main)))


def _meaning(name: str) -> str:
    member = families.split(name)
    return meaning(name) or (FAMILY[member[1]] if member else "")


def _facts(name: str, main: MainCf, catalog: Catalog) -> Iterator[tuple[str, str]]:
    parameter = catalog.parameter(name)
    if name in deprecated.LEGACY:
        yield "type", f"an older name of {deprecated.LEGACY[name]}, which takes its value from here by default"
    elif parameter is None:
        yield "type", "a name of your own"
        yield "used in", ", ".join(sorted(_users(name, main))) or "master.cf"
    else:
        yield from _declaration(parameter, main)
    if warning := deprecated.warning(name):
        yield "note", warning
    if why := pending.reason(name):
        yield "note", f"without effect here: {why}"


def _declaration(parameter: Parameter[object], main: MainCf) -> Iterator[tuple[str, str]]:
    yield "type", kind(parameter)
    yield "default", _default(parameter, main)
    if limits := _limits(parameter):
        yield "limits", limits
    yield "read by", _readers(parameter.name)


def _stranger(transport: str, suffix: str, main: MainCf, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """A member of a family whose transport master.cf does not have, or has without these parameters."""
    yield from _declaration(families.member(transport, suffix), main)
    services = ", ".join(catalog.services_with(suffix)) or "none"
    yield "note", f"master.cf has no service {transport} of this kind; those it has: {services}"


def _readers(name: str) -> str:
    if name in everything():
        return ", ".join(readers(name))
    return "pipe, spawn" if name.endswith("_time_limit") else "qmgr"


def _settings(name: str, main: MainCf) -> Iterator[tuple[str, str]]:
    setting = main.setting(name)
    if setting is not None:
        yield "set", f"{setting.where}: {setting.value}"


def _default(parameter: Parameter[object], main: MainCf) -> str:
    text = parameter.default_text(main)
    if not text:
        return "empty"
    if "$" not in text or isinstance(parameter, Raw):
        return text
    try:
        return f"{text}, here {main.expand(text, parameter.name) or 'empty'}"
    except BadConfig as problem:
        return f"{text} ({problem})"


def _limits(parameter: Parameter[object]) -> str:
    unit = " second" if isinstance(parameter, Time) else ""
    if not isinstance(parameter, Int | Time):
        if parameter.min == parameter.max > 0:
            return f"exactly {_count(parameter.min, ' character')}"
        return "may not be empty" if parameter.min else ""
    least = f"at least {_count(parameter.min, unit)}" if parameter.min else ""
    most = f"at most {_count(parameter.max, unit)}" if parameter.max else ""
    return ", ".join(filter(None, [least, most]))


def _count(number: int, unit: str) -> str:
    return f"{number}{unit}{'s' if unit and number != 1 else ''}"


def _users(name: str, main: MainCf) -> set[str]:
    """The settings of main.cf that look at a name."""
    return {other for other in main.names() if name in references(main.raw(other) or "")}
