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

CHANGED = {
    "append_dot_mydomain": (1, 0, 0),
    "smtputf8_enable": (1, 0, 0),
    "smtpd_relay_restrictions": (1, 0, 0),
    "mynetworks_style": (2, 0, 0),
    "relay_domains": (2, 0, 0),
    "smtpd_relay_before_recipient_restrictions": (3, 6, 0),
    "smtp_tls_security_level": (3, 11, 0),
}
"""The levels from which on defaults are other ones."""


def keeps_old_default(main: MainCf, name: str) -> bool:
    """Whether a parameter has the default of an earlier release, because of the level."""
    return main.raw(name) is None and parse_level(MailParams(main).compatibility_level) < CHANGED[name]


def using(setting: str, why: str = "") -> str:
    """The log line when such a default makes a difference. why: to do what."""
    return f"using backwards-compatible default setting {setting}" + (f" to {why}" if why else "")


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
                yield f"{line.where}: {using('chroot=y')}"
