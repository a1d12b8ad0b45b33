"""families - parameters that exist once for each transport

<transport>_destination_concurrency_limit and its like fall back to default_..., and
<transport>_initial_destination_concurrency to the name without a transport. Nobody
declares them one by one: a service of any name has its own.

    transport_parameter(main, "smtp", "destination_concurrency_limit")      # "20"
    member("smtp", "destination_rate_delay").read(main)                     # 0

Sources: postconf(5) "transport_..."; qmgr(8).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from pyfix.config.main_cf import MainCf
from pyfix.config.param import Int, Parameter, Str, Time

SUFFIXES: dict[str, Callable[..., Parameter[Any]]] = {
    "recipient_limit": Int,
    "extra_recipient_limit": Int,
    "recipient_refill_limit": partial(Int, min=1),
    "recipient_refill_delay": partial(Time, min=1),
    "delivery_slot_cost": Int,
    "delivery_slot_loan": Int,
    "delivery_slot_discount": partial(Int, max=100),
    "minimum_delivery_slots": Int,
    "initial_destination_concurrency": partial(Int, min=1),
    "destination_concurrency_limit": Int,
    "destination_recipient_limit": Int,
    "destination_concurrency_positive_feedback": partial(Str, min=1),
    "destination_concurrency_negative_feedback": partial(Str, min=1),
    "destination_concurrency_failed_cohort_limit": Int,
    "destination_rate_delay": Time,
    "transport_rate_delay": Time,
    "time_limit": partial(Time, min=1),
}

_DEFAULTS = {
    "initial_destination_concurrency": "$initial_destination_concurrency",
    "time_limit": "$command_time_limit",
}
_OWN_DEFAULTS = {
    "local_destination_concurrency_limit": "2",
    "local_destination_recipient_limit": "1",
}

WITH_TIME_LIMIT = frozenset({"pipe", "spawn"})
PROGRAMS = frozenset({"local", "error", "virtual", "smtp", "lmtp", "pipe"})


def member(transport: str, suffix: str) -> Parameter[Any]:
    """The parameter of a transport; suffix is a key of SUFFIXES."""
    name = f"{transport}_{suffix}"
    default = _OWN_DEFAULTS.get(name) or _DEFAULTS.get(suffix, f"$default_{suffix}")
    return SUFFIXES[suffix](default, name=name)


def transport_parameter(main: MainCf, transport: str, suffix: str) -> str:
    """The expanded text of a transport's parameter, the family's default when it is not set.

    Raises BadConfig.
    """
    return member(transport, suffix).text(main)


def suffixes(program: str) -> list[str]:
    """What a service of master.cf puts its name in front of, by the program it runs."""
    found = [suffix for suffix in SUFFIXES if suffix != "time_limit"] if program in PROGRAMS else []
    return [*found, "time_limit"] if program in WITH_TIME_LIMIT else found


def split(name: str) -> tuple[str, str] | None:
    """The transport and suffix that a name consists of, be there such a transport or not; None for other names."""
    found = [suffix for suffix in SUFFIXES if name.endswith(f"_{suffix}")]
    suffix = max(found, key=len, default="")
    return (name.removesuffix(f"_{suffix}"), suffix) if suffix else None
