"""nbdb_reindexd - parameters of the move away from Berkeley DB.

Sources: NON_BERKELEYDB_README, nbdb_reindexd(8).
"""

from pyfix.config.param import NBool, Params, Str


class NbdbReindexdParams(Params):
    """When and where tables are made in a type that is there."""

    non_bdb_custom_mapping = Str("")
    non_bdb_migration_level = Str("disable", min=1)
    non_bdb_migration_log_redirect = NBool("yes")
    non_bdb_migration_service_name = Str("nbdb_reindex")
    non_bdb_migration_allow_root_prefixes = Str("/etc /usr/local/etc")
    non_bdb_migration_allow_user_prefixes = Str("$data_directory /var/lib/mailman /var/lib/mailman3")
