"""qmgr - parameters of the queue manager.

Those of the queue, such as maximal_backoff_time, are in mail. What begins with default_ (and
initial_destination_concurrency) stands behind <transport>_..., see families.

Sources: qmgr(8).
"""

from pyfix.config.param import Bool, Int, Params, Str, Time


class QmgrParams(Params):
    """What only qmgr reads."""

    qmgr_message_active_limit = Int("20000", min=1)
    qmgr_message_recipient_limit = Int("20000", min=1)
    qmgr_ipc_timeout = Time("60s", min=1)
    transport_retry_time = Time("60s", min=1)
    defer_transports = Str("")
    disable_verp_bounces = Bool("no")
    initial_destination_concurrency = Int("5", min=1)
    default_destination_concurrency_limit = Int("20")
    default_destination_concurrency_positive_feedback = Str("1", min=1)
    default_destination_concurrency_negative_feedback = Str("1", min=1)
    default_destination_concurrency_failed_cohort_limit = Int("1")
    default_destination_recipient_limit = Int("50")
    default_destination_rate_delay = Time("0s")
    default_transport_rate_delay = Time("0s")
