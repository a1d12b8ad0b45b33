"""smtp - the SMTP and LMTP client, how it finds hosts and talks to them

An lmtp_ parameter has the sentence of its smtp_ twin.
"""

MEANINGS = {
    # Finding the host.
    "smtp_tcp_port": "The port that is connected to where the destination names none.",
    "smtp_fallback_relay": "Where mail goes whose destination can't be found or reached.",
    "smtp_host_lookup": "How host names are looked up: by DNS, or as the system does it.",
    "smtp_dns_support_level": "Whether DNS is used, and whether its answers are validated.",
    "smtp_dns_resolver_options": (
        "Which short names DNS lookups complete: with the system's own domain (res_defnames), or its search list "
        "(res_dnsrch)."
    ),
    "smtp_dns_reply_filter": "A table that changes or drops what DNS answers the client.",
    "disable_dns_lookups": "Whether hosts are looked up without DNS; smtp_dns_support_level has taken its place.",
    "ignore_mx_lookup_error": (
        "Whether a destination is taken for a host when DNS can't be asked for its MX, instead of waiting."
    ),
    "use_srv_lookup": "The services, such as submission, whose hosts are found by SRV in place of MX.",
    "allow_srv_lookup_fallback": "Whether MX or the host itself is tried where there is no SRV to be found.",
    "ignore_srv_lookup_error": "Whether MX or the host itself is tried where DNS can't be asked for SRV.",
    "best_mx_transport": (
        "The transport for mail to domains whose best MX is this host; empty: it is returned as looping."
    ),
    "smtp_defer_if_no_mx_address_found": "Whether mail waits when no MX has an address, instead of being returned.",
    "smtp_address_preference": "Which protocol is tried first when a host has both.",
    "smtp_balance_inet_protocols": (
        "Whether both protocols are among the addresses tried, even where smtp_mx_address_limit leaves few."
    ),
    "smtp_randomize_addresses": "Whether hosts of the same preference are tried in random order.",
    "smtp_mx_address_limit": "How many addresses of a destination are tried; 0: all.",
    "smtp_mx_session_limit": "How many sessions are tried before another time; 0: any number.",
    "smtp_bind_address": "The IPv4 address from which connections are made.",
    "smtp_bind_address6": "The IPv6 address from which connections are made.",
    "smtp_bind_address_enforce": (
        "Whether mail waits when smtp_bind_address or smtp_bind_address6 can't be used, instead of leaving from "
        "another address."
    ),
    "smtp_address_verify_target": "At which command a probe of an address ends: rcpt or data.",
    # The dialog.
    "smtp_helo_name": "The name by which the client introduces itself.",
    "smtp_always_send_ehlo": "Whether EHLO is sent even to a server whose greeting does not say ESMTP.",
    "smtp_never_send_ehlo": "Whether the client always says HELO, and so uses no extension.",
    "smtp_discard_ehlo_keywords": "The extensions that are not used though the server offers them.",
    "smtp_discard_ehlo_keyword_address_maps": "The extensions that are not used with some servers, by address.",
    "smtp_skip_5xx_greeting": (
        "Whether a server that greets with 5xx makes the next one be tried, instead of returning the mail."
    ),
    "smtp_skip_quit_response": "Whether the client leaves without waiting for the answer to QUIT.",
    "smtp_quote_rfc821_envelope": "Whether addresses in MAIL and RCPT get the quotes that the standard asks for.",
    "smtp_line_length_limit": (
        "The longest line that is sent, in bytes; longer ones are broken by CR LF and a space. 0: any length."
    ),
    "smtp_send_xforward_command": "Whether the next host is told where the mail came from originally.",
    "smtp_send_dummy_mail_auth": "Whether MAIL has AUTH=<> after logging in, for servers that insist on it.",
    "smtp_generic_maps": "Replaces addresses in mail that this client sends.",
    "smtp_header_checks": "Patterns for header lines of mail that leaves, and what to do with a message that has one.",
    "smtp_mime_header_checks": "Patterns for the MIME headers of mail that leaves, in place of smtp_header_checks.",
    "smtp_nested_header_checks": (
        "Patterns for the headers of attached messages in mail that leaves, in place of smtp_header_checks."
    ),
    "smtp_body_checks": "Patterns for lines of the body of mail that leaves.",
    "disable_mime_output_conversion": "Whether 8-bit text is sent as it is even to servers that do not offer 8BITMIME.",
    "smtp_reply_filter": "A table that replaces lines of the server's answers before they are looked at.",
    "smtp_delivery_status_filter": (
        "Tables that replace the status code and words of what became of a delivery by this client."
    ),
    "smtp_pix_workarounds": "What is done differently with servers behind an old Cisco PIX firewall.",
    "smtp_pix_workaround_maps": "Other smtp_pix_workarounds for some servers, by address.",
    "smtp_pix_workaround_delay_time": (
        "How long the client waits before the end of a message to a server behind such a firewall."
    ),
    "smtp_pix_workaround_threshold_time": (
        "How long a message has to be in the queue for smtp_pix_workarounds to be used."
    ),
    "lmtp_assume_final": "Whether an LMTP server that offers no DSN counts as the last one, which delivers the mail.",
    # Time limits.
    "smtp_connect_timeout": "How long a connection may take to come about.",
    "smtp_helo_timeout": "How long the greeting and the answer to EHLO may take.",
    "smtp_starttls_timeout": "How long the TLS handshake may take.",
    "smtp_xforward_timeout": "How long sending XFORWARD and its answer may take.",
    "smtp_mail_timeout": "How long sending MAIL and its answer may take.",
    "smtp_rcpt_timeout": "How long sending RCPT and its answer may take.",
    "smtp_data_init_timeout": "How long sending DATA and its answer may take.",
    "smtp_data_xfer_timeout": "How long sending the message may be at a standstill.",
    "smtp_data_done_timeout": "How long the answer to the end of a message may take.",
    "smtp_rset_timeout": "How long sending RSET and its answer may take.",
    "smtp_quit_timeout": "How long sending QUIT and its answer may take.",
    "smtp_per_request_deadline": (
        "Whether a time limit holds for a whole command, answer or message, not for each read or write."
    ),
    "smtp_min_data_rate": (
        "How fast a message has to be taken in when smtp_per_request_deadline is on, in bytes per second."
    ),
    # Kept connections.
    "smtp_connection_cache_destinations": "Destinations whose connections are always kept for the next mail.",
    "smtp_connection_cache_on_demand": "Whether connections are kept while there is more mail for the destination.",
    "smtp_connection_cache_time_limit": "How long a connection waits for the next message.",
    "smtp_connection_reuse_time_limit": "How long one connection is used.",
    "smtp_connection_reuse_count_limit": "How many times one connection is used again; 0: any number.",
    "connection_cache_protocol_timeout": "How long handing a connection to or from the cache may take.",
    "connection_cache_ttl_limit": "The longest time that scache keeps a connection.",
    "connection_cache_status_update_time": "How often scache logs how well it did.",
}
