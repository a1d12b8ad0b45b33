"""anvil - parameters of the connection counter.

Sources: anvil(8).
"""

from pyfix.config.param import Params, Time


class AnvilParams(Params):
    """What only anvil reads."""

    anvil_rate_time_unit = Time("60s", min=1)
    anvil_status_update_time = Time("600s", min=1)
