"""smtp_login - how the SMTP and LMTP client logs in, and how it encrypts"""

MEANINGS = {
    # SASL.
    "smtp_sasl_auth_enable": "Whether the client logs in where it has a password.",
    "smtp_sasl_type": "Which library knows how to log in: cyrus.",
    "smtp_sasl_path": "What smtp_sasl_type is told about where its things are; cyrus needs nothing.",
    "smtp_sasl_password_maps": "Names and passwords (name:password) for hosts or domains.",
    "smtp_sasl_password_result_delimiter": "The character between name and password in smtp_sasl_password_maps.",
    "smtp_sender_dependent_authentication": "Whether smtp_sasl_password_maps is searched by sender first.",
    "smtp_sasl_security_options": "What kinds of login are not used.",
    "smtp_sasl_tls_security_options": "What kinds of login are not used once the session is encrypted.",
    "smtp_sasl_tls_verified_security_options": (
        "What kinds of login are not used once the session is encrypted and the server is known by its certificate."
    ),
    "smtp_sasl_mechanism_filter": "The kinds of login that may be used.",
    "smtp_sasl_auth_cache_name": (
        "The table that keeps which logins failed, so that they are not tried again soon; empty: none."
    ),
    "smtp_sasl_auth_cache_time": "How long a login that failed is not tried again.",
    "smtp_sasl_auth_soft_bounce": "Whether mail waits when a login is refused for good, instead of being returned.",
    "send_cyrus_sasl_authzid": (
        "Whether a login also says as whom it acts (authzid), which servers otherwise take from the login name."
    ),
    # TLS: how much, and by what policy.
    "smtp_tls_security_level": "How much TLS is wanted: none, may (when offered), encrypt, or verified in some way.",
    "smtp_tls_wrappermode": "Whether sessions begin with TLS at once, as on port 465.",
    "smtp_tls_policy_maps": "Another TLS level for some destinations.",
    "smtp_tls_per_site": "The TLS rules for some hosts as they were written before smtp_tls_policy_maps.",
    "smtp_use_tls": "Whether TLS is used when offered; smtp_tls_security_level has taken its place.",
    "smtp_enforce_tls": "Whether TLS is required; smtp_tls_security_level has taken its place.",
    "smtp_tls_enforce_peername": "Whether smtp_enforce_tls asks for the server's name in its certificate as well.",
    "smtp_cname_overrides_servername": (
        "Whether a server whose name is a CNAME goes by the name that leads to, for passwords, TLS and the log."
    ),
    "smtp_tls_note_starttls_offer": "Whether the log names servers that offer TLS and were not asked for it.",
    "smtp_tls_block_early_mail_reply": (
        "Whether a session ends when the server already answers mail that was not sent, a sign of someone in "
        "between (CVE-2009-3555)."
    ),
    "smtp_tls_servername": (
        "The name that the server is told in the handshake (SNI): hostname, nexthop or a name; empty: none unless "
        "DANE needs it."
    ),
    "smtp_tls_connection_reuse": (
        "Whether encrypted connections are kept for the next message, which tlsproxy has to hold then."
    ),
    "smtp_requiretls_policy": "How strict to be, by destination, with mail that requires TLS on its whole way.",
    "smtp_log_tls_feature_status": (
        "Whether the line of a delivery in the log says what TLS was wanted and what was got."
    ),
    "smtp_tls_loglevel": "How much about TLS is logged.",
    # TLS: whom to trust.
    "smtp_tls_CAfile": "The authorities that server certificates are checked against.",
    "smtp_tls_CApath": "A directory of authorities, under hashed names, that server certificates are checked against.",
    "smtp_tls_trust_anchor_file": (
        "Files of certificates or keys that have to vouch for the server, in place of all other authorities."
    ),
    "smtp_tls_scert_verifydepth": "How many authorities may vouch for one another above a server's certificate.",
    "smtp_tls_verify_cert_match": "The names that a server's certificate must have at level verify.",
    "smtp_tls_secure_cert_match": "The names that a server's certificate must have at level secure.",
    "smtp_tls_fingerprint_cert_match": (
        "The fingerprints of certificates or keys that a server may have at level fingerprint."
    ),
    "smtp_tls_fingerprint_digest": "The hash that fingerprints of server certificates and keys are made with.",
    "smtp_tls_dane_insecure_mx_policy": (
        "The TLS level for hosts with TLSA records that were found by an MX which DNSSEC does not protect."
    ),
    "smtp_tls_force_insecure_host_tlsa_lookup": (
        "Whether TLSA records are asked for even where DNSSEC does not protect the host's address."
    ),
    "smtp_tls_enforce_sts_mx_patterns": "Whether a policy found by MTA-STS also limits the hosts that mail may go to.",
    "smtp_tls_enable_rpk": "Whether the server may show its bare public key in place of a certificate (RFC 7250).",
    # TLS: what the client shows and uses.
    "smtp_tls_chain_files": (
        "Files that each have a private key and the certificates for it, which the client shows when asked."
    ),
    "smtp_tls_cert_file": "The certificate that the client shows when it is asked for one.",
    "smtp_tls_key_file": "The private key of smtp_tls_cert_file.",
    "smtp_tls_eccert_file": "The certificate with an ECDSA key that the client shows besides smtp_tls_cert_file.",
    "smtp_tls_eckey_file": "The private key of smtp_tls_eccert_file.",
    "smtp_tls_dcert_file": (
        "The certificate with a DSA key that the client shows besides smtp_tls_cert_file; no server wants one today."
    ),
    "smtp_tls_dkey_file": "The private key of smtp_tls_dcert_file.",
    "smtp_tls_protocols": "The versions of TLS where it is optional.",
    "smtp_tls_mandatory_protocols": "The versions of TLS where it is required.",
    "smtp_tls_ciphers": "The least grade of ciphers where TLS is optional.",
    "smtp_tls_mandatory_ciphers": "The least grade of ciphers where TLS is required.",
    "smtp_tls_exclude_ciphers": "Ciphers that are never used.",
    "smtp_tls_mandatory_exclude_ciphers": (
        "Ciphers that are not used where TLS is required, besides smtp_tls_exclude_ciphers."
    ),
    "smtp_tls_session_cache_database": "Where sessions are kept to be taken up again.",
    "smtp_tls_session_cache_timeout": "How long a session can be resumed.",
    # Reports on TLS (RFC 8460).
    "smtp_tlsrpt_enable": "Whether what became of TLS is told to a program that makes TLSRPT reports of it.",
    "smtp_tlsrpt_socket_name": "The socket of the program that makes TLSRPT reports.",
    "smtp_tlsrpt_skip_reused_handshakes": "Whether sessions that are resumed are left out of TLSRPT reports.",
}
