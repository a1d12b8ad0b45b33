"""sqlite - lookup table in an SQLite database

sqlite:/file/of/parameters; see pyfix.maps.sql for the query, whose first column counts. Only what stands within
single quotes is safe from the key's text: a query with anything else in it is warned about.

Parameters: dbpath. Sources: sqlite_table(5).
"""

import re
import sqlite3
import threading
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
        _warn_of_quotes(query_text(cfg, name), self._answers.name)
        self._kept = _opened_now(cfg.dbpath)
        self._servers = Servers("SQLite", [cfg.dbpath], self._connect, retry_interval=0)

    def lookup(self, key: str) -> str | None:
        """What the query finds; TableError when the database can't be asked."""
        sql = self._query.expand(key, quote=quote) if self._answers.wants(key) else None
        if sql is None:
            return None
        rows = self._servers.ask(lambda database: _rows(database, sql), table=self._answers.name)
        return self._answers.joined(key, flat(rows))

    def _connect(self, path: str) -> "Database":
        try:
            return Database(path)
        except sqlite3.OperationalError:
            if self._kept is None:
                raise
            return self._kept.shared()


class Database:
    """An open database file."""

    def __init__(self, path: str) -> None:
        """sqlite3.OperationalError: it can't be opened."""
        self._file = sqlite3.connect(f"file:{_uri(path)}?mode=ro", uri=True, timeout=BUSY, check_same_thread=False)
        self._turn = threading.Lock()
        self._stays = False

    def shared(self) -> "Database":
        """The same for several users at once, who take turns; it stays open."""
        self._stays = True
        return self

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """What a query gives. sqlite3.Error."""
        with self._turn:
            return self._file.execute(_first(sql)).fetchall()

    def close(self) -> None:
        """Let go of the file."""
        if not self._stays:
            self._file.close()


def _first(sql: str) -> str:
    """The first statement, as in Postfix: what follows is not looked at."""
    at = sql.find(";")
    while at >= 0:
        if sqlite3.complete_statement(sql[: at + 1]):
            return sql[: at + 1]
        at = sql.find(";", at + 1)
    return sql


def _opened_now(path: str) -> Database | None:
    """The database for times when its name can't be reached: in a jail; None when it can't be opened now."""
    try:
        return Database(path)
    except sqlite3.OperationalError:
        return None


def open_sqlite(options: Options, name: str) -> SqliteTable:
    """Read the table's parameters and open its database, if that is there yet. OpenError."""
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


def _uri(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _rows(database: Database, sql: str) -> list[list[str | None]]:
    try:
        found = database.rows(sql)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "unable to open" in str(error):
            raise
        raise WrongQuestionError(str(error)) from None
    return [[None if value is None else _text(value) for value in row[:1]] for row in found]


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
