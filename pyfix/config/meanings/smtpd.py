"""smtpd - the SMTP server, whom it serves and how it refuses"""

MEANINGS = {
    "smtpd_banner": "What follows 220 in the greeting. RFC 5321 wants it to begin with the host name.",
    "smtpd_timeout": "How long a client may take over a command, and over reading a reply.",
    "smtpd_starttls_timeout": "How long the TLS handshake may take, and reading and writing during it.",
    "smtpd_per_request_deadline": (
        "Whether smtpd_timeout is the time for a whole command or reply, not for each read or write, and "
        "smtpd_min_data_rate holds for the message."
    ),
    "smtpd_min_data_rate": (
        "How fast a message has to come in when smtpd_per_request_deadline is on, in bytes per second."
    ),
    "smtpd_peername_lookup": "Whether the name of a client is looked up; without, every client is unknown.",
    "smtpd_client_port_logging": "Whether the log has the port of a client as well.",
    "smtpd_hide_client_session": "Whether the Received header leaves out who the client was and how it connected.",
    "smtpd_helo_required": "Whether a client has to introduce itself.",
    "smtpd_discard_ehlo_keywords": "Extensions that are not offered.",
    "smtpd_discard_ehlo_keyword_address_maps": "The extensions that are not offered to some clients, by address.",
    "disable_vrfy_command": "Whether the VRFY command is refused, with which addresses can be guessed.",
    "strict_rfc821_envelopes": (
        "Whether addresses in MAIL and RCPT need <> around them and may have nothing else, such as comments."
    ),
    "allow_untrusted_routing": (
        "Whether strangers may send user%elsewhere@domain and the like by way of domains that are relayed for."
    ),
    "smtpd_noop_commands": "Commands that are answered with 250 and do nothing.",
    "smtpd_forbidden_commands": "Commands after which a client is sent away at once, since no mail client sends them.",
    "smtpd_command_filter": "A table that replaces the commands of clients before they are looked at.",
    "smtpd_forbid_unauth_pipelining": "Whether a client is sent away that does not wait for its turn.",
    "smtpd_forbid_bare_newline": "What happens to lines without CR, by which messages can be smuggled in.",
    "smtpd_forbid_bare_newline_exclusions": "The clients that smtpd_forbid_bare_newline does not hold for.",
    "smtpd_forbid_bare_newline_reject_code": "The code of a refusal by smtpd_forbid_bare_newline.",
    "smtpd_recipient_limit": "How many recipients a message may have.",
    "smtpd_recipient_overshoot_limit": (
        "How many recipients over smtpd_recipient_limit are refused before each further one counts as an error."
    ),
    "smtpd_delay_open_until_valid_rcpt": (
        "Whether a queue file is made only when the first recipient has been taken, not at MAIL."
    ),
    "local_header_rewrite_clients": (
        "The clients whose mail gets its headers completed like mail from here; others get "
        "remote_header_rewrite_domain."
    ),
    "smtpd_upstream_proxy_protocol": "How a load balancer in front says who the client is.",
    "smtpd_upstream_proxy_timeout": "How long the load balancer may take to say who the client is.",
    "smtpd_authorized_xclient_hosts": "Who may say that it speaks for another client.",
    "smtpd_authorized_xforward_hosts": "Who may tell the log where mail came from originally.",
    "smtpd_authorized_verp_clients": "Who may ask for VERP senders with XVERP.",
    "smtpd_dns_reply_filter": "A table that changes or drops what DNS answers smtpd.",
    # Restrictions.
    "smtpd_client_restrictions": "Who may connect.",
    "smtpd_helo_restrictions": "With what name a client may introduce itself.",
    "smtpd_sender_restrictions": "From whom mail may be.",
    "smtpd_relay_restrictions": "Who may send mail to domains that are not ours. A mistake here is an open relay.",
    "smtpd_recipient_restrictions": "To whom mail may go, when it may be relayed at all.",
    "smtpd_relay_before_recipient_restrictions": (
        "Whether smtpd_relay_restrictions come before smtpd_recipient_restrictions, not after them."
    ),
    "smtpd_data_restrictions": "What has to hold when a client wants to send the message.",
    "smtpd_end_of_data_restrictions": "What has to hold when the message is there, with its size.",
    "smtpd_etrn_restrictions": "Who may have the queue for a domain flushed.",
    "smtpd_restriction_classes": "Names of your own for lists of restrictions.",
    "smtpd_delay_reject": "Whether refusals wait until the recipient is known, so that the log names it.",
    "smtpd_reject_unlisted_recipient": "Whether recipients that do not exist are refused.",
    "smtpd_reject_unlisted_sender": "Whether senders in our domains that do not exist are refused.",
    "smtpd_null_access_lookup_key": "What the null sender is called in access tables.",
    "smtpd_log_access_permit_actions": "The restrictions for which the log says that they let something pass.",
    "permit_mx_backup_networks": (
        "The networks that have to hold the best mail servers of a domain for permit_mx_backup to take its mail."
    ),
    "maps_rbl_domains": "The DNS lists that reject_maps_rbl asks; both are from before reject_rbl_client.",
    "default_rbl_reply": "The words of a refusal because of a DNS list.",
    "rbl_reply_maps": "Other words than default_rbl_reply for some DNS lists.",
    "smtpd_expansion_filter": (
        "The characters that data from outside may bring into the words of a refusal; others become _."
    ),
    # Replies.
    "access_map_defer_code": "The code of a refusal by DEFER in an access table.",
    "access_map_reject_code": "The code of a refusal by REJECT in an access table.",
    "defer_code": "The code of a refusal by the defer restriction.",
    "reject_code": "The code of a refusal by the reject restriction.",
    "invalid_hostname_reject_code": "The code of a refusal by reject_invalid_helo_hostname.",
    "non_fqdn_reject_code": (
        "The code of a refusal by reject_non_fqdn_helo_hostname, reject_non_fqdn_sender or reject_non_fqdn_recipient."
    ),
    "plaintext_reject_code": "The code of a refusal by reject_plaintext_session.",
    "relay_domains_reject_code": (
        "The code of a refusal by reject_unauth_destination: mail for domains that are not ours."
    ),
    "maps_rbl_reject_code": "The code of a refusal because of a DNS list.",
    "multi_recipient_bounce_reject_code": "The code of a refusal by reject_multi_recipient_bounce.",
    "unknown_address_reject_code": (
        "The code of a refusal by reject_unknown_sender_domain or reject_unknown_recipient_domain."
    ),
    "unknown_address_tempfail_action": (
        "What reject_unknown_sender_domain and reject_unknown_recipient_domain do when DNS does not answer."
    ),
    "unknown_client_reject_code": (
        "The code of a refusal by reject_unknown_client_hostname or reject_unknown_reverse_client_hostname."
    ),
    "unknown_hostname_reject_code": "The code of a refusal by reject_unknown_helo_hostname.",
    "unknown_helo_hostname_tempfail_action": "What reject_unknown_helo_hostname does when DNS does not answer.",
    "unknown_local_recipient_reject_code": "The code of a refusal because a recipient is not in local_recipient_maps.",
    "unknown_relay_recipient_reject_code": "The code of a refusal because a recipient is not in relay_recipient_maps.",
    "unknown_virtual_alias_reject_code": (
        "The code of a refusal because a recipient in virtual_alias_domains is not in virtual_alias_maps."
    ),
    "unknown_virtual_mailbox_reject_code": (
        "The code of a refusal because a recipient in virtual_mailbox_domains is not in virtual_mailbox_maps."
    ),
    "unverified_recipient_reject_code": (
        "The code of a refusal because a probe showed that the recipient can't be delivered to."
    ),
    "unverified_recipient_reject_reason": "The words of such a refusal of a recipient; empty: what the probe was told.",
    "unverified_recipient_defer_code": (
        "The code of a refusal because a probe of the recipient has not come to an end or failed for now."
    ),
    "unverified_recipient_tempfail_action": "What reject_unverified_recipient does when a probe failed for now.",
    "unverified_sender_reject_code": (
        "The code of a refusal because a probe showed that the sender can't be delivered to."
    ),
    "unverified_sender_reject_reason": "The words of such a refusal of a sender; empty: what the probe was told.",
    "unverified_sender_defer_code": (
        "The code of a refusal because a probe of the sender has not come to an end or failed for now."
    ),
    "unverified_sender_tempfail_action": "What reject_unverified_sender does when a probe failed for now.",
    "reject_tempfail_action": (
        "What restrictions do that can't find out for now whether to refuse: defer at once, or only if nothing "
        "else refuses."
    ),
    "smtpd_reject_footer": "What is added to every refusal, such as whom to call.",
    "smtpd_reject_footer_maps": "Other texts than smtpd_reject_footer, by the reply that they are added to.",
    "smtpd_reject_filter_maps": "Tables that replace refusals before the client gets them.",
    # Policy servers.
    "smtpd_policy_service_default_action": "What a policy server counts as saying when it can't be asked.",
    "smtpd_policy_service_timeout": "How long a policy server may take for a connection or an answer.",
    "smtpd_policy_service_try_limit": "How many times a policy server is asked before that counts as failed.",
    "smtpd_policy_service_retry_delay": "The pause between two attempts to ask a policy server.",
    "smtpd_policy_service_request_limit": "How many requests go over one connection to a policy server; 0: any number.",
    "smtpd_policy_service_max_idle": "How long an unused connection to a policy server is kept.",
    "smtpd_policy_service_max_ttl": "How long a connection to a policy server is kept at most.",
    "smtpd_policy_service_policy_context": (
        "A text that policy servers get as policy_context, to tell why they are asked."
    ),
    # A filter in front of the queue.
    "smtpd_proxy_filter": "A filter that sees each message before the client hears that it was taken.",
    "smtpd_proxy_ehlo": "The name by which smtpd introduces itself to smtpd_proxy_filter.",
    "smtpd_proxy_options": (
        "How smtpd talks to smtpd_proxy_filter; speed_adjust: only when the message is there as a whole."
    ),
    "smtpd_proxy_timeout": "How long smtpd_proxy_filter may take for a connection, a command or a reply.",
    # Limits for clients.
    "smtpd_error_sleep_time": "How long a reply to a client that made many errors is held back.",
    "smtpd_soft_error_limit": "From how many errors on a client is slowed down.",
    "smtpd_hard_error_limit": "At how many errors a client is sent away.",
    "smtpd_junk_command_limit": (
        "How many commands that lead to nothing a client may send before each further one counts as an error."
    ),
    "smtpd_history_flush_threshold": (
        "How many lines of a dialog are noted for the postmaster before a new message starts the notes afresh."
    ),
    "smtpd_client_connection_count_limit": "How many connections one client may have at once; 0: any number.",
    "smtpd_client_connection_rate_limit": "How many connections one client may make per anvil_rate_time_unit.",
    "smtpd_client_message_rate_limit": "How many messages one client may send per anvil_rate_time_unit.",
    "smtpd_client_recipient_rate_limit": (
        "How many recipients one client may name per anvil_rate_time_unit; 0: any number."
    ),
    "smtpd_client_new_tls_session_rate_limit": (
        "How many TLS sessions that are not resumed one client may begin per anvil_rate_time_unit; 0: any number."
    ),
    "smtpd_client_auth_rate_limit": (
        "How many times one client may try to log in per anvil_rate_time_unit; 0: any number."
    ),
    "smtpd_client_event_limit_exceptions": "Whom the limits per client do not hold for.",
    "smtpd_client_ipv4_prefix_length": (
        "How many leading bits of IPv4 addresses have to be the same for clients to be counted as one."
    ),
    "smtpd_client_ipv6_prefix_length": (
        "How many leading bits of IPv6 addresses have to be the same for clients to be counted as one."
    ),
    "anvil_rate_time_unit": "The time over which clients are counted.",
    "anvil_status_update_time": "How often anvil logs the highest counts.",
}
