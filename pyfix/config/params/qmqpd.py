"""qmqpd - parameters of the QMQP server.

Sources: qmqpd(8).
"""

from pyfix.config.param import Bool, Params, Str, Time


class QmqpdParams(Params):
    """What only qmqpd reads."""

    qmqpd_authorized_clients = Str("")
    qmqpd_client_port_logging = Bool("no")
    qmqpd_error_delay = Time("1s")
    qmqpd_timeout = Time("300s", min=1)
