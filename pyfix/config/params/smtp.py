"""smtp - parameters of the SMTP and LMTP client

One declaration: LmtpParams has an lmtp_ name for each smtp_ name, and reads it by the same attribute
(`cfg.smtp_helo_timeout` is lmtp_lhlo_timeout there).

Sources: smtp(8), lmtp(8), postconf(5).
"""

from pyfix.config.param import Bool, Int, NBool, Parameter, Params, Str, Time


class SmtpParams(Params):
    """Parameters that only smtp reads."""

    # Where to.
    smtp_tcp_port = Str("smtp")
    smtp_fallback_relay = Str("$fallback_relay")
    smtp_host_lookup = Str("dns", min=1)
    smtp_dns_support_level = Str("")
    smtp_address_preference = Str("any", min=1)
    smtp_balance_inet_protocols = Bool("yes")
    smtp_randomize_addresses = Bool("yes")
    smtp_mx_address_limit = Int("5")
    smtp_mx_session_limit = Int("2")
    smtp_defer_if_no_mx_address_found = Bool("no")
    smtp_bind_address = Str("")
    smtp_bind_address6 = Str("")
    smtp_bind_address_enforce = Bool("no")
    disable_dns_lookups = Bool("no")
    ignore_mx_lookup_error = Bool("no")

    # The session.
    smtp_helo_name = Str("$myhostname", min=1)
    smtp_always_send_ehlo = Bool("yes")
    smtp_never_send_ehlo = Bool("no")
    smtp_skip_5xx_greeting = Bool("yes")
    smtp_skip_quit_response = Bool("yes")
    smtp_discard_ehlo_keywords = Str("")
    smtp_discard_ehlo_keyword_address_maps = Str("")
    smtp_address_verify_target = Str("rcpt", min=1)

    # Time-outs.
    smtp_connect_timeout = Time("30s")
    smtp_helo_timeout = Time("300s", min=1)
    smtp_mail_timeout = Time("300s", min=1)
    smtp_rcpt_timeout = Time("300s", min=1)
    smtp_data_init_timeout = Time("120s", min=1)
    smtp_data_xfer_timeout = Time("180s", min=1)
    smtp_data_done_timeout = Time("600s", min=1)
    smtp_rset_timeout = Time("20s", min=1)
    smtp_quit_timeout = Time("300s", min=1)

    # Connections that are kept.
    smtp_connection_cache_on_demand = Bool("yes")
    smtp_connection_cache_destinations = Str("")
    smtp_connection_cache_time_limit = Time("2s", min=1)
    smtp_connection_reuse_time_limit = Time("300s", min=1)
    smtp_connection_reuse_count_limit = Int("0")

    # The message.
    smtp_line_length_limit = Int("998")
    smtp_quote_rfc821_envelope = Bool("yes")
    disable_mime_output_conversion = Bool("no")

    # TLS: what is wanted.
    smtp_tls_security_level = Str("${{$compatibility_level} <level {3.11} ? {} : {may}}")
    smtp_tls_policy_maps = Str("")
    smtp_use_tls = Bool("no")
    smtp_enforce_tls = Bool("no")
    smtp_log_tls_feature_status = NBool("yes")

    # DNS.
    allow_srv_lookup_fallback = Bool("no")
    best_mx_transport = Str("")
    ignore_srv_lookup_error = Bool("no")
    smtp_cname_overrides_servername = Bool("no")
    smtp_dns_reply_filter = Str("")
    smtp_dns_resolver_options = Str("")
    use_srv_lookup = Str("")

    # Content, and what is made of answers.
    smtp_body_checks = Str("")
    smtp_delivery_status_filter = Str("$default_delivery_status_filter")
    smtp_generic_maps = Str("")
    smtp_header_checks = Str("")
    smtp_mime_header_checks = Str("")
    smtp_nested_header_checks = Str("")
    smtp_pix_workaround_delay_time = Time("10s", min=1)
    smtp_pix_workaround_maps = Str("")
    smtp_pix_workaround_threshold_time = Time("500s")
    smtp_pix_workarounds = Str("disable_esmtp,delay_dotcrlf")
    smtp_reply_filter = Str("")

    # Time.
    smtp_min_data_rate = Int("500", min=1)
    smtp_per_request_deadline = NBool("${smtp_per_record_deadline?{$smtp_per_record_deadline}:{no}}")
    smtp_starttls_timeout = Time("300s", min=1)
    smtp_xforward_timeout = Time("300s", min=1)

    # Passwords.
    smtp_sasl_auth_cache_name = Str("")
    smtp_sasl_auth_cache_time = Time("90d")
    smtp_sasl_auth_enable = Bool("no")
    smtp_sasl_auth_soft_bounce = Bool("yes")
    smtp_sasl_mechanism_filter = Str("")
    smtp_sasl_password_maps = Str("")
    smtp_sasl_password_result_delimiter = Str(":", min=1, max=1)
    smtp_sasl_path = Str("")
    smtp_sasl_security_options = Str("noplaintext, noanonymous")
    smtp_sasl_tls_security_options = Str("$smtp_sasl_security_options")
    smtp_sasl_tls_verified_security_options = Str("$smtp_sasl_tls_security_options")
    smtp_sasl_type = Str("cyrus", min=1)
    smtp_send_dummy_mail_auth = Bool("no")
    smtp_sender_dependent_authentication = Bool("no")

    # TLS: certificates and keys.
    smtp_tls_servername = Str("")
    smtp_tls_trust_anchor_file = Str("")
    smtp_tls_CAfile = Str("")
    smtp_tls_CApath = Str("")
    smtp_tls_cert_file = Str("")
    smtp_tls_chain_files = Str("")
    smtp_tls_dcert_file = Str("")
    smtp_tls_dkey_file = Str("$smtp_tls_dcert_file")
    smtp_tls_eccert_file = Str("")
    smtp_tls_eckey_file = Str("$smtp_tls_eccert_file")
    smtp_tls_key_file = Str("$smtp_tls_cert_file")

    # TLS: what is accepted.
    smtp_requiretls_policy = Str(
        "inline:{{${domain_to_ascii{$mydomain}}=opportunistic}, "
        "{.${domain_to_ascii{$mydomain}}=opportunistic}, {localhost=opportunistic}}, cidr:{{0.0.0.0/0 "
        "opportunistic}, {::/0 opportunistic}}, enforce"
    )
    smtp_tls_ciphers = Str("medium", min=1)
    smtp_tls_dane_insecure_mx_policy = Str("dane")
    smtp_tls_enable_rpk = Bool("no")
    smtp_tls_enforce_peername = Bool("yes")
    smtp_tls_enforce_sts_mx_patterns = NBool("yes")
    smtp_tls_exclude_ciphers = Str("")
    smtp_tls_fingerprint_cert_match = Str("")
    smtp_tls_force_insecure_host_tlsa_lookup = Bool("no")
    smtp_tls_mandatory_ciphers = Str("medium", min=1)
    smtp_tls_mandatory_exclude_ciphers = Str("")
    smtp_tls_mandatory_protocols = Str(">=TLSv1")
    smtp_tls_protocols = Str(">=TLSv1")
    smtp_tls_secure_cert_match = Str("nexthop, dot-nexthop", min=1)
    smtp_tls_verify_cert_match = Str("hostname", min=1)
    smtp_tls_fingerprint_digest = Str("${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}", min=1)
    smtp_tls_per_site = Str("")
    smtp_tls_scert_verifydepth = Int("9")

    # TLS: the session.
    smtp_tls_block_early_mail_reply = Bool("no")
    smtp_tls_connection_reuse = Bool("no")
    smtp_tls_note_starttls_offer = Bool("no")
    smtp_tls_wrappermode = Bool("no")
    smtp_tlsrpt_enable = NBool("no")
    smtp_tlsrpt_skip_reused_handshakes = NBool("no")
    smtp_tlsrpt_socket_name = Str("")
    smtp_tls_loglevel = Str("0")
    smtp_tls_session_cache_database = Str("")
    smtp_tls_session_cache_timeout = Time("3600s", max=8640000)

    # Others.
    connection_cache_protocol_timeout = Time("5s", min=1)
    connection_cache_service_name = Str("scache", min=1)
    smtp_send_xforward_command = Bool("no")


