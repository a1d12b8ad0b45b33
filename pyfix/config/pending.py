"""pending - parameters that nothing reads, and why

The list only gets shorter: what reads a parameter takes its line away, and a test sees to that. An lmtp_
name is here with its smtp_ twin.
"""

from collections.abc import Iterable, Iterator

from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import Service
from pyfix.config.params.smtp import OTHER_NAMES
from pyfix.config.registry import find

# One name a line, in order.
BY_REASON = {
    "address verification is not there yet": """
        address_verify_cache_cleanup_interval
        address_verify_default_transport
        address_verify_local_transport
        address_verify_map
        address_verify_negative_cache
        address_verify_negative_expire_time
        address_verify_negative_refresh_time
        address_verify_pending_request_limit
        address_verify_poll_count
        address_verify_poll_delay
        address_verify_positive_expire_time
        address_verify_positive_refresh_time
        address_verify_relay_transport
        address_verify_relayhost
        address_verify_sender
        address_verify_sender_dependent_default_transport_maps
        address_verify_sender_dependent_relayhost_maps
        address_verify_sender_ttl
        address_verify_service_name
        address_verify_transport_maps
        address_verify_virtual_transport
        unverified_recipient_defer_code
        unverified_recipient_reject_code
        unverified_recipient_reject_reason
        unverified_recipient_tempfail_action
        unverified_sender_defer_code
        unverified_sender_reject_code
        unverified_sender_reject_reason
        unverified_sender_tempfail_action
    """,
    "anvil and its limits are not there yet": """
        anvil_rate_time_unit
        anvil_status_update_time
        smtpd_client_auth_rate_limit
        smtpd_client_connection_count_limit
        smtpd_client_connection_rate_limit
        smtpd_client_event_limit_exceptions
        smtpd_client_ipv4_prefix_length
        smtpd_client_ipv6_prefix_length
        smtpd_client_message_rate_limit
        smtpd_client_new_tls_session_rate_limit
        smtpd_client_recipient_rate_limit
    """,
    "postscreen is not there yet": """
        dnsblog_reply_delay
        dnsblog_service_name
        postscreen_access_list
        postscreen_allowlist_interfaces
        postscreen_bare_newline_action
        postscreen_bare_newline_enable
        postscreen_bare_newline_ttl
        postscreen_cache_cleanup_interval
        postscreen_cache_map
        postscreen_cache_retention_time
        postscreen_client_connection_count_limit
        postscreen_command_count_limit
        postscreen_command_filter
        postscreen_command_time_limit
        postscreen_denylist_action
        postscreen_disable_vrfy_command
        postscreen_discard_ehlo_keyword_address_maps
        postscreen_discard_ehlo_keywords
        postscreen_dnsbl_action
        postscreen_dnsbl_allowlist_threshold
        postscreen_dnsbl_max_ttl
        postscreen_dnsbl_min_ttl
        postscreen_dnsbl_reply_map
        postscreen_dnsbl_sites
        postscreen_dnsbl_threshold
        postscreen_dnsbl_timeout
        postscreen_enforce_tls
        postscreen_expansion_filter
        postscreen_forbidden_commands
        postscreen_greet_action
        postscreen_greet_banner
        postscreen_greet_ttl
        postscreen_greet_wait
        postscreen_helo_required
        postscreen_non_smtp_command_action
        postscreen_non_smtp_command_enable
        postscreen_non_smtp_command_ttl
        postscreen_pipelining_action
        postscreen_pipelining_enable
        postscreen_pipelining_ttl
        postscreen_post_queue_limit
        postscreen_pre_queue_limit
        postscreen_reject_footer
        postscreen_reject_footer_maps
        postscreen_tls_security_level
        postscreen_upstream_proxy_protocol
        postscreen_upstream_proxy_timeout
        postscreen_use_tls
        postscreen_watchdog_timeout
        smtpd_service_name
    """,
    "tlsproxy is not there yet": """
        tlsproxy_client_CAfile
        tlsproxy_client_CApath
        tlsproxy_client_cert_file
        tlsproxy_client_chain_files
        tlsproxy_client_dcert_file
        tlsproxy_client_dkey_file
        tlsproxy_client_eccert_file
        tlsproxy_client_eckey_file
        tlsproxy_client_enforce_tls
        tlsproxy_client_fingerprint_digest
        tlsproxy_client_key_file
        tlsproxy_client_loglevel
        tlsproxy_client_loglevel_parameter
        tlsproxy_client_per_site
        tlsproxy_client_policy_maps
        tlsproxy_client_scert_verifydepth
        tlsproxy_client_security_level
        tlsproxy_client_use_tls
        tlsproxy_enforce_tls
        tlsproxy_service_name
        tlsproxy_tls_CAfile
        tlsproxy_tls_CApath
        tlsproxy_tls_always_issue_session_ids
        tlsproxy_tls_ask_ccert
        tlsproxy_tls_ccert_verifydepth
        tlsproxy_tls_cert_file
        tlsproxy_tls_chain_files
        tlsproxy_tls_ciphers
        tlsproxy_tls_dcert_file
        tlsproxy_tls_dh1024_param_file
        tlsproxy_tls_dkey_file
        tlsproxy_tls_eccert_file
        tlsproxy_tls_eckey_file
        tlsproxy_tls_enable_rpk
        tlsproxy_tls_exclude_ciphers
        tlsproxy_tls_fingerprint_digest
        tlsproxy_tls_key_file
        tlsproxy_tls_loglevel
        tlsproxy_tls_mandatory_ciphers
        tlsproxy_tls_mandatory_exclude_ciphers
        tlsproxy_tls_mandatory_protocols
        tlsproxy_tls_protocols
        tlsproxy_tls_req_ccert
        tlsproxy_tls_security_level
        tlsproxy_use_tls
        tlsproxy_watchdog_timeout
    """,
    "filters in front of the queue are not there yet": """
        smtpd_proxy_ehlo
        smtpd_proxy_filter
        smtpd_proxy_options
        smtpd_proxy_timeout
    """,
    "milters are not there yet": """
        milter_command_timeout
        milter_connect_macros
        milter_connect_timeout
        milter_content_timeout
        milter_data_macros
        milter_default_action
        milter_end_of_data_macros
        milter_end_of_header_macros
        milter_header_checks
        milter_helo_macros
        milter_macro_daemon_name
        milter_macro_defaults
        milter_macro_v
        milter_mail_macros
        milter_protocol
        milter_rcpt_macros
        milter_unknown_command_macros
        non_smtpd_milters
        smtpd_milter_maps
        smtpd_milters
    """,
    "SMTP authentication is not there yet: server": """
        broken_sasl_auth_clients
        cyrus_sasl_config_path
        smtpd_sasl_auth_enable
        smtpd_sasl_authenticated_header
        smtpd_sasl_exceptions_networks
        smtpd_sasl_local_domain
        smtpd_sasl_mechanism_filter
        smtpd_sasl_path
        smtpd_sasl_response_limit
        smtpd_sasl_security_options
        smtpd_sasl_service
        smtpd_sasl_tls_security_options
        smtpd_sasl_type
        smtpd_sender_login_maps
    """,
    "TLS is not there yet: server": """
        relay_clientcerts
        smtpd_enforce_tls
        smtpd_starttls_timeout
        smtpd_tls_CAfile
        smtpd_tls_CApath
        smtpd_tls_always_issue_session_ids
        smtpd_tls_ask_ccert
        smtpd_tls_auth_only
        smtpd_tls_ccert_verifydepth
        smtpd_tls_cert_file
        smtpd_tls_chain_files
        smtpd_tls_ciphers
        smtpd_tls_dcert_file
        smtpd_tls_dh1024_param_file
        smtpd_tls_dkey_file
        smtpd_tls_eccert_file
        smtpd_tls_eckey_file
        smtpd_tls_enable_rpk
        smtpd_tls_exclude_ciphers
        smtpd_tls_fingerprint_digest
        smtpd_tls_key_file
        smtpd_tls_loglevel
        smtpd_tls_mandatory_ciphers
        smtpd_tls_mandatory_exclude_ciphers
        smtpd_tls_mandatory_protocols
        smtpd_tls_protocols
        smtpd_tls_received_header
        smtpd_tls_req_ccert
        smtpd_tls_security_level
        smtpd_tls_session_cache_database
        smtpd_tls_session_cache_timeout
        smtpd_tls_wrappermode
        smtpd_use_tls
    """,
    "TLS is not there yet: client": """
        smtp_sasl_tls_security_options
        smtp_sasl_tls_verified_security_options
        smtp_starttls_timeout
        smtp_tls_CAfile
        smtp_tls_CApath
        smtp_tls_block_early_mail_reply
        smtp_tls_cert_file
        smtp_tls_chain_files
        smtp_tls_ciphers
        smtp_tls_connection_reuse
        smtp_tls_dane_insecure_mx_policy
        smtp_tls_dcert_file
        smtp_tls_dkey_file
        smtp_tls_eccert_file
        smtp_tls_eckey_file
        smtp_tls_enable_rpk
        smtp_tls_enforce_peername
        smtp_tls_enforce_sts_mx_patterns
        smtp_tls_exclude_ciphers
        smtp_tls_fingerprint_cert_match
        smtp_tls_fingerprint_digest
        smtp_tls_force_insecure_host_tlsa_lookup
        smtp_tls_key_file
        smtp_tls_loglevel
        smtp_tls_mandatory_ciphers
        smtp_tls_mandatory_exclude_ciphers
        smtp_tls_mandatory_protocols
        smtp_tls_note_starttls_offer
        smtp_tls_per_site
        smtp_tls_protocols
        smtp_tls_scert_verifydepth
        smtp_tls_secure_cert_match
        smtp_tls_servername
        smtp_tls_session_cache_database
        smtp_tls_session_cache_timeout
        smtp_tls_trust_anchor_file
        smtp_tls_verify_cert_match
        smtp_tls_wrappermode
        smtp_tlsrpt_enable
        smtp_tlsrpt_skip_reused_handshakes
        smtp_tlsrpt_socket_name
    """,
    "TLS is not there yet: both ends": """
        openssl_path
        tls_append_default_CA
        tls_config_file
        tls_config_name
        tls_daemon_random_bytes
        tls_dane_digests
        tls_disable_workarounds
        tls_eecdh_auto_curves
        tls_fast_shutdown_enable
        tls_ffdhe_auto_groups
        tls_high_cipherlist
        tls_medium_cipherlist
        tls_null_cipherlist
        tls_preempt_cipherlist
        tls_random_bytes
        tls_random_exchange_name
        tls_random_prng_update_period
        tls_random_reseed_period
        tls_random_source
        tls_server_sni_maps
        tls_session_ticket_cipher
        tls_ssl_options
        tls_wildcard_matches_multiple_labels
        tlsmgr_service_name
    """,
    "the rest of smtpd's protocol is not there yet": """
        smtpd_authorized_verp_clients
        smtpd_authorized_xclient_hosts
        smtpd_authorized_xforward_hosts
        smtpd_command_filter
        smtpd_hide_client_session
        smtpd_min_data_rate
        smtpd_per_request_deadline
        smtpd_reject_filter_maps
        smtpd_reject_footer_maps
        smtpd_upstream_proxy_protocol
        smtpd_upstream_proxy_timeout
    """,
    "header and body checks are not there yet": """
        body_checks
        body_checks_size_limit
        header_checks
        mime_header_checks
        nested_header_checks
        smtp_body_checks
        smtp_header_checks
        smtp_mime_header_checks
        smtp_nested_header_checks
    """,
    "MIME processing is not there yet": """
        detect_8bit_encoding_header
        disable_mime_input_processing
        force_mime_input_conversion
        message_reject_characters
        message_strip_characters
        mime_boundary_length_limit
        mime_nesting_limit
        non_empty_end_of_header_action
        strict_8bitmime
        strict_8bitmime_body
        strict_mime_encoding_domain
    """,
    "DNS has no such choice yet": """
        dns_ncache_ttl_fix_enable
        dnssec_probe
        enable_idna2003_compatibility
        smtp_dns_resolver_options
    """,
    "the rest of the SMTP client is not there yet": """
    """,
    "connections are cached inside the client, scache is not there yet": """
        connection_cache_protocol_timeout
        connection_cache_service_name
        connection_cache_status_update_time
        connection_cache_ttl_limit
    """,
    "qmgr does not do this yet": """
        confirm_delay_cleared
        default_delivery_slot_cost
        default_delivery_slot_discount
        default_delivery_slot_loan
        default_extra_recipient_limit
        default_filter_nexthop
        default_minimum_delivery_slots
        default_recipient_refill_delay
        default_recipient_refill_limit
        destination_concurrency_feedback_debug
        in_flow_delay
        qmgr_clog_warn_time
        qmgr_daemon_timeout
        qmgr_message_recipient_minimum
    """,
    "variable envelope return paths are not there yet": """
        default_verp_delimiters
        verp_delimiter_filter
    """,
    "tables of this kind are not there yet": """
        berkeley_db_create_buffer_size
        berkeley_db_read_buffer_size
    """,
    "qmqpd is not there yet": """
        qmqpd_authorized_clients
        qmqpd_client_port_logging
        qmqpd_error_delay
        qmqpd_timeout
    """,
    "no command has privileges that it would guard": """
        alternate_config_directories
    """,
    "local submission does not do this yet": """
        empty_address_local_login_sender_maps_lookup_key
        local_login_sender_maps
    """,
    "nothing is traced or injected for debugging": """
        debugger_command
        dont_remove
        fault_injection_code
    """,
    "processes and their connections are kept another way": """
        application_event_drain_time
        fork_attempts
        fork_delay
        ipc_idle
        ipc_ttl
        postlogd_watchdog_timeout
        tcp_windowsize
    """,
    "nobody asks for it yet": """
        biff
        error_service_name
        info_log_address_format
        strict_7bit_headers
    """,
}

