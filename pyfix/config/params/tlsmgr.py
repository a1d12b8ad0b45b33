"""tlsmgr - parameters of the keeper of TLS sessions and randomness.

Sources: tlsmgr(8).
"""

from pyfix.config.param import Int, Params, Str, Time


class TlsmgrParams(Params):
    """What only tlsmgr reads; the caches are in smtpd and smtp."""

    tls_random_bytes = Int("32", min=1)
    tls_random_exchange_name = Str("${data_directory}/prng_exch")
    tls_random_prng_update_period = Time("3600s", min=1)
    tls_random_reseed_period = Time("3600s", min=1)
    tls_random_source = Str("dev:/dev/urandom")
