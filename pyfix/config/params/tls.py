"""tls - parameters of every program that speaks TLS.

Sources: TLS_README, postconf(5) "tls_".
"""

from pyfix.config.param import Bool, Int, Params, Str


class TlsParams(Params):
    """What all ends of TLS have in common."""

    openssl_path = Str("openssl", min=1)
    tls_append_default_CA = Bool("no")
    tls_config_file = Str("default")
    tls_config_name = Str("")
    tls_daemon_random_bytes = Int("32", min=1)
    tls_dane_digests = Str("sha512 sha256", min=1)
    tls_disable_workarounds = Str("")
    tls_eecdh_auto_curves = Str("X25519 X448 prime256v1 secp384r1 secp521r1")
    tls_eecdh_strong_curve = Str("prime256v1")
    tls_eecdh_ultra_curve = Str("secp384r1")
    tls_export_cipherlist = Str("")
    tls_fast_shutdown_enable = Bool("yes")
    tls_ffdhe_auto_groups = Str("ffdhe2048 ffdhe3072")
    tls_high_cipherlist = Str(
        "aNULL:-aNULL:HIGH:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5:@STRENGTH", min=1
    )
    tls_low_cipherlist = Str("")
    tls_medium_cipherlist = Str(
        "aNULL:-aNULL:HIGH:MEDIUM:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5:+RC4:@STRENGTH", min=1
    )
    tls_null_cipherlist = Str("eNULL:!kDH:!kECDH:!aDSS:!MD5:!aNULL", min=1)
    tls_preempt_cipherlist = Bool("no")
    tls_server_sni_maps = Str("")
    tls_session_ticket_cipher = Str("aes-256-cbc")
    tls_ssl_options = Str("")
    tls_wildcard_matches_multiple_labels = Bool("yes")
    tlsmgr_service_name = Str("tlsmgr", min=1)
