"""mysql - lookup table in a MySQL or MariaDB database

mysql:/file/of/parameters; see pyfix.maps.sql for the query.

Hosts are `unix:/path`, `host`, `host:port`; see pyfix.maps.servers for the order. Needs the
extra `mysql`, which is imported when the first such table is opened.

Sources: mysql_table(5).
"""

import os
import socket
import ssl
import time
from typing import Any

from pyfix.config.param import Bool, Str
from pyfix.maps.auto_clnt import connected, split_host, tls_context
from pyfix.maps.cfg_parser import read_params
from pyfix.maps.kept import Ear, ear_for
from pyfix.maps.mysql_options import DEFAULT_FILES, read_options
from pyfix.maps.servers import WrongQuestionError
from pyfix.maps.sql_server import Row, ServerParams, ServerTable
from pyfix.maps.table import OpenError, Options, missing_extra
from pyfix.wire import mysql as wire

RAW = ("ascii", "binary", "latin", "utf8")
"""Character sets in which no byte of UTF-8 can be taken for a quote or a backslash: keys and values are passed as they
are, as in Postfix, whatever the server takes them for."""
CONNECT_TIMEOUT, ANSWER_TIMEOUT = 10, 30  # seconds
PORT = 3306
READ_SIZE = 65536
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")  # noqa: S108 - where servers have it
"""Where a server of this machine listens: what `localhost` means."""


class MysqlParams(ServerParams):
    """The parameters of a table."""

    charset = Str("utf8mb4")
    option_file = Str("")
    option_group = Str("client")
    tls_cert_file = Str("")
    tls_key_file = Str("")
    tls_CAfile = Str("")  # noqa: N815 - Postfix's name
    tls_CApath = Str("")  # noqa: N815 - Postfix's name
    tls_ciphers = Str("")
    tls_verify_cert = Bool("no")
    require_result_set = Bool("yes")


class Mysql:
    """One connection. PyMySQL makes it; we ask over it, since its own answers block and cost several times as much."""

    def __init__(self, driver: Any, connection: Any, *, require_result_set: bool) -> None:
        """driver: the module pymysql, whose connection this is."""
        self._err = driver.err
        self._connection = connection
        self._sock: socket.socket = connection._sock  # noqa: SLF001 - has no other name; within TLS, if so
        raw = connection.charset.startswith(RAW)
        self._encoding: str = "utf-8" if raw else connection.encoding
        self._require = require_result_set
        self._ear: Ear | None = None

    def quote(self, text: str) -> str:
        """A text within '...', as this server wants it."""
        return str(self._connection.escape(text))[1:-1]

    def rows(self, sql: str) -> list[Row]:
        """What a query gives. WrongQuestionError, and what sockets and servers raise."""
        until = time.monotonic() + ANSWER_TIMEOUT
        self._sock.settimeout(ANSWER_TIMEOUT)
        self._ask(sql)
        answer = wire.Answer()
        while not self._received(answer):
            self._sock.settimeout(max(until - time.monotonic(), 0.001))
        return self._result(answer)

    async def rows_soon(self, sql: str) -> list[Row]:
        """The same on an event loop."""
        until = time.monotonic() + ANSWER_TIMEOUT
        if self._sock.gettimeout() != 0:
            self._sock.settimeout(0)
        ear = self._ear = ear_for(self._sock.fileno(), self._ear)
        self._ask(sql)
        answer = wire.Answer()
        while True:
            await ear.heard(until)
            try:
                while not self._received(answer):
                    pass
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            return self._result(answer)

    def close(self) -> None:
        """Hang up."""
        if self._ear is not None:
            self._ear.close()
        self._connection.close()

    def _ask(self, sql: str) -> None:
        self._sock.sendall(wire.query(sql.encode(self._encoding, "surrogateescape")))

    def _received(self, answer: wire.Answer) -> bool:
        """Whether all is there with what comes next."""
        data = self._sock.recv(READ_SIZE)
        if not data:
            raise ConnectionResetError(0, "Lost connection to server during query")
        try:
            return answer.receive(data)
        except wire.MysqlRefusal as refusal:
            try:
                self._err.raise_mysql_exception(refusal.packet)
            except (self._err.ProgrammingError, self._err.NotSupportedError) as error:
                raise WrongQuestionError(f"query failed: {error.args[-1]}") from None
            raise

    def _result(self, answer: wire.Answer) -> list[Row]:
        if answer.many:
            raise WrongQuestionError("query failed: multiple result sets returning data are not supported")
        if answer.rows is None and self._require:
            raise WrongQuestionError("query failed: query returned no result set (require_result_set = yes)")
        encoding = self._encoding
        return [
            [None if value is None else value.decode(encoding, "surrogateescape") for value in row]
            for row in answer.rows or ()
        ]


