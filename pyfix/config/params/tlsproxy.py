"""tlsproxy - parameters of TLS on behalf of postscreen and smtp.

Sources: tlsproxy(8).
"""

from pyfix.config.param import NBool, NInt, Params, Str, Time


class TlsproxyParams(Params):
    """What only tlsproxy reads: by default what smtpd and smtp do."""

    # As a server.
    tlsproxy_enforce_tls = NBool("$smtpd_enforce_tls")
    tlsproxy_tls_CAfile = Str("$smtpd_tls_CAfile")
    tlsproxy_tls_CApath = Str("$smtpd_tls_CApath")
    tlsproxy_tls_always_issue_session_ids = NBool("$smtpd_tls_always_issue_session_ids")
    tlsproxy_tls_ask_ccert = NBool("$smtpd_tls_ask_ccert")
    tlsproxy_tls_ccert_verifydepth = NInt("$smtpd_tls_ccert_verifydepth")
    tlsproxy_tls_cert_file = Str("$smtpd_tls_cert_file")
    tlsproxy_tls_chain_files = Str("$smtpd_tls_chain_files")
    tlsproxy_tls_ciphers = Str("$smtpd_tls_ciphers", min=1)
    tlsproxy_tls_dcert_file = Str("$smtpd_tls_dcert_file")
    tlsproxy_tls_dh1024_param_file = Str("$smtpd_tls_dh1024_param_file")
    tlsproxy_tls_dh512_param_file = Str("$smtpd_tls_dh512_param_file")
    tlsproxy_tls_dkey_file = Str("$smtpd_tls_dkey_file")
    tlsproxy_tls_eccert_file = Str("$smtpd_tls_eccert_file")
    tlsproxy_tls_eckey_file = Str("$smtpd_tls_eckey_file")
    tlsproxy_tls_eecdh_grade = Str("$smtpd_tls_eecdh_grade", min=1)
    tlsproxy_tls_enable_rpk = NBool("$smtpd_tls_enable_rpk")
    tlsproxy_tls_exclude_ciphers = Str("$smtpd_tls_exclude_ciphers")
    tlsproxy_tls_fingerprint_digest = Str("$smtpd_tls_fingerprint_digest", min=1)
    tlsproxy_tls_key_file = Str("$smtpd_tls_key_file")
    tlsproxy_tls_loglevel = Str("$smtpd_tls_loglevel")
    tlsproxy_tls_mandatory_ciphers = Str("$smtpd_tls_mandatory_ciphers", min=1)
    tlsproxy_tls_mandatory_exclude_ciphers = Str("$smtpd_tls_mandatory_exclude_ciphers")
    tlsproxy_tls_mandatory_protocols = Str("$smtpd_tls_mandatory_protocols")
    tlsproxy_tls_protocols = Str("$smtpd_tls_protocols")
    tlsproxy_tls_req_ccert = NBool("$smtpd_tls_req_ccert")
    tlsproxy_tls_security_level = Str("$smtpd_tls_security_level")
    tlsproxy_use_tls = NBool("$smtpd_use_tls")

    # As a client.
    tlsproxy_client_CAfile = Str("$smtp_tls_CAfile")
    tlsproxy_client_CApath = Str("$smtp_tls_CApath")
    tlsproxy_client_cert_file = Str("$smtp_tls_cert_file")
    tlsproxy_client_chain_files = Str("$smtp_tls_chain_files")
    tlsproxy_client_dcert_file = Str("$smtp_tls_dcert_file")
    tlsproxy_client_dkey_file = Str("$smtp_tls_dkey_file")
    tlsproxy_client_eccert_file = Str("$smtp_tls_eccert_file")
    tlsproxy_client_eckey_file = Str("$smtp_tls_eckey_file")
    tlsproxy_client_enforce_tls = NBool("$smtp_enforce_tls")
    tlsproxy_client_fingerprint_digest = Str("$smtp_tls_fingerprint_digest", min=1)
    tlsproxy_client_key_file = Str("$smtp_tls_key_file")
    tlsproxy_client_loglevel = Str("$smtp_tls_loglevel")
    tlsproxy_client_loglevel_parameter = Str("smtp_tls_loglevel")
    tlsproxy_client_per_site = Str("$smtp_tls_per_site")
    tlsproxy_client_policy_maps = Str("${tlsproxy_client_policy?{$tlsproxy_client_policy}:{$smtp_tls_policy_maps}}")
    tlsproxy_client_scert_verifydepth = NInt("$smtp_tls_scert_verifydepth")
    tlsproxy_client_security_level = Str("${tlsproxy_client_level?{$tlsproxy_client_level}:{$smtp_tls_security_level}}")
    tlsproxy_client_use_tls = NBool("$smtp_use_tls")

    # Itself.
    tlsproxy_watchdog_timeout = Time("10s", min=10)
