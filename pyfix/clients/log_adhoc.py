"""log_adhoc - the log line that says what became of a recipient

    QID: to=<r>, orig_to=<o>, relay=none, delay=5.1, delays=5/0.05/0/0, dsn=4.3.0, status=deferred (why)

People's programs parse it. delays= are the seconds before qmgr, in qmgr, for setting the
connection up, and for the delivery.

Parameters: delay_logging_resolution_limit. See also: logging sheet section 5.
"""

from __future__ import annotations

from functools import cache

from pyfix.clients.deliver import Dsn, Stats
from pyfix.mail.address import quote
from pyfix.queue.file import Recipient

_MILLION = 1000000
_DIGITS = 2  # significant ones, for less than ten seconds
_FINEST: list[int] = [10 ** (6 - limit) for limit in range(7)]  # microseconds, by the limit of digits
_NOTHING = [finest / 2 for finest in _FINEST]  # those that don't show
_FEW = [min(finest * 10**_DIGITS, _MILLION) for finest in _FINEST]  # less than that is rounded to the finest


def _resolution(microseconds: int, limit: int) -> int:
    """The step, in microseconds, to which a delay is rounded."""
    finest = _FINEST[limit]
    if finest == _MILLION or microseconds >= 10 * _MILLION:
        return _MILLION
    if microseconds >= _MILLION:
        return max(finest, _MILLION // 10)
    step = finest
    while microseconds >= step * 10**_DIGITS:
        step *= 10
    return step


@cache
def _few(steps: int, step: int) -> str:
    """Less than a second in steps of so many microseconds; hardly more than a hundred for each limit."""
    whole, part = divmod(steps * step, _MILLION)
    return f"{whole}.{part:06d}".rstrip("0") if part else str(whole)


def format_delay(seconds: float, limit: int = 2) -> str:
    """Two significant digits, at most `limit` decimals, whole seconds from ten on: 0.05, 1.2, 38, 0."""
    if seconds * _MILLION + 0.5 < _NOTHING[limit]:
        return "0"
    microseconds = int(seconds * _MILLION + 0.5)
    if 2 * microseconds < _FINEST[limit]:
        return "0"
    if microseconds < _FEW[limit]:
        return _few((microseconds + _FINEST[limit] // 2) // _FINEST[limit], _FINEST[limit])
    step = _resolution(microseconds, limit)
    whole, part = divmod((microseconds + step // 2) // step * step, _MILLION)
    return f"{whole}.{part:06d}".rstrip("0") if part else str(whole)


def delays(stats: Stats, now: float, limit: int = 2) -> str:
    """`delay=..., delays=a/b/c/d`. now: seconds since 1970, used where the delivery has no end of its own."""
    end = stats.deliver_done or now
    arrived = stats.incoming_arrival or end
    active = stats.active_arrival or end
    handoff = stats.agent_handoff or end
    connected = stats.conn_setup_done or handoff
    before, waiting = format_delay(active - arrived, limit), format_delay(handoff - active, limit)
    setup, delivery = format_delay(connected - handoff, limit), format_delay(end - connected, limit)
    return f"delay={format_delay(end - arrived, limit)}, delays={before}/{waiting}/{setup}/{delivery}"


def delivery_status(
    queue_id: str,
    recipient: Recipient,
    relay: str,
    stats: Stats,
    dsn: Dsn,
    status: str,
    *,
    now: float,
    limit: int = 2,
    features: str = "",
) -> str:
    """The line. features: ", tls=..." and its kind, empty or with its comma; limit: digits of delays."""
    address, original = recipient.address, recipient.original
    to = quote(address)
    if original and original != address and original.casefold() != address.casefold():
        to = f"{to}>, orig_to=<{quote(original)}"
    reuse = f", conn_use={stats.reuse_count + 1}" if stats.reuse_count > 0 else ""
    return (
        f"{queue_id}: to=<{to}>, relay={relay}{reuse}, {delays(stats, now, limit)}{features}, "
        f"dsn={dsn.status}, status={status} ({dsn.reason})"
    )
