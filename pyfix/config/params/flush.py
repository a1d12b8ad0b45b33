"""flush - parameters of flush(8), and of who asks it

Sources: flush(8).
"""

from pyfix.config.param import Params, Str, Time


class FlushParams(Params):
    """Parameters of the fast flush service."""

    fast_flush_domains = Str("$relay_domains")
    fast_flush_purge_time = Time("7d", min=1)
    fast_flush_refresh_time = Time("12h", min=1)
