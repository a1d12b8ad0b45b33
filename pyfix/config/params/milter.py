"""milter - parameters of mail filters that speak the Sendmail 8 protocol.

Sources: cleanup(8), smtpd(8), postconf(5) "milter_".
"""

from pyfix.config.param import Params, Str, Time


class MilterParams(Params):
    """What every program that talks to a milter reads."""

    # The conversation.
    milter_command_timeout = Time("30s", min=1)
    milter_connect_timeout = Time("30s", min=1)
    milter_content_timeout = Time("300s", min=1)
    milter_default_action = Str("shutdown", min=1)
    milter_protocol = Str("6", min=1)

    # What a milter is told.
    milter_connect_macros = Str("j {daemon_name} {daemon_addr} v _")
    milter_data_macros = Str("i")
    milter_end_of_data_macros = Str("i")
    milter_end_of_header_macros = Str("i")
    milter_helo_macros = Str("{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}")
    milter_macro_daemon_name = Str("$myhostname", min=1)
    milter_macro_defaults = Str("")
    milter_macro_v = Str("$mail_name $mail_version", min=1)
    milter_mail_macros = Str("i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}")
    milter_rcpt_macros = Str("i {rcpt_addr} {rcpt_host} {rcpt_mailer}")
    milter_unknown_command_macros = Str("")
