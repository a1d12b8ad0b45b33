"""postscreen - parameters of the guard in front of smtpd.

Sources: postscreen(8).
"""

from pyfix.config.param import Bool, Int, NBool, NInt, Params, Raw, Str, Time


class PostscreenParams(Params):
    """What only postscreen reads."""

    # Who need not be tested.
    postscreen_access_list = Str("permit_mynetworks")
    postscreen_allowlist_interfaces = Str(
        "${postscreen_whitelist_interfaces?{$postscreen_whitelist_interfaces}:{static:all}}"
    )

    # What is remembered.
    postscreen_cache_map = Str("$default_cache_db_type:$data_directory/postscreen_cache")
    postscreen_cache_cleanup_interval = Time("12h")
    postscreen_cache_retention_time = Time("7d", min=1)

    # Before the greeting.
    dnsblog_service_name = Str("dnsblog", min=1)
    postscreen_denylist_action = Str("${postscreen_blacklist_action?{$postscreen_blacklist_action}:{ignore}}", min=1)
    postscreen_dnsbl_action = Str("ignore", min=1)
    postscreen_dnsbl_allowlist_threshold = NInt(
        "${postscreen_dnsbl_whitelist_threshold?{$postscreen_dnsbl_whitelist_threshold}:{0}}"
    )
    postscreen_dnsbl_max_ttl = Time("${postscreen_dnsbl_ttl?{$postscreen_dnsbl_ttl}:{1}}h", min=1)
    postscreen_dnsbl_min_ttl = Time("60s", min=1)
    postscreen_dnsbl_reply_map = Str("")
    postscreen_dnsbl_sites = Str("")
    postscreen_dnsbl_threshold = Int("1", min=1)
    postscreen_dnsbl_timeout = Time("10s", min=1)
    postscreen_greet_action = Str("ignore", min=1)
    postscreen_greet_banner = Str("$smtpd_banner")
    postscreen_greet_ttl = Time("1d", min=1)
    postscreen_greet_wait = Time("${stress?{2}:{6}}s", min=1)

    # After the greeting.
    postscreen_bare_newline_action = Str("ignore", min=1)
    postscreen_bare_newline_enable = Bool("no")
    postscreen_bare_newline_ttl = Time("30d", min=1)
    postscreen_non_smtp_command_action = Str("drop", min=1)
    postscreen_non_smtp_command_enable = Bool("no")
    postscreen_non_smtp_command_ttl = Time("30d", min=1)
    postscreen_pipelining_action = Str("enforce", min=1)
    postscreen_pipelining_enable = Bool("no")
    postscreen_pipelining_ttl = Time("30d", min=1)

    # The dummy SMTP engine.
    postscreen_command_count_limit = Int("20", min=1)
    postscreen_command_filter = Str("")
    postscreen_command_time_limit = Time("${stress?{10}:{300}}s", min=1)
    postscreen_disable_vrfy_command = NBool("$disable_vrfy_command")
    postscreen_discard_ehlo_keyword_address_maps = Str("$smtpd_discard_ehlo_keyword_address_maps")
    postscreen_discard_ehlo_keywords = Str("$smtpd_discard_ehlo_keywords")
    postscreen_expansion_filter = Raw("$smtpd_expansion_filter", min=1)
    postscreen_helo_required = NBool("$smtpd_helo_required")
    postscreen_reject_footer = Raw("$smtpd_reject_footer")
    postscreen_reject_footer_maps = Str("$smtpd_reject_footer_maps")
    postscreen_forbidden_commands = Str("$smtpd_forbidden_commands")

    # TLS.
    postscreen_enforce_tls = NBool("$smtpd_enforce_tls")
    postscreen_tls_security_level = Str("$smtpd_tls_security_level")
    postscreen_use_tls = NBool("$smtpd_use_tls")
    tlsproxy_service_name = Str("tlsproxy", min=1)

    # Load, and who is behind it.
    postscreen_client_connection_count_limit = NInt("$smtpd_client_connection_count_limit")
    postscreen_post_queue_limit = NInt("$default_process_limit", min=5)
    postscreen_pre_queue_limit = NInt("$default_process_limit", min=10)
    postscreen_upstream_proxy_protocol = Str("")
    postscreen_upstream_proxy_timeout = Time("5s", min=1)
    postscreen_watchdog_timeout = Time("10s", min=10)
    smtpd_service_name = Str("smtpd", min=1)