# These stay: accepted, and without effect by their nature.
WITHOUT_EFFECT = {
    "Postfix does nothing with it either": """
        maps_rbl_domains
        qmgr_fudge_factor
        smtp_cname_overrides_servername
        smtp_sasl_path
        smtpd_tls_dh512_param_file
        smtpd_tls_eecdh_grade
        sun_mailtool_compatibility
        tls_eecdh_strong_curve
        tls_eecdh_ultra_curve
        tls_export_cipherlist
        tls_low_cipherlist
        tlsproxy_tls_dh512_param_file
        tlsproxy_tls_eecdh_grade
    """,
    "it only describes an installation, or is told to whoever asks": """
        mail_release_date
        process_id
        respectful_logging
        sample_directory
    """,
}

REASONS = {name: why for table in (BY_REASON, WITHOUT_EFFECT) for why, names in table.items() for name in names.split()}

_TWINS = {lmtp: smtp for smtp, lmtp in OTHER_NAMES.items()}


def reason(name: str) -> str | None:
    """Why nothing reads a parameter; None when something does."""
    return REASONS.get(name) or REASONS.get(smtp_twin(name))


def warnings(main: MainCf, services: Iterable[Service] = ()) -> Iterator[str]:
    """Lines about what the two files set, to other than its default, and nothing reads."""
    for name in main.names():
        setting = main.setting(name)
        if setting is not None:
            yield from _warning(main, name, setting.value, setting.where)
    for service in services:
        where = f"{main.config_dir}/master.cf, line {service.line}"
        for name, value in service.overrides:
            yield from _warning(main, name, value, where)


def _warning(main: MainCf, name: str, value: str, where: str) -> Iterator[str]:
    why = reason(name)
    if why is None or why in WITHOUT_EFFECT:
        return
    parameter = find(name)
    if parameter is not None and parameter.default_text(main) != value:
        yield f"{where}: {name} has no effect: {why}"


def smtp_twin(name: str) -> str:
    """The name that smtp uses for what lmtp calls by this one; "" for other names."""
    return _TWINS.get(name) or (f"smtp_{name[5:]}" if name.startswith("lmtp_") else "")
