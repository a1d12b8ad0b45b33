"""open - from `type:name` to an opened table

    table = open_table("cidr:/etc/postfix/access.cidr")     daemons: never raises
    table = open_or_fail("cidr:/etc/postfix/access.cidr")   commands: OpenError says why not

A daemon gets a stand-in for a table that can't open: one `error:` line now, a warning and
TableError for each lookup. With daemon_table_open_error_is_fatal it ends instead.

Parameters: daemon_table_open_error_is_fatal.
Sources: postconf -m, DATABASE_README.
"""

from contextlib import suppress
from importlib import import_module

from pyfix.config import in_force
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.nbdb_util import LEGACY
from pyfix.config.params.mail import MailParams
from pyfix.maps.table import Care, LocalTable, Opener, OpenError, Options, Source, Unavailable
from pyfix.unix import msg

TYPES = {
    "btree": "pyfix.maps.hash:open_hash",
    "cdb": "pyfix.maps.cdb:open_cdb",
    "cidr": "pyfix.maps.cidr:open_cidr",
    "debug": "pyfix.maps.debug:open_debug",
    "environ": "pyfix.maps.environ:open_environ",
    "fail": "pyfix.maps.fail:open_fail",
    "hash": "pyfix.maps.hash:open_hash",
    "inline": "pyfix.maps.inline:open_inline",
    "internal": "pyfix.maps.internal:open_internal",
    "ldap": "pyfix.maps.ldap:open_ldap",
    "lmdb": "pyfix.maps.lmdb:open_lmdb",
    "memcache": "pyfix.maps.memcache:open_memcache",
    "mongodb": "pyfix.maps.mongodb:open_mongodb",
    "mysql": "pyfix.maps.mysql:open_mysql",
    "pcre": "pyfix.maps.pcre:open_pcre",
    "pgsql": "pyfix.maps.pgsql:open_pgsql",
    "pipemap": "pyfix.maps.pipemap:open_pipemap",
    "proxy": "pyfix.maps.proxy:open_proxy",
    "python": "pyfix.maps.python:open_python",
    "randmap": "pyfix.maps.randmap:open_randmap",
    "redis": "pyfix.maps.redis:open_redis",
    "regexp": "pyfix.maps.regexp:open_regexp",
    "socketmap": "pyfix.maps.socketmap:open_socketmap",
    "sqlite": "pyfix.maps.sqlite:open_sqlite",
    "static": "pyfix.maps.static:open_static",
    "tcp": "pyfix.maps.tcp:open_tcp",
    "texthash": "pyfix.maps.texthash:open_texthash",
    "unionmap": "pyfix.maps.unionmap:open_unionmap",
    "unix": "pyfix.maps.unix:open_unix",
}

GONE = {
    table_type: f"unsupported dictionary type: {table_type} (its files can't be read here; make an index of"
    ' the source file with "postmap lmdb:NAME" and change the type to lmdb)'
    for table_type in ("dbm", "sdbm")
}
"""Types that Postfix may have, and what to do instead."""

STRANGERS = {
    "memcache": "security-sensitive",
    "socketmap": "security-sensitive",
    "tcp": "security sensitive",
}
"""Types whose answers could be anybody's; how the error calls what they are not for."""


def open_table(
    spec: str,
    *,
    config_dir: str = "",
    fold: bool = True,
    utf8: bool = True,
    secret: bool = False,
    care: Care = Care.NONE,
    default: str = "hash",
) -> LocalTable:
    """The table, or a stand-in that fails each lookup; logs an error when it can't open, or ends the process.

    spec: type:name, or a name only (then of the `default` type); fold: keys of fixed strings
    are folded to lower case; utf8: smtputf8_enable; secret: values are not for the log.
    """
    options, name = split_spec(spec, Options("", fold, utf8, config_dir, care, secret), default)
    try:
        options = in_place_of(options, name)
        return _open(options, name)
    except OpenError as error:
        reason = str(error)
    if _open_error_is_fatal(config_dir):
        msg.fatal(reason)
    msg.error(reason)
    return LocalTable(options.spec(name), _stand_in_first(options, name, reason), fold=fold, utf8=utf8)


def unavailable(name: str, reason: str) -> LocalTable:
    """A table that fails each lookup; logs the reason as an error now."""
    msg.error(reason)
    return LocalTable(name, lambda: Unavailable(name, reason))


def open_or_fail(
    spec: str,
    *,
    config_dir: str = "",
    fold: bool = True,
    utf8: bool = True,
    secret: bool = False,
    care: Care = Care.NONE,
    default: str = "hash",
) -> LocalTable:
    """The table; OpenError with the reason when it can't open."""
    options, name = split_spec(spec, Options("", fold, utf8, config_dir, care, secret), default)
    return _open(in_place_of(options, name), name)


def split_spec(spec: str, options: Options, default: str) -> tuple[Options, str]:
    """The options with the table's type in them, and its name."""
    table_type, colon, name = spec.partition(":")
    if not colon:
        table_type, name = default, spec
    if table_type == "proxy" and Care.NO_PROXY in options.care:
        return split_spec(name, options, default)
    return options._replace(type=table_type), name


def in_place_of(options: Options, name: str) -> Options:
    """How to open this table, with the type that stands for its own where Berkeley DB is left behind. OpenError."""
    if options.type not in LEGACY:
        return options
    from pyfix.maps.nbdb_redirect import redirected  # which opens a table too

    return redirected(options, name)


def import_types(main: MainCf) -> None:
    """Import the types of the tables that main.cf names. One that fails is left to fail when such a table is opened."""
    texts = [main.raw(name) or "" for name in main.names()]
    for table_type, where in TYPES.items():
        if any(f"{table_type}:" in text for text in texts):
            with suppress(Exception):
                import_module(where.partition(":")[0])


def open_source(options: Options, name: str) -> Source:
    """The table type's own object; OpenError with the reason when it can't open."""
    if not options.type or not name:
        raise OpenError(f'open dictionary: expecting "type:name" form instead of "{options.spec(name)}"')
    where = TYPES.get(options.type)
    if where is None:
        raise OpenError(GONE.get(options.type, f"unsupported dictionary type: {options.type}"))
    if Care.NO_STRANGERS in options.care and options.type in STRANGERS:
        raise OpenError(f"{options.spec(name)} map is not allowed for {STRANGERS[options.type]} data")
    module, _, function = where.partition(":")
    source: Source = getattr(import_module(module), function)(options, name)
    msg.debug(f"dict_open: {options.shown(name)}")
    return source


def _open(options: Options, name: str) -> LocalTable:
    return LocalTable(
        options.spec(name), lambda: open_source(options, name), fold=options.fold, utf8=options.utf8
    )


def _open_error_is_fatal(config_dir: str) -> bool:
    """What the configuration says, where it can be read."""
    try:
        return MailParams(in_force.main_cf(config_dir)).daemon_table_open_error_is_fatal
    except BadConfig:
        return False


def _stand_in_first(options: Options, name: str, reason: str) -> Opener:
    """Opens Unavailable once, then the table itself."""
    stand_ins: list[Source] = [Unavailable(options.spec(name), reason)]
    return lambda: stand_ins.pop() if stand_ins else open_source(in_place_of(options, name), name)
