"""dnsblog - parameters of the DNS list client.

Sources: dnsblog(8).
"""

from pyfix.config.param import Params, Time


class DnsblogParams(Params):
    """What only dnsblog reads."""

    dnsblog_reply_delay = Time("0s")
