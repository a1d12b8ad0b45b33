"""queue - the queue: how long mail waits, how it is scheduled, and what its senders hear"""

MEANINGS = {
    # How long, how large.
    "maximal_queue_lifetime": "How long mail is tried before it is returned.",
    "bounce_queue_lifetime": "How long a report is tried before it is given up.",
    "minimal_backoff_time": "The least time between two attempts to deliver a message.",
    "maximal_backoff_time": "The most time between two attempts to deliver a message.",
    "queue_run_delay": "How often the waiting mail is looked through.",
    "delay_warning_time": "After which time a sender is told that the mail still waits; 0: never.",
    "confirm_delay_cleared": "Whether a sender who was told of a delay is also told when the mail has been delivered.",
    "message_size_limit": "The largest message that is taken, in bytes; 0: any.",
    "queue_minfree": "The free space in the queue's file system below which smtpd takes no mail, in bytes.",
    "enable_long_queue_ids": "Queue names that are not used again for a long time, instead of short ones.",
    "hash_queue_names": "The queues that are spread over subdirectories.",
    "hash_queue_depth": "How many levels of subdirectories those queues have.",
    # qmgr.
    "defer_transports": "Transports whose mail is not tried before somebody flushes the queue.",
    "qmgr_message_active_limit": "How many messages are in the active queue, from which mail is delivered.",
    "qmgr_message_recipient_limit": "How many recipients of those are in memory.",
    "qmgr_message_recipient_minimum": "How many recipients of each message are in memory at least.",
    "qmgr_fudge_factor": (
        "The share of the delivery slots that a big mailing list may take, in percent; qmgr no longer needs it."
    ),
    "qmgr_clog_warn_time": (
        "The pause between two warnings that one destination fills the active queue; 0: no warnings."
    ),
    "qmgr_daemon_timeout": "How long qmgr may take over one request before it is taken for stuck.",
    "qmgr_ipc_timeout": "How long qmgr waits for another daemon.",
    "default_filter_nexthop": "The nexthop of a content filter that names none; empty: the recipient's domain.",
    "disable_verp_bounces": "Whether recipients of mail with VERP senders share a report instead of getting one each.",
    "address_verify_pending_request_limit": (
        "How many probes of addresses may be in the queue at once; those above it fail for now."
    ),
    "transport_retry_time": "After which time a transport that does not work is tried again.",
    # Limits of transports that have none of their own.
    "default_destination_concurrency_limit": "How many deliveries go to one destination at once; 0: any number.",
    "default_destination_recipient_limit": (
        "How many recipients one delivery has; at 1 the concurrency limit holds for each recipient, not for each "
        "domain."
    ),
    "default_destination_rate_delay": "The pause between two deliveries to one destination.",
    "default_transport_rate_delay": "The pause between two deliveries by one transport.",
    "initial_destination_concurrency": "How many deliveries a destination gets at once to begin with.",
    "default_destination_concurrency_positive_feedback": (
        "By how much a delivery that worked raises the concurrency to a destination: a number, 1/concurrency or "
        "1/sqrt_concurrency."
    ),
    "default_destination_concurrency_negative_feedback": (
        "By how much a connection that failed lowers the concurrency to a destination: a number, 1/concurrency or "
        "1/sqrt_concurrency."
    ),
    "default_destination_concurrency_failed_cohort_limit": (
        "After how many rounds of failed connections, each as many as the concurrency, a destination counts as "
        "dead; 0: never."
    ),
    "destination_concurrency_feedback_debug": (
        "Whether the log shows how the concurrency to destinations goes up and down."
    ),
    "default_delivery_slot_cost": (
        "How many recipients of a message are delivered before it lends another one a delivery slot; 0: no "
        "message overtakes another."
    ),
    "default_delivery_slot_loan": (
        "How many slots that are still to be earned count as earned when a message wants to overtake."
    ),
    "default_delivery_slot_discount": "What share of the slots a message needs for overtaking is waived, in percent.",
    "default_minimum_delivery_slots": "How many slots a message has to be able to earn before others may overtake it.",
    "default_recipient_limit": "How many recipients a transport has in memory.",
    "default_extra_recipient_limit": (
        "How many more recipients a transport may have in memory for messages that overtake others."
    ),
    "default_recipient_refill_limit": (
        "How many recipients are read at once from a message that has more than are in memory."
    ),
    "default_recipient_refill_delay": (
        "After which time more recipients of a message are read even if there is room for only a few."
    ),
    # Reports.
    "bounce_notice_recipient": "Who gets copies of reports on failed mail, as notify_classes says.",
    "delay_notice_recipient": "Who gets copies of warnings about delays, as notify_classes says.",
    "2bounce_notice_recipient": "Who gets the reports that could not be returned either, as notify_classes says.",
    "double_bounce_sender": "The sender of reports to the postmaster; mail to it is dropped.",
    "bounce_template_file": "The words of reports to senders.",
    "bounce_size_limit": "How much of the message a report has attached, in bytes.",
    "enable_threaded_bounces": (
        "Whether a report refers to the message it is about, so that mail readers show them together."
    ),
    "backwards_bounce_logfile_compatibility": "Whether bounce logs also have the lines that releases before 2.1 read.",
    "requiretls_redact_dsn": "Whether a report about mail that requires TLS shows its header only, not its text.",
    # flush.
    "fast_flush_domains": (
        "The domains for which ETRN and postqueue -s find the waiting mail without looking through the queue."
    ),
    "fast_flush_refresh_time": (
        "After which time without a request the mail that waits for a domain is tried all the same."
    ),
    "fast_flush_purge_time": "After which time the list of a domain that nothing was added to is removed.",
}
