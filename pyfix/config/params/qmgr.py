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

    # Older and rarer knobs.
    qmgr_fudge_factor = Int("100", min=10, max=100)
    address_verify_pending_request_limit = Int("5000", min=1)
    confirm_delay_cleared = Bool("no")
    default_filter_nexthop = Str("")
    destination_concurrency_feedback_debug = Bool("no")
    local_destination_concurrency_limit = Int("2")
    local_destination_recipient_limit = Int("1")
    qmgr_clog_warn_time = Time("300s")
    qmgr_daemon_timeout = Time("1000s", min=1)

    # Which messages may overtake which.
    default_delivery_slot_cost = Int("5")
    default_delivery_slot_discount = Int("50", max=100)
    default_delivery_slot_loan = Int("3")
    default_extra_recipient_limit = Int("1000")
    default_minimum_delivery_slots = Int("3")
    default_recipient_limit = Int("20000")
    default_recipient_refill_delay = Time("5s", min=1)
    default_recipient_refill_limit = Int("100", min=1)
    qmgr_message_recipient_minimum = Int("10", min=1)