class MysqlTable(ServerTable[Mysql]):
    """mysql:name."""

    kind = "mysql"
    vendor = "MySQL"

    def __init__(self, cfg: MysqlParams, name: str, driver: Any) -> None:
        """driver: the module pymysql. OpenError: a bad template, TLS files that can't be read."""
        super().__init__(cfg, name, driver)
        self._cfg = cfg
        self._given = _options(cfg)
        self._tls = _tls_context(cfg, self._given, self._answers.name)
        if cfg.charset and driver.charset.charset_by_name(cfg.charset) is None:
            raise OpenError(f"{self._answers.name}: unknown charset {cfg.charset}")

    def _connect(self, name: str) -> Mysql:
        cfg, given = self._cfg, self._given
        path, host, port = _address(name, given)
        connection = self._driver.connect(
            unix_socket=path or None,
            host=host or None,
            defer_connect=True,
            user=cfg.user or given.get("user"),
            password=cfg.password or given.get("password", ""),
            database=cfg.dbname or given.get("database"),
            charset=cfg.charset,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=ANSWER_TIMEOUT,
            write_timeout=ANSWER_TIMEOUT,
            autocommit=True,
            ssl=self._tls,
        )
        connection.connect(None if path else connected(host, port, CONNECT_TIMEOUT))
        return Mysql(self._driver, connection, require_result_set=cfg.require_result_set)


def open_mysql(options: Options, name: str) -> MysqlTable:
    """Read the table's parameters; servers are connected when they are asked. OpenError."""
    cfg = read_params(MysqlParams, options, name)
    try:
        import pymysql
        import pymysql.charset
        import pymysql.cursors
    except ImportError:
        raise missing_extra(options, name, "PyMySQL", "mysql") from None
    return MysqlTable(cfg, name, pymysql)


def _options(cfg: MysqlParams) -> dict[str, str]:
    """What MySQL's own option files say."""
    groups = dict.fromkeys(["client", cfg.option_group])
    if cfg.option_file:
        return read_options([cfg.option_file], groups)
    return read_options(DEFAULT_FILES, groups) if cfg.option_group else {}


def _address(name: str, given: dict[str, str]) -> tuple[str, str, int]:
    """The path of a socket, or host and port. given: the option files'."""
    if name.startswith("unix:"):
        return name.removeprefix("unix:"), "", 0
    usual = given.get("port", "")
    host, port = split_host(name.removeprefix("inet:"), int(usual) if usual.isdecimal() else PORT)
    paths = [path for path in (given.get("socket", ""), *SOCKETS) if os.path.exists(path)]
    return paths[0] if paths and host == "localhost" else "", host, port


def _tls_context(cfg: MysqlParams, given: dict[str, str], name: str) -> ssl.SSLContext | None:
    files = {
        "ca_file": cfg.tls_CAfile or given.get("ssl-ca", ""),
        "ca_dir": cfg.tls_CApath or given.get("ssl-capath", ""),
        "cert": cfg.tls_cert_file or given.get("ssl-cert", ""),
        "key": cfg.tls_key_file or given.get("ssl-key", ""),
        "ciphers": cfg.tls_ciphers or given.get("ssl-cipher", ""),
    }
    if not any(files.values()) and not cfg.tls_verify_cert:
        return None
    return tls_context(name, **files, verify=cfg.tls_verify_cert)
