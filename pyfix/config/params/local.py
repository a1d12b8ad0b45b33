"""local - parameters of the local delivery agent.

Those that smtpd, cleanup and trivial-rewrite read too are in mail.

Sources: local(8).
"""

from pyfix.config.param import Bool, Long, Params, Raw, Str

_SAFE = "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class LocalParams(Params):
    """What only local reads."""

    allow_mail_to_commands = Str("alias, forward")
    allow_mail_to_files = Str("alias, forward")
    biff = Bool("yes")
    command_execution_directory = Raw("")
    command_expansion_filter = Str(_SAFE, min=1)
    execution_directory_expansion_filter = Str(_SAFE, min=1)
    expand_owner_alias = Bool("no")
    fallback_transport = Str("")
    fallback_transport_maps = Str("")
    forward_expansion_filter = Str(_SAFE, min=1)
    forward_path = Raw("$home/.forward${recipient_delimiter}${extension}, $home/.forward")
    frozen_delivered_to = Bool("yes")
    home_mailbox = Str("")
    local_command_shell = Str("")
    luser_relay = Raw("")
    mailbox_command = Raw("")
    mailbox_command_maps = Str("")
    mailbox_delivery_lock = Str("fcntl, dotlock", min=1)
    mailbox_size_limit = Long("51200000")
    mailbox_transport = Str("")
    mailbox_transport_maps = Str("")
    prepend_delivered_header = Str("command, file, forward")
    require_home_directory = Bool("no")
    reset_owner_alias = Bool("no")
    local_delivery_status_filter = Str("$default_delivery_status_filter")
    sun_mailtool_compatibility = Bool("no")
