"""restriction_names - every word that smtpd's restriction lists may hold

For those who check a configuration; smtpd has its own table of the words that it acts on.

Source: postconf(5).
"""

LISTS = tuple(
    f"smtpd_{stage}_restrictions"
    for stage in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn")
)
"""The parameters that are such lists; smtpd_restriction_classes names more."""

_ACCESS = ("client", "reverse_client_hostname", "helo", "sender", "recipient")
WITH_TABLE = frozenset(
    [f"check_{what}{of}_access" for what in _ACCESS for of in ("", "_a", "_mx", "_ns")]
    + ["check_ccert_access", "check_sasl_access", "check_etrn_access"]
)
"""An access table follows."""

_ARGUMENT = """
    check_policy_service permit_dnswl_client permit_rhswl_client reject_rbl reject_rbl_client reject_rhsbl_client
    reject_rhsbl_helo reject_rhsbl_recipient reject_rhsbl_reverse_client reject_rhsbl_sender sleep
"""
WITH_ARGUMENT = WITH_TABLE | frozenset(_ARGUMENT.split())
"""Some argument follows."""

_ALONE = """
    check_recipient_maps check_relay_domains defer defer_if_permit defer_if_reject defer_unauth_destination permit
    permit_auth_destination permit_inet_interfaces permit_mx_backup permit_mynetworks permit_naked_ip_address
    permit_sasl_authenticated permit_tls_all_clientcerts permit_tls_clientcerts reject
    reject_authenticated_sender_login_mismatch reject_invalid_helo_hostname reject_invalid_hostname
    reject_known_sender_login_mismatch reject_maps_rbl reject_multi_recipient_bounce reject_non_fqdn_helo_hostname
    reject_non_fqdn_hostname reject_non_fqdn_recipient reject_non_fqdn_sender reject_plaintext_session
    reject_sender_login_mismatch reject_unauth_destination reject_unauth_pipelining
    reject_unauthenticated_sender_login_mismatch reject_unknown_address reject_unknown_client
    reject_unknown_client_hostname reject_unknown_forward_client_hostname reject_unknown_helo_hostname
    reject_unknown_hostname reject_unknown_recipient_domain reject_unknown_reverse_client_hostname
    reject_unknown_sender_domain reject_unlisted_recipient reject_unlisted_sender reject_unverified_recipient
    reject_unverified_sender warn_if_reject
"""
ALONE = frozenset(_ALONE.split())
"""Nothing follows."""

NAMES = WITH_ARGUMENT | ALONE
