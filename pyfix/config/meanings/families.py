"""families - what each transport has of its own, by what follows its name"""

FAMILY = {
    "recipient_limit": "How many recipients of this transport qmgr has in memory.",
    "extra_recipient_limit": (
        "How many more recipients qmgr may have in memory for messages that overtake others on this transport."
    ),
    "recipient_refill_limit": (
        "How many recipients are read at once for this transport from a message that has more than are in memory."
    ),
    "recipient_refill_delay": (
        "After which time more recipients of a message are read for this transport even if there is room for only "
        "a few."
    ),
    "delivery_slot_cost": (
        "How many recipients of a message this transport delivers before another message may take one of its "
        "slots; 0: none overtakes."
    ),
    "delivery_slot_loan": (
        "How many slots that are still to be earned count as earned when a message wants to overtake on this transport."
    ),
    "delivery_slot_discount": (
        "What share of the slots a message needs for overtaking this transport waives, in percent."
    ),
    "minimum_delivery_slots": (
        "How many slots a message has to be able to earn before others overtake it on this transport."
    ),
    "initial_destination_concurrency": (
        "How many deliveries this transport makes at once to a destination to begin with."
    ),
    "destination_concurrency_limit": (
        "How many deliveries this transport makes at once to one destination; 0: any number."
    ),
    "destination_recipient_limit": (
        "How many recipients one delivery by this transport has; at 1 its concurrency limit holds for each "
        "recipient, not each domain."
    ),
    "destination_concurrency_positive_feedback": (
        "By how much a delivery that worked raises this transport's concurrency to a destination."
    ),
    "destination_concurrency_negative_feedback": (
        "By how much a connection that failed lowers this transport's concurrency to a destination."
    ),
    "destination_concurrency_failed_cohort_limit": (
        "After how many rounds of failed connections this transport takes a destination for dead; 0: never."
    ),
    "destination_rate_delay": (
        "The pause between two deliveries of this transport to one destination; a destination then gets one at a time."
    ),
    "transport_rate_delay": "The pause between any two deliveries by this transport, which then makes one at a time.",
    "time_limit": "How long a command of this service may run.",
}