SMTP_ONLY = frozenset({"smtp_always_send_ehlo", "smtp_never_send_ehlo", "smtp_tls_dane_insecure_mx_policy"})
OTHER_NAMES = {
    "smtp_helo_name": "lmtp_lhlo_name",
    "smtp_helo_timeout": "lmtp_lhlo_timeout",
    "smtp_discard_ehlo_keywords": "lmtp_discard_lhlo_keywords",
    "smtp_discard_ehlo_keyword_address_maps": "lmtp_discard_lhlo_keyword_address_maps",
}
OTHER_DEFAULTS = {
    "smtp_tcp_port": "24",
    "smtp_fallback_relay": "",
    "smtp_connect_timeout": "0s",
    "smtp_skip_quit_response": "no",
    "smtp_tls_security_level": "",
    "smtp_tls_secure_cert_match": "nexthop",
    "smtp_requiretls_policy": "opportunistic",
}


def _mirror(parameter: Parameter[object]) -> Parameter[object]:
    """The parameter's counterpart for LMTP, at the same attribute; a default that names others names theirs."""
    name = parameter.name
    default = OTHER_DEFAULTS.get(name, parameter.default)
    if isinstance(default, str) and "$" in default:
        default = default.replace("$smtp_", "$lmtp_").replace("${smtp_", "${lmtp_")
    twin = OTHER_NAMES.get(name) or f"l{name[1:]}"
    return type(parameter)(default, name=twin, min=parameter.min, max=parameter.max)


class LmtpParams(SmtpParams):
    """Parameters that only lmtp reads; the attributes are those of SmtpParams."""

    lmtp_assume_final = Bool("no")
    vars().update(
        {
            parameter.name: _mirror(parameter)
            for parameter in SmtpParams.declared()
            if parameter.name.startswith("smtp_") and parameter.name not in SMTP_ONLY
        }
    )
