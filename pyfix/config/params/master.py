"""master - parameters that only the supervisor reads.

Sources: master(8).
"""

from pyfix.config.param import Params, Str, Time


class MasterParams(Params):
    """Parameters of master."""

    master_service_disable = Str("")
    service_throttle_time = Time("60s", min=1)
