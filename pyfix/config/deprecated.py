"""deprecated - names of parameters that will go, and what to write instead

LEGACY are names from before: no parameters any more, but the defaults of those that replaced them still
look at them, so that an old main.cf means what it meant.

Sources: DEPRECATION_README.
"""

SEE = "See https://www.postfix.org/DEPRECATION_README.html for details"

LEGACY = {
    "authorized_verp_clients": "smtpd_authorized_verp_clients",
    "fallback_relay": "smtp_fallback_relay",
    "lmtp_per_record_deadline": "lmtp_per_request_deadline",
    "postscreen_blacklist_action": "postscreen_denylist_action",
    "postscreen_dnsbl_ttl": "postscreen_dnsbl_max_ttl",
    "postscreen_dnsbl_whitelist_threshold": "postscreen_dnsbl_allowlist_threshold",
    "postscreen_whitelist_interfaces": "postscreen_allowlist_interfaces",
    "smtp_per_record_deadline": "smtp_per_request_deadline",
    "smtpd_client_connection_limit_exceptions": "smtpd_client_event_limit_exceptions",
    "smtpd_per_record_deadline": "smtpd_per_request_deadline",
    "tlsproxy_client_level": "tlsproxy_client_security_level",
    "tlsproxy_client_policy": "tlsproxy_client_policy_maps",
    "virtual_maps": "virtual_alias_maps",
}

REPLACED = {
    "disable_dns_lookups": "smtp_dns_support_level",
    "lmtp_tls_enforce_peername": "lmtp_tls_security_level",
    "lmtp_tls_per_site": "lmtp_tls_policy_maps",
    "lmtp_use_tls": "lmtp_tls_security_level",
    "postscreen_enforce_tls": "postscreen_tls_security_level",
    "postscreen_use_tls": "postscreen_tls_security_level",
    "smtp_enforce_tls": "smtp_tls_security_level",
    "smtp_tls_enforce_peername": "smtp_tls_security_level",
    "smtp_tls_per_site": "smtp_tls_policy_maps",
    "smtp_use_tls": "smtp_tls_security_level",
    "smtpd_enforce_tls": "smtpd_tls_security_level",
    "smtpd_use_tls": "smtpd_tls_security_level",
    "tlsproxy_client_enforce_tls": "tlsproxy_client_security_level",
    "tlsproxy_client_per_site": "tlsproxy_client_policy_maps",
    "tlsproxy_client_use_tls": "tlsproxy_client_security_level",
    "tlsproxy_enforce_tls": "tlsproxy_tls_security_level",
    "tlsproxy_use_tls": "tlsproxy_tls_security_level",
}

HINTS = {name: f'specify "{new}"' for name, new in (LEGACY | REPLACED).items()} | {
    "lmtp_cname_overrides_servername": "do not specify",
    "lmtp_enforce_tls": "lmtp_tls_security_level",  # Postfix's own words
    "smtp_cname_overrides_servername": "do not specify",
    "smtpd_tls_dh1024_param_file": "do not specify (leave at default)",
    "smtpd_tls_eecdh_grade": "do not specify (leave at default)",
}


def warning(name: str) -> str | None:
    """What postconf says of a setting of that name; None when nothing is wrong with it."""
    hint = HINTS.get(name)
    return None if hint is None else f'support for parameter "{name}" will be removed; instead, {hint}'
