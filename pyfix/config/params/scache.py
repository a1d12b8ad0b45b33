"""scache - parameters of the cache of connections.

Sources: scache(8).
"""

from pyfix.config.param import Params, Time


class ScacheParams(Params):
    """What only scache reads."""

    connection_cache_status_update_time = Time("600s", min=1)
    connection_cache_ttl_limit = Time("2s", min=1)
