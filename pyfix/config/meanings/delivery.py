"""delivery - what local, virtual and pipe do with mail"""

MEANINGS = {
    # local: mailboxes.
    "mailbox_command": "The command that gets all mail for users of this system.",
    "mailbox_command_maps": "Other commands than mailbox_command for some users.",
    "mailbox_transport": "The transport that delivers to users of this system instead of local.",
    "mailbox_transport_maps": "Other transports than mailbox_transport for some users.",
    "fallback_transport": "The transport for local users that are found nowhere.",
    "fallback_transport_maps": "Other transports than fallback_transport for some users.",
    "luser_relay": "Who gets mail for local users that do not exist.",
    "home_mailbox": "The mailbox below a user's home; with a slash at the end it is a Maildir.",
    "mail_spool_directory": "Where mailboxes are that have the user's name.",
    "mailbox_size_limit": "The largest mailbox or file that local writes to, in bytes; 0: any.",
    "mailbox_delivery_lock": "How a mailbox is locked while it is written to.",
    "strict_mailbox_ownership": "Whether a mailbox has to belong to its user.",
    "require_home_directory": (
        "Whether mail waits while the home of its user is not there, instead of being delivered elsewhere."
    ),
    "biff": "Whether comsat is told about new mail, for users who want a beep.",
    "sun_mailtool_compatibility": (
        "Whether mailboxes are also locked as Sun's mailtool did; mailbox_delivery_lock has taken its place."
    ),
    # local: aliases, .forward and commands.
    "forward_path": "Where a user's .forward file may be.",
    "allow_mail_to_commands": "In what files an address may be a command.",
    "allow_mail_to_files": "In what files an address may be a file.",
    "forward_expansion_filter": "The characters that $names may bring into forward_path; others become _.",
    "command_expansion_filter": "The characters that $names may bring into mailbox_command; others become _.",
    "command_execution_directory": "Where commands are run; empty: the queue directory.",
    "execution_directory_expansion_filter": (
        "The characters that $names may bring into command_execution_directory; others become _."
    ),
    "local_command_shell": (
        "The shell that runs commands from aliases and .forward; empty: /bin/sh, where a shell is needed at all."
    ),
    "command_time_limit": "How long a command may take that mail is delivered to.",
    "expand_owner_alias": (
        "Whether mail to an alias list has as its sender what owner-list leads to, not owner-list itself."
    ),
    "reset_owner_alias": "Whether an alias without an owner- of its own, met below one that has, forgets that owner.",
    "prepend_delivered_header": (
        "The ways of delivery at which a Delivered-To header is added, by which mail loops are seen."
    ),
    "frozen_delivered_to": "Whether Delivered-To is what it was when the delivery began, even where an alias leads on.",
    "local_destination_concurrency_limit": "How many deliveries local makes at once to one recipient; 0: any number.",
    "local_destination_recipient_limit": (
        "How many recipients one delivery by local has; at 1 its concurrency limit holds for each recipient."
    ),
    "local_delivery_status_filter": (
        "Tables that replace the status code and words of what became of a delivery by local."
    ),
    # virtual.
    "virtual_mailbox_base": "The directory in front of every path in virtual_mailbox_maps.",
    "virtual_mailbox_limit": "The largest mailbox that virtual writes to, in bytes; 0: any.",
    "virtual_mailbox_lock": "How a mailbox of virtual is locked while it is written to, unless it is a Maildir.",
    "virtual_uid_maps": "The user that owns a virtual mailbox, as a number.",
    "virtual_gid_maps": "The group that owns a virtual mailbox, as a number.",
    "virtual_minimum_uid": "The least number that virtual_uid_maps may give.",
    "virtual_delivery_status_filter": (
        "Tables that replace the status code and words of what became of a delivery by virtual."
    ),
    # pipe, and all of them.
    "pipe_delivery_status_filter": (
        "Tables that replace the status code and words of what became of a delivery by pipe."
    ),
    "default_delivery_status_filter": (
        "Tables that replace the status code and words of what became of a delivery, such as to make a failure "
        "temporary."
    ),
}
