"""proxy - lookup table in another process's care

proxy:type:name asks proxymap(8), which keeps one connection to a database for all daemons and
reads tables out of a chroot. There is no such service yet: this opens the table directly, in
the process that asks.
"""

from pyfix.maps.open import open_source, split_spec
from pyfix.maps.table import OpenError, Options, Source


def open_proxy(options: Options, name: str) -> Source:
    """The table behind the proxy; OpenError when it can't open."""
    if ":" not in name:
        raise OpenError(f'open dictionary: expecting "type:name" form instead of "{name}"')
    return open_source(*split_spec(name, options, ""))
