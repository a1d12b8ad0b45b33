"""pipe - parameters of delivery to commands.

Sources: pipe(8).
"""

from pyfix.config.param import Params, Str


class PipeParams(Params):
    """What only pipe reads."""

    pipe_delivery_status_filter = Str("$default_delivery_status_filter")
