"""sql - the query that a table makes for a key, for all databases that speak SQL

    query = ...                          as written
    table, select_field, where_field, additional_conditions       the old way, put together

Sources: mysql_table(5), pgsql_table(5), sqlite_table(5).
"""

from collections.abc import Iterable

from pyfix.config.param import Str
from pyfix.maps.db_common import DbParams, Template
from pyfix.maps.table import OpenError

Rows = Iterable[Iterable[str | None]]


class SqlParams(DbParams):
    """How the query is given."""

    result_format = Str("%s", min=1)
    query = Str("")
    table = Str("")
    select_field = Str("")
    where_field = Str("")
    additional_conditions = Str("")


def query_text(cfg: SqlParams, name: str, function: str = "") -> str:
    """The query with its % in it. function: of the database, asked where there is no `query`.

    name: the table's, for messages. OpenError: a part of it is missing.
    """
    if not cfg.query and not function:
        for part in ("table", "select_field", "where_field"):
            if not getattr(cfg, part):
                raise OpenError(f"{name}: bad string length 0 < 1: {part} = ")
    return cfg.query or (function and f"SELECT {function}('%s')") or (
        f"SELECT {cfg.select_field} FROM {cfg.table}"  # noqa: S608 - the administrator's words
        f" WHERE {cfg.where_field}='%s' {cfg.additional_conditions}"
    )


def query_template(cfg: SqlParams, name: str, function: str = "") -> Template:
    """The same to be filled in. OpenError: a bad one."""
    return Template(query_text(cfg, name.partition(":")[2], function), name="query", table=name)


def flat(rows: Rows) -> Iterable[str | None]:
    """The columns of all rows, one after the other."""
    return (value for row in rows for value in row)
