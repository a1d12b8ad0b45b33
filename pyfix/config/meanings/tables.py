"""tables - how tables are opened, shared and built"""

MEANINGS = {
    "default_database_type": "The type of tables that are named without one.",
    "default_cache_db_type": (
        "The type of tables that daemons keep for themselves, such as address_verify_map and postscreen_cache_map."
    ),
    "daemon_table_open_error_is_fatal": (
        "Whether a table that can't be opened ends the daemon; no: only what needs the table fails, for a time."
    ),
    "proxy_read_maps": "The tables that may be asked for through proxymap.",
    "proxy_write_maps": "The tables that may be changed through proxywrite.",
    "lmdb_map_size": "The size that an lmdb table may grow to at first, in bytes; it is doubled when that does not do.",
    "berkeley_db_create_buffer_size": "The memory for building a hash or btree table, in bytes.",
    "berkeley_db_read_buffer_size": "The memory for reading a hash or btree table, in bytes.",
    "socketmap_max_reply_size": "The longest answer that a socketmap server may give, in bytes.",
    "non_bdb_migration_level": (
        "Whether a hash or btree table is opened as lmdb where Berkeley DB is gone, and whether a missing index "
        "is made then."
    ),
    "non_bdb_custom_mapping": "A table of the types that stand in for hash and btree where the usual one will not do.",
    "non_bdb_migration_log_redirect": "Whether the log says which table was opened in place of a hash or btree one.",
    "non_bdb_migration_allow_root_prefixes": (
        "The directories in which indexes are made for tables that belong to root."
    ),
    "non_bdb_migration_allow_user_prefixes": (
        "The directories in which indexes are made for tables that belong to other users."
    ),
}
