"""postmulti - parameters of the manager of several instances.

Sources: postmulti(1).
"""

from pyfix.config.param import Params, Str


class PostmultiParams(Params):
    """What only postmulti reads."""

    postmulti_control_commands = Str("reload flush")
    postmulti_start_commands = Str("start")
    postmulti_stop_commands = Str("stop abort drain quick-stop")
