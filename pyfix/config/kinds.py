"""kinds - what the value of a parameter may be, in words

Sources: postconf(5).
"""

import re

from pyfix.config.param import Bool, Int, Long, Parameter, Raw, Time
from pyfix.config.pending import smtp_twin

UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}

_WORDS = "a list of words, files and tables; ! leaves some out"

# What the text of a parameter is, by its name.
TEXTS = [
    (r"compatibility_level", "a release, such as 3.11"),
    (r".*_service_name", "the name of a service in master.cf"),
    (r".*_discard_[el]hlo_keywords", "a list of EHLO keywords"),
    (r".*_loglevel", "a level from 0 to 4, or words for what is to be logged"),
    (r".*_tls_(mandatory_)?protocols", "a range such as >=TLSv1.2, or a list where ! leaves a version out"),
    (r"(smtp|smtpd|tlsproxy_tls)_?(tls_)?(mandatory_)?ciphers", "high, medium, low, export or null"),
    (r".*sasl.*security_options",
     "a list of noplaintext noanonymous noactive nodictionary mutual_auth forward_secrecy"),
    (r"smtp_tls_security_level|tlsproxy_client_security_level",
     "empty, none, may, encrypt, dane, dane-only, halfdane, fingerprint, verify or secure"),
    (r".*_tls_security_level", "empty, none, may or encrypt"),
    (r"smtpd_.*_restrictions", "a list of restrictions, tried in order until one decides"),
    (r"postscreen_.*_action", "ignore, enforce or drop"),
    (r".*_tempfail_action", "defer or defer_if_permit"),
    (r".*mailbox(_delivery)?_lock", "a list of fcntl flock dotlock"),
    (r"allow_mail_to_.*", "a list of alias forward include"),
    (r"sender_canonical_classes", "a list of envelope_sender header_sender"),
    (r"recipient_canonical_classes", "a list of envelope_recipient header_recipient"),
    (r"(masquerade|canonical)_classes",
     "a list of envelope_sender envelope_recipient header_sender header_recipient"),
    (r"notify_classes", "a list of bounce 2bounce data delay policy protocol resource software"),
    (r"propagate_unmatched_extensions", "a list of canonical virtual alias forward include generic"),
    (r"receive_override_options",
     "a list of no_unknown_recipient_checks no_address_mappings no_header_body_checks no_milters"),
    (r"internal_mail_filter_classes", "a list of notify bounce"),
    (r"smtputf8_autodetect_classes", "a list of sendmail smtpd qmqpd forward bounce notify verify, or all"),
    (r"prepend_delivered_header", "a list of command file forward"),
    (r"maillog_file_permissions", "600, 640 or 644"),
    (r"info_log_address_format", "external or internal"),
    (r"header_from_format", "standard or obsolete"),
    (r"non_empty_end_of_header_action", "fix_quietly, add_header or reject"),
    (r"sendmail_fix_line_endings", "always, strict or never"),
    (r"non_bdb_migration_level", "disable, enable-redirect or enable-reindex"),
    (r"milter_protocol", "2, 3, 4 or 6, and no_header_reply where it helps"),
    (r"smtpd_proxy_options", "empty or speed_adjust"),
    (r".*_upstream_proxy_protocol", "empty or haproxy"),
    (r".*_eecdh_grade", "none, auto, strong or ultra"),
    (r".*_fingerprint_digest", "the name of a hash, such as sha256"),
    (r"smtp_tls_dane_insecure_mx_policy", "none, may, encrypt or dane"),
    (r"smtp_tls_(verify|secure)_cert_match", "a list of hostname nexthop dot-nexthop and names"),
    (r"smtp_dns_support_level", "disabled, enabled or dnssec; empty: as disable_dns_lookups says"),
    (r"smtp_dns_resolver_options", "a list of res_defnames res_dnsrch"),
    (r"smtp_address_preference", "any, ipv4 or ipv6"),
    (r"smtp_address_verify_target", "rcpt or data"),
    (r"smtp_pix_workarounds", "a list of disable_esmtp delay_dotcrlf"),
    (r"smtp_host_lookup", "a list of dns native"),
    (r"inet_protocols", "a list of ipv4 ipv6, or all"),
    (r"mynetworks_style", "host, subnet or class"),
    (r"milter_default_action", "accept, reject, tempfail, quarantine or shutdown"),
    (r"smtpd_forbid_bare_newline", "normalize, yes, note, reject or no"),
    (r"inet_interfaces", "a list of addresses and names of hosts, all, or loopback-only"),
    (r"proxy_interfaces", "a list of addresses"),
    (r"mynetworks|postscreen_allowlist_interfaces|.*_networks|.*_clients|.*_hosts|debug_peer_list|.*_exclusions|.*_limit_exceptions",
     "a list of hosts, networks, patterns in files and tables; ! leaves some out"),
    (r"(mydestination|relay_domains|virtual_.*_domains|masquerade_.*|fast_flush_domains)",
     "a list of domains, files and tables; ! leaves some out"),
    (r"authorized_.*_users", "a list of users, files and tables; ! leaves some out"),
    (r"use_srv_lookup|smtp_connection_cache_destinations|.*_mechanism_filter|.*_(noop|forbidden)_commands", _WORDS),
    (r"parent_domain_matches_subdomains|smtpd_log_access_permit_actions", _WORDS),
    (r"postscreen_access_list", "a list of permit_mynetworks permit reject dunno and tables"),
    (r".*_database|.*_cache_map|address_verify_map|smtp_sasl_auth_cache_name|postscreen_dnsbl_reply_map", "a table"),
    (r".*_command_filter|smtp_reply_filter|non_bdb_custom_mapping", "a table"),
    (
        r".*_(maps|checks)|relay_clientcerts|.*_dns_reply_filter|.*_delivery_status_filter|smtp_requiretls_policy|.*_per_site",
        "a list of tables, asked in order until one knows",
    ),
    (r"(non_)?smtpd_milters", "a list such as inet:host:port and unix:path"),
    (r"milter_.*_macros", "a list of names of macros"),
    (r".*_(chain|trust_anchor)_files?", "a list of names of files"),
    (r".*_notice_recipient|always_bcc|address_verify_sender", "an address"),
    (r"(address_verify_)?relayhost", "a domain, host, [host] or [host]:port"),
    (r"smtp_fallback_relay", "a list of domain, host, [host] or [host]:port"),
    (r".*_(directory|file|path|source|exchange_name)|.*CApath|.*CAfile", "the name of a file or directory"),
    (r".*_transport|content_filter", "transport:nexthop"),
]  # fmt: skip


def kind(parameter: Parameter[object]) -> str:
    """The type of a parameter in words."""
    match parameter:
        case Time():
            return f"a time; a number without s, m, h, d or w is in {UNITS[parameter.unit]}s"
        case Bool():
            return "yes or no"
        case Long():
            return "a number of up to 64 bits"
        case Int():
            return "a number"
        case Raw():
            return "text, with $names that stand for something where it is used"
    name = smtp_twin(parameter.name) or parameter.name
    found = next((words for pattern, words in TEXTS if re.fullmatch(pattern, name)), "")
    return f"text: {found}" if found else "text"
