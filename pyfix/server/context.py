"""context - what a program is told about itself when it is made"""

from typing import NamedTuple

from pyfix.config.main_cf import MainCf


class Context(NamedTuple):
    """One worker's place in the suite."""

    service: str
    """The name in master.cf, verbatim."""
    program: str
    main: MainCf
    """main.cf with the service's -o applied."""
    args: tuple[str, ...] = ()
    """What follows the options in master.cf."""
    limit: int = 0
    """Sessions that this worker serves at once; 0: as many as come."""
    single: bool = False
    """No other process serves this service."""
    privileged: bool = False
    """The worker stays root."""
    jailed: bool = False
    """A chroot will close before it serves: nothing outside can be opened then."""
    wake: int = -1
    """Serial programs: turns readable when it is time to leave (see serial_link)."""
