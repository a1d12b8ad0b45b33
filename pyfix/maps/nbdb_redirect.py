"""nbdb_redirect - the table that is meant by hash:name or btree:name while Berkeley DB is being left behind

    options = redirected(Options("hash"), "/etc/postfix/virtual")     a table that is to be read or changed
    table_type = made_as("hash", "/etc/postfix/virtual")              one whose index is to be made

| level           | hash:name, btree:name                                                                 |
|-----------------|---------------------------------------------------------------------------------------|
| disable         | themselves: the newest index that there is (pyfix.maps.hash)                           |
| enable-redirect | name in the type of default_database_type or default_cache_db_type                     |
| enable-reindex  | the same; nbdb_reindexd is asked for an index that is missing, once in this process    |

non_bdb_custom_mapping, asked for type:name and then for the type, comes before those two parameters.

Parameters: non_bdb_migration_level, non_bdb_migration_log_redirect, non_bdb_custom_mapping, default_database_type,
default_cache_db_type. Sources: NON_BERKELEYDB_README.
"""

import os

from pyfix.config import in_force
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.nbdb_util import LEGACY, Level, custom_mapping, level
from pyfix.config.params.mail import MailParams
from pyfix.config.params.nbdb_reindexd import NbdbReindexdParams
from pyfix.maps.open import TYPES, open_or_fail
from pyfix.maps.table import LocalTable, OpenError, Options, TableError
from pyfix.unix import msg

SUFFIXES = {"cdb": ".cdb", "lmdb": ".lmdb"}
"""What the names of index files end in."""

_custom: dict[str, LocalTable] = {}  # non_bdb_custom_mapping, opened
_told: set[tuple[str, str]] = set()  # what was redirected where, and said
_refused: dict[str, str] = {}  # tables without an index, and why nbdb_reindexd makes none


class MappingError(Exception):
    """There is no type that stands for this one; str() says why."""


def redirected(options: Options, name: str) -> Options:
    """How to open this table of a legacy type, with the type that is meant. OpenError."""
    try:
        main = in_force.main_cf(options.config_dir)
        now = level(main)
    except BadConfig:
        return options
    if now is Level.DISABLE:
        return options
    spec = options.spec(name)
    try:
        table_type = mapped_type(main, options.type, name)
    except MappingError as error:
        msg.warning(f"non-Berkeley-DB type mapping lookup error for '{spec}': {error}")
        raise OpenError(f"Berkeley DB type mapping lookup error for '{spec}': {error}") from None
    _tell(main, spec, f"{table_type}:{name}")
    if now is Level.REINDEX:
        _provide(main, options.type, name, table_type)
    return options._replace(type=table_type)


def made_as(table_type: str, name: str, config_dir: str) -> str:
    """The type in which to make the index of a table that a command names. OpenError."""
    main = in_force.main_cf(config_dir)
    if table_type not in LEGACY or level(main) is Level.DISABLE:
        return table_type
    try:
        found = mapped_type(main, table_type, name)
    except MappingError as error:
        raise OpenError(f"non_bdb migration mapping lookup error for '{table_type}': {error}") from None
    _tell(main, f"{table_type}:{name}", f"{found}:{name}")
    if found not in SUFFIXES:
        raise OpenError(f"no 'map create' support for non_bdb mapped type: {found}")
    return found


def mapped_type(main: MainCf, table_type: str, name: str) -> str:
    """The type that stands for hash or btree. MappingError."""
    if table_type not in LEGACY:
        raise MappingError(f"request to map from non-Berkeley-DB type: '{table_type}'")
    found = _looked_up(main, table_type, name)
    if found is None:
        cfg = MailParams(main)
        found = cfg.default_database_type if table_type == "hash" else cfg.default_cache_db_type
    if not found or ":" in found:
        raise MappingError(f"bad non-legacy database type syntax: '{found}'")
    if found in LEGACY:
        raise MappingError(f"mapping from '{table_type}' to legacy type '{found}'")
    if found not in TYPES:
        raise MappingError(f"mapping to unsupported database type: '{found}'")
    return found


def _looked_up(main: MainCf, table_type: str, name: str) -> str | None:
    """What non_bdb_custom_mapping says. MappingError."""
    spec = custom_mapping(main)
    if not spec:
        return None
    table = _custom.get(spec) or _custom.setdefault(spec, _opened(spec, main.config_dir))
    for key in (f"{table_type}:{name}", table_type):
        try:
            found = table.lookup_now(key)
        except TableError:
            raise MappingError(f"{spec} lookup error for '{key}'") from None
        if found is not None:
            return found
    return None


def _opened(spec: str, config_dir: str) -> LocalTable:
    try:
        return open_or_fail(spec, config_dir=config_dir, fold=False, default="")
    except OpenError as error:
        msg.fatal(str(error))


def _tell(main: MainCf, spec: str, other: str) -> None:
    if (spec, other) not in _told and NbdbReindexdParams(main).non_bdb_migration_log_redirect:
        _told.add((spec, other))
        msg.info(f"redirecting {spec} to {other}")


def _provide(main: MainCf, legacy: str, name: str, table_type: str) -> None:
    """See to it that the index is there. OpenError."""
    suffix = SUFFIXES.get(table_type)
    if suffix is None:
        text = f"non-Berkeley-DB mapped type '{table_type}' has no known pathname suffix"
        msg.warning(text)
        raise OpenError(text)
    path = name + suffix
    if os.path.lexists(path):
        return
    if path not in _refused:
        from pyfix.maps import nbdb_clnt  # hardly ever needed

        reason = nbdb_clnt.request(main, legacy, name)
        if not reason:
            return
        _refused[path] = f"Non-Berkeley-DB migration error: {reason}"
        msg.warning(_refused[path])
    raise OpenError(_refused[path])
