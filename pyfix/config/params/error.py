"""error - parameters of the error and retry services.

Sources: error(8).
"""

from pyfix.config.param import Params


class ErrorParams(Params):
    """What only the error program reads: nothing."""
