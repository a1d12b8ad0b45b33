"""virtual - parameters of the virtual delivery agent.

Those that smtpd and trivial-rewrite read too are in mail.

Sources: virtual(8).
"""

from pyfix.config.param import Int, Long, Params, Str


class VirtualParams(Params):
    """What only virtual reads."""

    virtual_mailbox_base = Str("", min=1)
    virtual_mailbox_limit = Long("51200000")
    virtual_mailbox_lock = Str("fcntl, dotlock", min=1)
    virtual_minimum_uid = Int("100", min=1)
    virtual_uid_maps = Str("")
    virtual_gid_maps = Str("")
    virtual_delivery_status_filter = Str("$default_delivery_status_filter")
