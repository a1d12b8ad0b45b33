"""sqlite - lookup table in an SQLite database

sqlite:/file/of/parameters; see pyfix.maps.sql for the query, whose first column counts. Only what stands within
single quotes is safe from the key's text: a query with anything else in it is warned about.

Parameters: dbpath. Sources: sqlite_table(5).
"""

import re
import sqlite3
from typing import ClassVar

from pyfix.config.param import Str
from pyfix.maps.cfg_parser import read_params
from pyfix.maps.db_common import Answers
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.sql import SqlParams, flat, query_template, query_text
from pyfix.maps.table import Options
from pyfix.unix import msg

BUSY = 5.0  # seconds that another process may hold its lock


class SqliteParams(SqlParams):
    """The parameters of a table."""

    dbpath = Str("", min=1)


class SqliteTable:
    """sqlite:name."""

    fixed = True
    waits: ClassVar[bool] = True
    watch = None

    def __init__(self, cfg: SqliteParams, name: str) -> None:
        """OpenError: a bad template."""
        self._answers = Answers(cfg, "sqlite", name)
        self._query = query_template(cfg, self._answers.name)
        _warn_of_quotes(query_text(cfg), self._answers.name)
        self._servers = Servers("SQLite", [cfg.dbpath], _connect, retry_interval=0)

    def lookup(self, key: str) -> str | None:
        """What the query finds; TableError when the database can't be asked."""
        sql = self._query.expand(key, quote=quote) if self._answers.wants(key) else None
        if sql is None:
            return None
        rows = self._servers.ask(lambda database: _rows(database, sql), table=self._answers.name)
        return self._answers.joined(key, flat(rows))


def open_sqlite(options: Options, name: str) -> SqliteTable:
    """Read the table's parameters; the database is opened when it is asked. OpenError."""
    return SqliteTable(read_params(SqliteParams, options, name), name)


def quote(text: str) -> str:
    """A text within '...'."""
    return text.replace("'", "''")


_PIECE = re.compile(r"""'[^']*'?|"[^"]*"?|%.""")
"""A text in quotes, or an expansion outside of them."""


def _warn_of_quotes(query: str, table: str) -> None:
    for piece in _PIECE.findall(query):
        for part in re.findall("%.", "" if piece[0] == "'" else piece):
            if part != "%%":
                msg.warning(
                    f"{table}: query >{query}< contains >{part}< without the recommended '' quotes"
                )


def _connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{_uri(path)}?mode=ro", uri=True, timeout=BUSY, check_same_thread=False)


def _uri(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _rows(database: sqlite3.Connection, sql: str) -> list[list[str | None]]:
    try:
        found = database.execute(sql).fetchall()
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "unable to open" in str(error):
            raise
        raise WrongQuestionError(str(error)) from None
    return [[None if value is None else _text(value) for value in row[:1]] for row in found]


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
