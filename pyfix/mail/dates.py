"""dates - the date of RFC 5322 as mail headers have it

`Fri, 20 Nov 2026 22:33:31 +0000 (UTC)`: local time, numeric zone, and the zone's name
as a comment when the system knows one. Names of days and months never follow a locale.
"""

import time

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_last: tuple[int, str] = (-1, "")


def mail_date(seconds: float) -> str:
    """The header date of a time in seconds since the epoch (the last one asked for is remembered)."""
    global _last  # noqa: PLW0603 - a memory of one: many messages share a second
    whole = int(seconds)
    if whole != _last[0]:
        _last = (whole, _format(time.localtime(whole)))
    return _last[1]


def _format(local: time.struct_time) -> str:
    minutes = abs(local.tm_gmtoff) // 60
    sign = "-" if local.tm_gmtoff < 0 else "+"
    zone = f" ({local.tm_zone})" if local.tm_zone else ""
    return (
        f"{DAYS[local.tm_wday]}, {local.tm_mday:2d} {MONTHS[local.tm_mon - 1]} {local.tm_year}"
        f" {local.tm_hour:02d}:{local.tm_min:02d}:{local.tm_sec:02d}"
        f" {sign}{minutes // 60:02d}{minutes % 60:02d}{zone}"
    )
