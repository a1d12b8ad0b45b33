"""postlogd - parameters that only postlogd reads

Sources: postlogd(8).
"""

from pyfix.config.param import Params, Time


class PostlogdParams(Params):
    """Parameters of postlogd."""

    postlogd_watchdog_timeout = Time("10s", min=10)
