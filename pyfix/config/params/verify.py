"""verify - parameters of address verification.

Sources: verify(8).
"""

from pyfix.config.param import Params, Str, Time


class VerifyParams(Params):
    """What only verify reads."""

    address_verify_cache_cleanup_interval = Time("12h")
    address_verify_negative_expire_time = Time("3d", min=1)
    address_verify_negative_refresh_time = Time("3h", min=1)
    address_verify_positive_expire_time = Time("31d", min=1)
    address_verify_positive_refresh_time = Time("7d", min=1)
    address_verify_map = Str("$default_cache_db_type:$data_directory/verify_cache")
