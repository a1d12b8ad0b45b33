"""addresses - how they are rewritten, where they lead, and whether they can be delivered to"""

MEANINGS = {
    # Rewriting.
    "append_at_myorigin": "Whether user becomes user@$myorigin.",
    "append_dot_mydomain": "Whether user@host becomes user@host.$mydomain.",
    "allow_percent_hack": "Whether user%domain becomes user@domain.",
    "swap_bangpath": "Whether site!user becomes user@site.",
    "allow_min_user": "Whether a recipient may begin with a minus, which commands could take for an option.",
    "recipient_delimiter": "The characters that separate a user name from its address extension (user+ext).",
    "owner_request_special": (
        "Whether owner-list answers for the alias list, and is one name, as list-request is, even where "
        "recipient_delimiter is a minus."
    ),
    "propagate_unmatched_extensions": "The lookups after which the address extension (user+ext) is put on the result.",
    "remote_header_rewrite_domain": (
        "The domain that bare names get in headers of mail from strangers; empty: such headers are left as they are."
    ),
    "empty_address_recipient": "Who gets mail that is addressed to the empty address.",
    "canonical_maps": "Replaces addresses in envelopes and headers of all mail.",
    "canonical_classes": "Which addresses canonical_maps is for.",
    "sender_canonical_maps": "Replaces sender addresses in envelopes and headers.",
    "sender_canonical_classes": "Which addresses sender_canonical_maps is for.",
    "recipient_canonical_maps": "Replaces recipient addresses in envelopes and headers.",
    "recipient_canonical_classes": "Which addresses recipient_canonical_maps is for.",
    "masquerade_domains": "Domains whose subdomains are hidden in addresses.",
    "masquerade_classes": "Which addresses masquerade_domains is for.",
    "masquerade_exceptions": "Users whose addresses are not masqueraded.",
    # Aliases, and domains by class.
    "alias_database": "The alias files that newaliases compiles.",
    "alias_maps": "Where local looks aliases up.",
    "virtual_alias_maps": "Sends mail for some addresses or domains to other addresses, here or elsewhere.",
    "virtual_alias_domains": "Domains all of whose addresses are aliases.",
    "virtual_alias_address_length_limit": (
        "The longest address that virtual_alias_maps may lead to, in bytes; longer ones are taken for a loop."
    ),
    "virtual_alias_expansion_limit": "How many addresses one recipient may become by virtual_alias_maps.",
    "virtual_alias_recursion_limit": "How many virtual aliases may lead to one another.",
    "virtual_mailbox_domains": "Domains whose mailboxes belong to no account of this system.",
    "virtual_mailbox_maps": "The mailboxes of virtual_mailbox_domains, below virtual_mailbox_base.",
    "relay_domains": "Domains whose mail is taken for other hosts and passed on to them.",
    "relay_recipient_maps": "All addresses of relay_domains that exist; empty: whatever is sent there is taken.",
    "local_recipient_maps": "All users of mydestination that exist; empty: whatever is sent there is taken.",
    "parent_domain_matches_subdomains": "The lists in which example.com also means its subdomains.",
    "show_user_unknown_table_name": "Whether a refusal names the table in which the user was not found.",
    "relocated_maps": "New addresses of users who have left, told to whoever writes to the old ones.",
    "relocated_prefix_enable": (
        'Whether the texts of relocated_maps get 5.1.6 and "User has moved to" in front of them.'
    ),
    "always_bcc": "An address that gets a copy of all mail.",
    "sender_bcc_maps": "Who gets a copy of mail from some senders.",
    "recipient_bcc_maps": "Who gets a copy of mail to some recipients.",
    # Where mail goes.
    "transport_maps": "Which way mail for an address or domain goes, whatever the class of the domain says.",
    "default_transport": "Which way mail goes that is for none of our domains.",
    "local_transport": "Which way mail for mydestination goes.",
    "virtual_transport": "Which way mail for virtual_mailbox_domains goes.",
    "relay_transport": "Which way mail for relay_domains goes.",
    "relayhost": "The host that gets all mail for elsewhere; empty: the host that DNS says.",
    "sender_dependent_relayhost_maps": "Another relayhost for some senders.",
    "empty_address_relayhost_maps_lookup_key": "What the null sender is called in sender_dependent_relayhost_maps.",
    "sender_dependent_default_transport_maps": "Another default_transport for some senders.",
    "empty_address_default_transport_maps_lookup_key": (
        "What the null sender is called in sender_dependent_default_transport_maps."
    ),
    "resolve_dequoted_address": (
        "Whether the quotes come off before @, % and ! are looked for in the local part of an address; no makes "
        "relaying by tricks easier."
    ),
    "resolve_null_domain": "Whether an address that ends in a bare @ is taken for one of this host, not refused.",
    "resolve_numeric_domain": "Whether user@1.2.3.4 is taken for user@[1.2.3.4], not refused.",
    # Probes of addresses.
    "address_verify_map": "Where verify keeps what its probes found out; empty: in memory, until it ends.",
    "address_verify_sender": "The sender of probes; <> for the null sender.",
    "address_verify_sender_ttl": (
        "How often the local part of address_verify_sender changes, so that spammers can't use it for long; 0: never."
    ),
    "address_verify_poll_count": "How many times smtpd asks for the result of a probe before it puts the client off.",
    "address_verify_poll_delay": "The pause between two such questions.",
    "address_verify_negative_cache": "Whether it is kept that an address can't be delivered to.",
    "address_verify_positive_expire_time": "How long it is believed that an address can be delivered to.",
    "address_verify_positive_refresh_time": (
        "After which time an address that could be delivered to is probed anew, while the old result still counts."
    ),
    "address_verify_negative_expire_time": "How long it is believed that an address can't be delivered to.",
    "address_verify_negative_refresh_time": (
        "After which time an address that could not be delivered to is probed anew, while the old result still counts."
    ),
    "address_verify_cache_cleanup_interval": "How often expired results are removed from address_verify_map; 0: never.",
    "address_verify_default_transport": "What default_transport is for probes.",
    "address_verify_local_transport": "What local_transport is for probes.",
    "address_verify_relay_transport": "What relay_transport is for probes.",
    "address_verify_virtual_transport": "What virtual_transport is for probes.",
    "address_verify_relayhost": "What relayhost is for probes.",
    "address_verify_transport_maps": "What transport_maps is for probes.",
    "address_verify_sender_dependent_default_transport_maps": (
        "What sender_dependent_default_transport_maps is for probes."
    ),
    "address_verify_sender_dependent_relayhost_maps": "What sender_dependent_relayhost_maps is for probes.",
}
