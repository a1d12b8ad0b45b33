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
