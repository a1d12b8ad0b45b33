"""nbdb_util - how far an administrator has come on the way from Berkeley DB to other index files

Parameters: non_bdb_migration_level. Sources: NON_BERKELEYDB_README.
"""

from enum import Enum

from pyfix.config.main_cf import MainCf
from pyfix.config.params.nbdb_reindexd import NbdbReindexdParams

LEVEL = "non_bdb_migration_level"

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
