"""tls - TLS at both ends, and the daemons that help with it

A tlsproxy_ parameter that stands in for one of smtpd or smtp has the sentence of that.
"""

MEANINGS = {
    # Ciphers and protocols.
    "tls_high_cipherlist": "What OpenSSL is told for ciphers of grade high.",
    "tls_medium_cipherlist": "What OpenSSL is told for ciphers of grade medium.",
    "tls_low_cipherlist": "What OpenSSL was told for ciphers of grade low; now medium stands in for it.",
    "tls_export_cipherlist": "What OpenSSL was told for ciphers of grade export; now medium stands in for it.",
    "tls_null_cipherlist": "What OpenSSL is told for ciphers of grade null, which sign without encrypting.",
    "tls_preempt_cipherlist": "Whether the server's order of ciphers counts, not the client's.",
    "tls_eecdh_auto_curves": "The elliptic curves for key agreement, the best first; empty: OpenSSL's own.",
    "tls_ffdhe_auto_groups": "The finite fields for key agreement in TLS 1.3, the best first; empty: OpenSSL's own.",
    "tls_eecdh_strong_curve": "The curve that grade strong of smtpd_tls_eecdh_grade was; nothing uses it.",
    "tls_eecdh_ultra_curve": "The curve that grade ultra of smtpd_tls_eecdh_grade was; nothing uses it.",
    "tls_ssl_options": "Options of OpenSSL that are switched on, by name or number.",
    "tls_disable_workarounds": (
        "OpenSSL's ways around mistakes in other software that are switched off, by name or number."
    ),
    "tls_config_file": "The configuration file of OpenSSL; default: its usual one, none: nothing.",
    "tls_config_name": "Which part of tls_config_file is read; empty: its usual one.",
    "tls_fast_shutdown_enable": "Whether a session ends without waiting for the other side to end it as well.",
    # Certificates.
    "tls_append_default_CA": "Whether the system's own authorities are trusted besides those that are named.",
    "tls_wildcard_matches_multiple_labels": "Whether *.example.com in a certificate also stands for a.b.example.com.",
    "tls_dane_digests": "The hashes that TLSA records may use, the best first.",
    "tls_server_sni_maps": "Other certificates for the names that clients ask for.",
    "tls_session_ticket_cipher": "The cipher that session tickets are encrypted with; empty: there are no tickets.",
    # Randomness.
    "tls_random_source": "Where tlsmgr gets its randomness.",
    "tls_random_bytes": "How much randomness tlsmgr takes from tls_random_source at a time, in bytes.",
    "tls_random_reseed_period": "How long tlsmgr at most waits before it takes new randomness.",
    "tls_random_exchange_name": "The file in which tlsmgr keeps randomness for its next start.",
    "tls_random_prng_update_period": "How often tlsmgr writes tls_random_exchange_name.",
    "tls_daemon_random_bytes": (
        "How much randomness smtpd, smtp and tlsproxy take from tlsmgr when they start, in bytes."
    ),
    # tlsproxy.
    "tlsproxy_enforce_tls": "Whether clients have to use TLS; tlsproxy_tls_security_level has taken its place.",
    "tlsproxy_use_tls": "Whether clients can use TLS; tlsproxy_tls_security_level has taken its place.",
    "tlsproxy_client_enforce_tls": (
        "Whether servers have to use TLS; tlsproxy_client_security_level has taken its place."
    ),
    "tlsproxy_client_use_tls": (
        "Whether TLS is used when servers offer it; tlsproxy_client_security_level has taken its place."
    ),
    "tlsproxy_client_loglevel_parameter": "The parameter that sets how much the log says of TLS with servers.",
    "tlsproxy_client_security_level": (
        "How much TLS is wanted at least of servers, for which tlsproxy gets ready when it starts."
    ),
    "tlsproxy_client_policy_maps": "The policies of servers, for which tlsproxy gets ready when it starts.",
    "tlsproxy_client_per_site": "The rules for servers as they were written before tlsproxy_client_policy_maps.",
    "tlsproxy_watchdog_timeout": "How long tlsproxy may take over one request before it is taken for stuck.",
}
