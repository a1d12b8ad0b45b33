"""bounce - parameters of the bounce, defer and trace services.

Sources: bounce(8).
"""

from pyfix.config.param import Params


class BounceParams(Params):
    """What only the bounce program reads: nothing until it sends reports."""
