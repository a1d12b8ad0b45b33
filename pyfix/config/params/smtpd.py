"""smtpd - parameters of the SMTP server.

Sources: smtpd(8), postconf(5).
"""

from pyfix.config.param import Bool, Int, Long, NBool, NInt, Params, Raw, Str, Time


class SmtpdParams(Params):
    """Parameters that only smtpd reads."""

    stress = Str("")

    # The session.
    smtpd_banner = Str("$myhostname ESMTP $mail_name", min=1)
    smtpd_timeout = Time("${stress?{10}:{300}}s", min=1)
    smtpd_peername_lookup = Bool("yes")
    smtpd_client_port_logging = Bool("no")
    smtpd_helo_required = Bool("no")
    smtpd_discard_ehlo_keywords = Str("")
    smtpd_discard_ehlo_keyword_address_maps = Str("")
    disable_vrfy_command = Bool("no")
    smtpd_noop_commands = Str("")
    smtpd_forbidden_commands = Str("CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}")
    smtpd_forbid_unauth_pipelining = Bool("yes")
    smtpd_forbid_bare_newline = Str("normalize", min=1)
    smtpd_forbid_bare_newline_exclusions = Str("$mynetworks")
    smtpd_forbid_bare_newline_reject_code = Int("550", min=500, max=599)
    strict_rfc821_envelopes = Bool("no")

    # Slowing down who makes errors.
    smtpd_error_sleep_time = Time("1s")
    smtpd_soft_error_limit = NInt("10", min=1)
    smtpd_hard_error_limit = NInt("${stress?{1}:{20}}", min=1)
    smtpd_junk_command_limit = NInt("${stress?{1}:{100}}", min=1)

    # One message.
    smtpd_recipient_limit = Int("1000", min=1)
    smtpd_recipient_overshoot_limit = Int("1000", min=1)
    smtpd_delay_open_until_valid_rcpt = Bool("yes")
    queue_minfree = Long("0")
    local_header_rewrite_clients = Str("permit_inet_interfaces")

    # Access.
    smtpd_delay_reject = Bool("yes")
    smtpd_client_restrictions = Str("")
    smtpd_helo_restrictions = Str("")
    smtpd_sender_restrictions = Str("")
    smtpd_relay_restrictions = Str(
        "${{$compatibility_level} <level {1} ? {} : "
        "{permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}"
    )
    smtpd_recipient_restrictions = Str("")
    smtpd_data_restrictions = Str("")
    smtpd_end_of_data_restrictions = Str("")
    smtpd_etrn_restrictions = Str("")
    smtpd_relay_before_recipient_restrictions = NBool("${{$compatibility_level} <level {3.6} ? {no} : {yes}}")
    smtpd_restriction_classes = Str("")
    smtpd_null_access_lookup_key = Str("<>")
    smtpd_log_access_permit_actions = Str("")
    smtpd_reject_unlisted_recipient = Bool("yes")
    smtpd_reject_unlisted_sender = Bool("no")
    smtpd_reject_footer = Raw("")
    allow_untrusted_routing = Bool("no")

    # What a refusal says.
    access_map_defer_code = Int("450")
    access_map_reject_code = Int("554")
    defer_code = Int("450")
    reject_code = Int("554")
    invalid_hostname_reject_code = Int("501")
    non_fqdn_reject_code = Int("504")
    plaintext_reject_code = Int("450")
    relay_domains_reject_code = Int("554")
    unknown_local_recipient_reject_code = Int("550")
    unknown_relay_recipient_reject_code = Int("550")
    unknown_virtual_alias_reject_code = Int("550")
    unknown_virtual_mailbox_reject_code = Int("550")

    # Access: replies, and how failures end.
    address_verify_poll_count = NInt("${stress?{1}:{3}}", min=1)
    address_verify_poll_delay = Time("3s", min=1)
    default_rbl_reply = Raw(
        "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}",
        min=1,
    )
    maps_rbl_domains = Str("")
    maps_rbl_reject_code = Int("554")
    multi_recipient_bounce_reject_code = Int("550")
    permit_mx_backup_networks = Str("")
    rbl_reply_maps = Str("")
    reject_tempfail_action = Str("defer_if_permit", min=1)
    smtpd_reject_filter_maps = Str("")
    smtpd_reject_footer_maps = Str("")
    unknown_address_reject_code = Int("450")
    unknown_address_tempfail_action = Str("$reject_tempfail_action", min=1)
    unknown_client_reject_code = Int("450")
    unknown_helo_hostname_tempfail_action = Str("$reject_tempfail_action", min=1)
    unknown_hostname_reject_code = Int("450")
    unverified_recipient_defer_code = Int("450", min=200, max=499)
    unverified_recipient_reject_code = Int("450", min=200, max=599)
    unverified_recipient_reject_reason = Str("")
    unverified_recipient_tempfail_action = Str("$reject_tempfail_action", min=1)
    unverified_sender_defer_code = Int("450", min=200, max=499)
    unverified_sender_reject_code = Int("450", min=200, max=599)
    unverified_sender_reject_reason = Str("")
    unverified_sender_tempfail_action = Str("$reject_tempfail_action", min=1)
    smtpd_expansion_filter = Raw(
        "\\t\\40!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
        min=1,
    )

    # Policy services.
    smtpd_policy_service_default_action = Str("451 4.3.5 Server configuration problem", min=1)
    smtpd_policy_service_max_idle = Time("300s", min=1)
    smtpd_policy_service_max_ttl = Time("1000s", min=1)
    smtpd_policy_service_policy_context = Str("")
    smtpd_policy_service_request_limit = Int("0")
    smtpd_policy_service_retry_delay = Time("1s", min=1)
    smtpd_policy_service_timeout = Time("100s", min=1)
    smtpd_policy_service_try_limit = Int("2", min=1)

    # A filter in front of the queue.
    smtpd_proxy_ehlo = Str("$myhostname")
    smtpd_proxy_filter = Str("")
    smtpd_proxy_options = Str("")
    smtpd_proxy_timeout = Time("100s", min=1)

    # Who may say more.
    smtpd_authorized_verp_clients = Str("$authorized_verp_clients")
    smtpd_authorized_xclient_hosts = Str("")
    smtpd_authorized_xforward_hosts = Str("")
    smtpd_upstream_proxy_protocol = Str("")
    smtpd_upstream_proxy_timeout = Time("5s", min=1)

    # Rates and counts.
    smtpd_client_auth_rate_limit = Int("0")
    smtpd_client_connection_rate_limit = Int("0")
    smtpd_client_event_limit_exceptions = Str("${smtpd_client_connection_limit_exceptions:$mynetworks}")
    smtpd_client_ipv4_prefix_length = Int("32", max=32)
    smtpd_client_ipv6_prefix_length = Int("84", max=128)
    smtpd_client_message_rate_limit = Int("0")
    smtpd_client_new_tls_session_rate_limit = Int("0")
    smtpd_client_recipient_rate_limit = Int("0")
    smtpd_history_flush_threshold = Int("100", min=1)
    smtpd_client_connection_count_limit = Int("50")

    # Time.
    smtpd_min_data_rate = Int("500", min=1)
    smtpd_per_request_deadline = NBool(
        "${smtpd_per_record_deadline?{$smtpd_per_record_deadline}:{${stress?{yes}:{no}}}}"
    )
    smtpd_starttls_timeout = Time("${stress?{10}:{300}}s", min=1)

    # Passwords.
    broken_sasl_auth_clients = Bool("no")
    smtpd_sasl_auth_enable = Bool("no")
    smtpd_sasl_authenticated_header = Bool("no")
    smtpd_sasl_exceptions_networks = Str("")
    smtpd_sasl_local_domain = Str("")
    smtpd_sasl_mechanism_filter = Str("!external, static:rest")
    smtpd_sasl_path = Str("smtpd", min=1)
    smtpd_sasl_response_limit = Int("12288", min=12288)
    smtpd_sasl_security_options = Str("noanonymous")
    smtpd_sasl_service = Str("smtp", min=1)
    smtpd_sasl_tls_security_options = Str("$smtpd_sasl_security_options")
    smtpd_sasl_type = Str("cyrus", min=1)
    smtpd_sender_login_maps = Str("")

    # Milters.
    smtpd_milter_maps = Str("")
    smtpd_milters = Str("")

    # TLS.
    relay_clientcerts = Str("")
    smtpd_tls_auth_only = Bool("no")
    smtpd_tls_received_header = Bool("no")
    smtpd_tls_wrappermode = Bool("no")
    smtpd_tls_CAfile = Str("")
    smtpd_tls_CApath = Str("")
    smtpd_tls_always_issue_session_ids = Bool("yes")
    smtpd_tls_ask_ccert = Bool("no")
    smtpd_tls_ccert_verifydepth = Int("9")
    smtpd_tls_cert_file = Str("")
    smtpd_tls_chain_files = Str("")
    smtpd_tls_ciphers = Str("medium", min=1)
    smtpd_tls_dcert_file = Str("")
    smtpd_tls_dh1024_param_file = Str("")
    smtpd_tls_dh512_param_file = Str("")
    smtpd_tls_dkey_file = Str("$smtpd_tls_dcert_file")
    smtpd_tls_eccert_file = Str("")
    smtpd_tls_eckey_file = Str("$smtpd_tls_eccert_file")
    smtpd_tls_eecdh_grade = Str("auto", min=1)
    smtpd_tls_enable_rpk = Bool("no")
    smtpd_tls_exclude_ciphers = Str("")
    smtpd_tls_fingerprint_digest = Str("${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}", min=1)
    smtpd_tls_key_file = Str("$smtpd_tls_cert_file")
    smtpd_tls_mandatory_ciphers = Str("medium", min=1)
    smtpd_tls_mandatory_exclude_ciphers = Str("")
    smtpd_tls_mandatory_protocols = Str(">=TLSv1")
    smtpd_tls_protocols = Str(">=TLSv1")
    smtpd_tls_req_ccert = Bool("no")
    smtpd_tls_loglevel = Str("0")
    smtpd_enforce_tls = Bool("no")
    smtpd_tls_security_level = Str("")
    smtpd_use_tls = Bool("no")
    smtpd_tls_session_cache_database = Str("")
    smtpd_tls_session_cache_timeout = Time("3600s", max=8640000)

    # Others.
    smtpd_dns_reply_filter = Str("")
    smtpd_hide_client_session = NBool("no")
    smtpd_command_filter = Str("")
