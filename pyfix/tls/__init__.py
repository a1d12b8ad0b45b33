"""tls - keys, certificates and what the TLS library can do"""
