"""mysql - lookup table in a MySQL or MariaDB database

mysql:/file/of/parameters; see pyfix.maps.sql for the query.

Hosts are `unix:/path`, `host`, `host:port`; see pyfix.maps.servers for the order. Needs the
extra `mysql`, which is imported when the first such table is opened.

Sources: mysql_table(5).
"""

import os
import ssl
from typing import Any

from pyfix.config.param import Bool, Str
from pyfix.maps.auto_clnt import split_host, tls_context
from pyfix.maps.cfg_parser import read_params
from pyfix.maps.servers import WrongQuestionError
from pyfix.maps.sql_server import ServerParams, ServerTable
from pyfix.maps.table import Options, missing_extra

CONNECT_TIMEOUT, ANSWER_TIMEOUT = 10, 30  # seconds
PORT = 3306
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


class MysqlTable(ServerTable[Any]):
    """mysql:name."""

    kind = "mysql"
    vendor = "MySQL"

    def __init__(self, cfg: MysqlParams, name: str, driver: Any) -> None:
        """driver: the module pymysql. OpenError: a bad template, TLS files that can't be read."""
        super().__init__(cfg, name, driver)
        self._cfg = cfg
        self._tls = _tls_context(cfg, self._answers.name)

    def _rows(self, server: Any, key: str) -> list[list[str | None]]:
        sql = self._query.expand(key, quote=lambda text: str(server.escape(text))[1:-1])
        cursor = server.cursor()
        try:
            cursor.execute(sql)
            if cursor.description is None and self._cfg.require_result_set:
                raise WrongQuestionError("query returned no result set")
            rows = cursor.fetchall() or ()
            while cursor.nextset():  # the status of a stored procedure
                pass
        except (self._driver.err.ProgrammingError, self._driver.err.NotSupportedError) as error:
            raise WrongQuestionError(str(error)) from None
        finally:
            cursor.close()
        return [[None if value is None else _text(value) for value in row] for row in rows]

    def _connect(self, name: str) -> Any:
        cfg = self._cfg
        return self._driver.connect(
            **_address(name),
            user=cfg.user or None,
            password=cfg.password,
            database=cfg.dbname or None,
            charset=cfg.charset,
            read_default_file=cfg.option_file or None,
            read_default_group=cfg.option_group,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=ANSWER_TIMEOUT,
            write_timeout=ANSWER_TIMEOUT,
            autocommit=True,
            ssl=self._tls,
        )


def open_mysql(options: Options, name: str) -> MysqlTable:
    """Read the table's parameters; servers are connected when they are asked. OpenError."""
    cfg = read_params(MysqlParams, options, name)
    try:
        import pymysql
        import pymysql.cursors
    except ImportError:
        raise missing_extra(options, name, "PyMySQL", "mysql") from None
    return MysqlTable(cfg, name, pymysql)


def _address(name: str) -> dict[str, object]:
    if name.startswith("unix:"):
        return {"unix_socket": name.removeprefix("unix:")}
    host, port = split_host(name.removeprefix("inet:"), PORT)
    path = next((path for path in SOCKETS if os.path.exists(path)), None) if host == "localhost" else None
    return {"unix_socket": path} if path else {"host": host, "port": port}


def _tls_context(cfg: MysqlParams, name: str) -> ssl.SSLContext | None:
    files = cfg.tls_cert_file, cfg.tls_key_file, cfg.tls_CAfile, cfg.tls_CApath
    if not any((*files, cfg.tls_ciphers, cfg.tls_verify_cert)):
        return None
    return tls_context(
        name,
        ca_file=cfg.tls_CAfile,
        ca_dir=cfg.tls_CApath,
        cert=cfg.tls_cert_file,
        key=cfg.tls_key_file,
        ciphers=cfg.tls_ciphers,
        verify=cfg.tls_verify_cert,
    )


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
