"""pickup - parameters of the pickup server.

All that it reads is shared with others (mail.py); the group exists so that each program has one.

Sources: pickup(8), postconf(5).
"""

from pyfix.config.param import Params


class PickupParams(Params):
    """Parameters that only pickup reads: none."""
