"""nbdb_util - how far an administrator has come on the way from Berkeley DB to other index files

Parameters: non_bdb_migration_level, non_bdb_custom_mapping. Sources: NON_BERKELEYDB_README.
"""

from enum import Enum

from pyfix.config.main_cf import MainCf
from pyfix.config.params.nbdb_reindexd import NbdbReindexdParams

LEVEL = "non_bdb_migration_level"
CUSTOM = "non_bdb_custom_mapping"

LEGACY = frozenset({"hash", "btree"})
"""The types of tables that Berkeley DB is behind."""


class Level(Enum):
    """What is done for tables of those types."""

    DISABLE = "disable"
    REDIRECT = "enable-redirect"
    REINDEX = "enable-reindex"


def level(main: MainCf) -> Level:
    """The level in force; letter case does not matter. BadConfig."""
    text = NbdbReindexdParams(main).non_bdb_migration_level
    try:
        return Level(text.lower())
    except ValueError:
        raise main.bad(LEVEL, f"invalid non-Berkeley-DB migration level: '{text}'") from None


def custom_mapping(main: MainCf) -> str:
    """The table that names other types than the usual ones, or empty. BadConfig: it can't be one.

    Whether there is such a type of table, and such a table, is found when it is opened.
    """
    spec = NbdbReindexdParams(main).non_bdb_custom_mapping
    table_type, colon, _ = spec.partition(":")
    if spec and not colon:
        raise main.bad(CUSTOM, f'open dictionary: expecting "type:name" form instead of "{spec}"')
    if table_type in LEGACY:
        raise main.bad(CUSTOM, f"{CUSTOM} must not use legacy type: '{table_type}'")
    return spec
