"""readers - which programs read a parameter

    readers("smtpd_banner")       # ["postscreen", "smtpd"]

A parameter belongs to the program of its group unless it stands in a table here. Those read it as well whose
own parameters look at it by default: that is how tlsproxy comes by smtpd_tls_CAfile.

Sources: postconf(5), and what each daemon's manual page lists.
"""

from functools import cache

from pyfix.config.expand import references
from pyfix.config.params import GROUPS
from pyfix.config.pending import smtp_twin
from pyfix.config.registry import group

EVERYONE = "every program"

_GROUPS = {
    "mail": EVERYONE,
    "tls": "smtp, smtpd, tlsproxy",
    "milter": "cleanup, smtpd",
    "trivial_rewrite": "trivial-rewrite",
}

# Parameters of several programs that not every program reads, and those that another reads than has declared them.
_OTHERS = {
    name: readers
    for readers, names in {
        "bounce": "backwards_bounce_logfile_compatibility",
        "bounce, cleanup": "delay_warning_time tls_required_enable",
        "bounce, cleanup, local, smtp, smtpd": "internal_mail_filter_classes",
        "bounce, cleanup, sendmail, smtp, smtpd": "requiretls_enable",
        "bounce, cleanup, smtp, smtpd": "header_from_format",
        "bounce, qmgr": "maximal_queue_lifetime",
        "bounce, smtp, smtpd": "notify_classes",
        "bounce, smtpd": "bounce_notice_recipient",
        "cleanup": """
            disable_mime_input_processing enable_original_recipient message_drop_headers
            strict_7bit_headers strict_8bitmime strict_8bitmime_body strict_mime_encoding_domain
        """,
        "cleanup, local, showq": "duplicate_filter_limit",
        "cleanup, local, smtp": "propagate_unmatched_extensions",
        "cleanup, qmgr": "disable_verp_bounces in_flow_delay",
        "cleanup, sendmail, smtp": "header_size_limit",
        "qmqpd, sendmail, smtpd": "verp_delimiter_filter",
        "cleanup, showq, trivial-rewrite": "empty_address_recipient",
        "cleanup, smtp": "header_address_token_limit mime_boundary_length_limit mime_nesting_limit",
        "cleanup, smtpd": """
            canonical_maps recipient_canonical_maps requiretls_esmtp_header sender_canonical_maps
        """,
        "cleanup, smtpd, trivial-rewrite": "virtual_alias_maps",
        "cleanup, trivial-rewrite": "remote_header_rewrite_domain",
        "flush, postqueue, qmgr, smtpd": "fast_flush_domains",
        "local, pipe": "owner_request_special",
        "local, pipe, smtp, virtual": "default_delivery_status_filter",
        "local, pipe, spawn": "command_time_limit",
        "local, postlock": "mailbox_delivery_lock",
        "local, postlock, virtual": "deliver_lock_attempts deliver_lock_delay stale_lock_time",
        "local, smtpd": "alias_maps",
        "local, virtual": "mail_spool_directory strict_mailbox_ownership",
        "newaliases, sendmail": "alias_database",
        "oqmgr": "qmgr_fudge_factor",
        "proxymap, smtpd": "smtpd_restriction_classes",
        "pickup, qmqpd, smtpd": "content_filter receive_override_options",
        "postalias, postmap": "berkeley_db_create_buffer_size",
        "postdrop, sendmail": "authorized_submit_users",
        "postfix": "maillog_file_compressor maillog_file_rotate_suffix multi_instance_wrapper openssl_path",
        "postfix, postmulti": "meta_directory multi_instance_directories",
        "postkick": "application_event_drain_time",
        "postmulti": "multi_instance_enable multi_instance_group",
        "postqueue": "authorized_flush_users authorized_mailq_users",
        "postscreen, smtp, smtpd": "tlsproxy_service_name",
        "postscreen, smtpd": "broken_sasl_auth_clients smtpd_command_filter",
        "qmgr": "bounce_queue_lifetime maximal_backoff_time",
        "qmgr, smtp": "minimal_backoff_time queue_run_delay",
        "sendmail": "sendmail_fix_line_endings",
        "sendmail, smtpd": "default_verp_delimiters",
        "smtp": "dnssec_probe send_cyrus_sasl_authzid",
        "smtp, smtpd": "cyrus_sasl_config_path error_notice_recipient",
        "smtp, tlsmgr": "smtp_tls_loglevel",
        "smtpd": "local_recipient_maps relay_recipient_maps strict_smtputf8",
        "smtpd, tlsmgr": "smtpd_tls_loglevel",
        "smtpd, trivial-rewrite": """
            show_user_unknown_table_name virtual_alias_domains virtual_mailbox_domains
        """,
        "smtpd, trivial-rewrite, virtual": "virtual_mailbox_maps",
        "smtpd, verify": "address_verify_sender address_verify_sender_ttl",
        "tlsmgr": """
            smtp_tls_session_cache_database smtp_tls_session_cache_timeout
            smtpd_tls_session_cache_database smtpd_tls_session_cache_timeout
        """,
        "trivial-rewrite": "transport_maps",
        "verify": "address_verify_negative_cache",
        EVERYONE: """
            non_bdb_custom_mapping non_bdb_migration_level non_bdb_migration_log_redirect
            non_bdb_migration_service_name
        """,
    }.items()
    for name in names.split()
}


def readers(name: str) -> list[str]:
    """The programs that read a declared parameter, in order."""
    found = _readers()
    twin = smtp_twin(name)
    programs = {"lmtp" if program == "smtp" else program for program in found[twin]} if twin in found else found[name]
    return [EVERYONE] if EVERYONE in programs else sorted(programs)


@cache
def _readers() -> dict[str, set[str]]:
    declared = [(owner, parameter) for owner in GROUPS for parameter in group(owner).declared()]
    own = {parameter.name: _own(owner, parameter.name) for owner, parameter in declared}
    found = {name: {*programs} for name, programs in own.items()}
    for _, parameter in declared:
        if isinstance(parameter.default, str):
            for name in references(parameter.default):
                found.setdefault(name, set()).update(own[parameter.name])
    return found


def _own(owner: str, name: str) -> set[str]:
    programs = {*_OTHERS.get(name, _GROUPS.get(owner, owner)).split(", ")}
    if "smtp" in programs and not name.startswith("smtp_"):
        programs.add("lmtp")  # the same program by another name
    return programs
