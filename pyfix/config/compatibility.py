"""compatibility - the safety net: what is said while defaults of an older release are in use

A compatibility_level below this release's keeps the defaults of then. Whoever starts the system hears of it,
and of each service that runs in a jail only because the default was that once.

Sources: COMPATIBILITY_README.
"""

from collections.abc import Iterable, Iterator

from pyfix.config.expand import parse_level
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import Line
from pyfix.config.params.mail import MailParams

CURRENT = "3.11"
CHROOT = 4  # the field of master.cf
CHROOT_UNTIL = (1, 0, 0)


def notices(main: MainCf) -> Iterator[str]:
    """Log lines for the postfix command; none at this release's own level or a later one."""
    if parse_level(MailParams(main).compatibility_level) < parse_level(CURRENT):
        yield "Postfix is using backwards-compatible default settings"
        yield "See https://www.postfix.org/COMPATIBILITY_README.html for details"
        yield f'To disable backwards compatibility use "postconf compatibility_level={CURRENT}" and "postfix reload"'


def jails(main: MainCf, lines: Iterable[Line]) -> Iterator[str]:
    """Log lines for master: services whose chroot field is "-" where that means yes."""
    if parse_level(MailParams(main).compatibility_level) < CHROOT_UNTIL:
        for line in lines:
            if line.field(CHROOT) == "-":
                yield f"{line.where}: using backwards-compatible default setting chroot=y"
