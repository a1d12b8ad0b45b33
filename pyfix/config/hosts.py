"""hosts - the names of this host: the defaults of myhostname and mydomain, and what a host name may be

Sources: postconf(5).
"""

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyfix.config.main_cf import MainCf

SEPARATORS = re.compile(r"[,\s]+")
_LABEL_BAD = re.compile(r"[^A-Za-z0-9_.-]")
_MAX_NAME = 255
_MAX_LABEL = 63


def name_problem(name: str) -> str | None:
    """What is wrong with a host name; None when nothing is."""
    if bad := _LABEL_BAD.search(name):
        return f"invalid character {ord(bad[0])}(decimal): {name}"
    labels = name.split(".")
    if not all(labels):
        return f"misplaced delimiter: {name}"
    if any(label.startswith("-") or label.endswith("-") for label in labels):
        return f"misplaced hyphen: {name}"
    if any(len(label) > _MAX_LABEL for label in labels):
        return f"label too long: {name}"
    if len(name) > _MAX_NAME:
        return f"hostname too long: {name}"
    return f"numeric hostname: {name}" if name.replace(".", "").isdigit() else None


def default_myhostname(main: "MainCf") -> str:
    """The system's own name, completed with mydomain when it has no dot."""
    name = os.uname().nodename
    if "." in name:
        return name
    return f"{name}.{main.value('mydomain') if main.raw('mydomain') is not None else 'localdomain'}"


def default_mydomain(main: "MainCf") -> str:
    """What follows the first dot of myhostname, in which mydomain itself stands for nothing."""
    if main.raw("myhostname") is not None:
        main = main.with_overrides([("mydomain", "")])
    _, dot, domain = main.value("myhostname").partition(".")
    return domain.lower() if dot else "localdomain"


def default_mynetworks(main: "MainCf") -> str:
    """The networks of this system's own addresses, by mynetworks_style."""
    from pyfix.config import networks  # few programs need it

    return networks.default_mynetworks(main)
