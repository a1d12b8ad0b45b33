"""smtp - parameters of the SMTP and LMTP client

One declaration: LmtpParams has an lmtp_ name for each smtp_ name, and reads it by the same attribute
(`cfg.smtp_helo_timeout` is lmtp_lhlo_timeout there).

Sources: smtp(8), lmtp(8), postconf(5).
"""

import copy

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


SMTP_ONLY = frozenset(
    {"smtp_always_send_ehlo", "smtp_never_send_ehlo", "disable_dns_lookups", "ignore_mx_lookup_error"}
    | {"disable_mime_output_conversion"}
)
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
}


def _mirror(parameter: Parameter[object]) -> Parameter[object]:
    """The parameter's counterpart for LMTP, at the same attribute."""
    twin = copy.copy(parameter)
    twin.name = OTHER_NAMES.get(parameter.name, parameter.name.replace("smtp_", "lmtp_", 1))
    twin.default = OTHER_DEFAULTS.get(parameter.name, parameter.default)
    return twin


class LmtpParams(SmtpParams):
    """Parameters that only lmtp reads; the attributes are those of SmtpParams."""

    lmtp_assume_final = Bool("no")


for _parameter in list(SmtpParams.declared()):
    if _parameter.name not in SMTP_ONLY:
        setattr(LmtpParams, _parameter.name, _mirror(_parameter))
