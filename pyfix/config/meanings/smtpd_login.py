"""smtpd_login - how clients log in to smtpd, and how their sessions are encrypted"""

MEANINGS = {
    # SASL.
    "smtpd_sasl_auth_enable": "Whether clients can log in.",
    "smtpd_sasl_type": "Who checks passwords: dovecot or cyrus.",
    "smtpd_sasl_path": "Where the one who checks passwords is: for dovecot its socket.",
    "smtpd_sasl_service": "The name of the service that SASL is told it logs clients in for.",
    "smtpd_sasl_security_options": "What kinds of login are not offered.",
    "smtpd_sasl_tls_security_options": "What kinds of login are not offered once the session is encrypted.",
    "smtpd_sasl_mechanism_filter": "Which of the kinds of login that SASL has are offered.",
    "smtpd_sasl_local_domain": "The realm of logins that name none.",
    "smtpd_sasl_exceptions_networks": "The clients that are not offered to log in.",
    "smtpd_sasl_authenticated_header": "Whether the Received header shows the login name.",
    "smtpd_sasl_response_limit": "The longest answer of a client while it logs in, in bytes.",
    "smtpd_sender_login_maps": "Which login may send from which address.",
    "broken_sasl_auth_clients": "Whether AUTH is announced in the old form as well, for very old clients.",
    "cyrus_sasl_config_path": "Where Cyrus SASL looks for its own configuration; empty: its usual places.",
    # TLS.
    "smtpd_tls_security_level": "Whether TLS is offered (may) or required (encrypt).",
    "smtpd_tls_wrappermode": "Whether sessions begin with TLS at once, as on port 465.",
    "smtpd_tls_auth_only": "Whether logging in needs TLS.",
    "smtpd_tls_chain_files": "Files that each have a private key and its certificates.",
    "smtpd_tls_cert_file": "The certificates that the server shows: its own first, then those that vouch for it.",
    "smtpd_tls_key_file": "The private key of smtpd_tls_cert_file.",
    "smtpd_tls_eccert_file": "The certificate with an ECDSA key that is shown besides smtpd_tls_cert_file.",
    "smtpd_tls_eckey_file": "The private key of smtpd_tls_eccert_file.",
    "smtpd_tls_dcert_file": (
        "The certificate with a DSA key that is shown besides smtpd_tls_cert_file; no client wants one today."
    ),
    "smtpd_tls_dkey_file": "The private key of smtpd_tls_dcert_file.",
    "smtpd_tls_CAfile": "The authorities that client certificates are checked against.",
    "smtpd_tls_CApath": "A directory of authorities, under hashed names, that client certificates are checked against.",
    "smtpd_tls_ask_ccert": "Whether clients are asked for a certificate.",
    "smtpd_tls_req_ccert": "Whether a client needs a certificate that can be verified.",
    "smtpd_tls_ccert_verifydepth": "How many authorities may vouch for one another above a client's certificate.",
    "smtpd_tls_fingerprint_digest": (
        "The hash by which certificates and keys of clients are told apart, as in relay_clientcerts."
    ),
    "relay_clientcerts": "The fingerprints of client certificates or keys that permit_tls_clientcerts lets relay.",
    "smtpd_tls_enable_rpk": (
        "Whether clients that ask for it get the bare public key of the server in place of a certificate (RFC 7250)."
    ),
    "smtpd_tls_protocols": "The versions of TLS where it is optional.",
    "smtpd_tls_mandatory_protocols": "The versions of TLS where it is required.",
    "smtpd_tls_ciphers": "The least grade of ciphers where TLS is optional.",
    "smtpd_tls_mandatory_ciphers": "The least grade of ciphers where TLS is required.",
    "smtpd_tls_exclude_ciphers": "Ciphers that are never used.",
    "smtpd_tls_mandatory_exclude_ciphers": (
        "Ciphers that are not used where TLS is required, besides smtpd_tls_exclude_ciphers."
    ),
    "smtpd_tls_dh1024_param_file": (
        "A file of parameters for Diffie-Hellman in finite fields; empty or auto: OpenSSL's own, which is best."
    ),
    "smtpd_tls_dh512_param_file": "A file of parameters for export ciphers, which are gone; nothing uses it.",
    "smtpd_tls_eecdh_grade": "How strong elliptic curves have to be; auto leaves the choice to tls_eecdh_auto_curves.",
    "smtpd_tls_always_issue_session_ids": (
        "Whether sessions get an identifier even where none is kept, since some clients insist on one."
    ),
    "smtpd_tls_session_cache_database": "Where sessions are kept for clients that come again without tickets.",
    "smtpd_tls_session_cache_timeout": "How long a session can be resumed.",
    "smtpd_tls_received_header": "Whether the Received header says how the session was encrypted.",
    "smtpd_tls_loglevel": "How much about TLS is logged.",
    "smtpd_use_tls": "Whether TLS is offered; smtpd_tls_security_level has taken its place.",
    "smtpd_enforce_tls": "Whether TLS is required; smtpd_tls_security_level has taken its place.",
}
