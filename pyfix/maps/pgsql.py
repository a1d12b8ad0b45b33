"""pgsql - lookup table in a PostgreSQL database

pgsql:/file/of/parameters; see pyfix.maps.sql for the query, which may be a function's name too.

Hosts are `unix:/directory`, `host`, `host:port`, or a `postgresql://` URI; see
pyfix.maps.servers for the order. Needs the extra `pgsql`, which is imported when the first
such table is opened. libpq is used without its blocking calls: those would hold up the whole
process, and an answer that does not come in time is given up.

Sources: pgsql_table(5).
"""

import select
import socket
import time
from typing import Any

from pyfix.config.param import Str
from pyfix.maps.auto_clnt import split_host
from pyfix.maps.cfg_parser import read_params
from pyfix.maps.kept import Ear, ear_for
from pyfix.maps.servers import WrongQuestionError
from pyfix.maps.sql_server import Row, ServerParams, ServerTable
from pyfix.maps.table import NotNowError, Options, missing_extra
from pyfix.unix import jail

CONNECT_TIMEOUT, ANSWER_TIMEOUT = 10, 30  # seconds
TROUBLE = (b"08", b"53", b"57", b"58", b"XX")
"""Classes of SQLSTATE that are the server's fault: connection, resources, intervention, system, internal."""
URI = ("postgresql://", "postgres://")


class PgsqlParams(ServerParams):
    """The parameters of a table."""

    encoding = Str("UTF8")
    select_function = Str("")


class Postgres:
    """One connection. pq: the module psycopg.pq."""

    def __init__(self, pq: Any, conninfo: str) -> None:
        """OSError: no connection."""
        self._pq = pq
        self._server = pq.PGconn.connect_start(conninfo.encode())
        until = time.monotonic() + CONNECT_TIMEOUT
        while (status := self._server.connect_poll()) != pq.PollingStatus.OK:
            if status == pq.PollingStatus.FAILED:
                raise OSError(self._error())
            self._poll(select.POLLOUT if status == pq.PollingStatus.WRITING else select.POLLIN, until)
        self._escaping = pq.Escaping(self._server)
        self._ear: Ear | None = None

    def quote(self, text: str) -> str:
        """A text within '...', as this server wants it."""
        quoted: bytes = self._escaping.escape_string(text.encode())
        return quoted.decode()

    def rows(self, sql: str) -> list[Row]:
        """What a query gives. OSError: the server is in trouble; WrongQuestionError: the query is."""
        self._server.send_query(sql.encode())
        until = time.monotonic() + ANSWER_TIMEOUT
        rows: list[Row] = []
        while True:
            self._wait(until)
            result = self._server.get_result()
            if result is None:
                return rows
            rows = self._values(result)  # of several statements, the last one's

    async def rows_soon(self, sql: str) -> list[Row]:
        """The same on an event loop."""
        server = self._server
        server.send_query(sql.encode())
        until = time.monotonic() + ANSWER_TIMEOUT
        rows: list[Row] = []
        if server.flush():
            raise NotNowError
        ear = self._ear = ear_for(server.socket, self._ear)
        while True:
            while server.is_busy():
                await ear.heard(until)
                server.consume_input()
            result = server.get_result()
            if result is None:
                return rows
            rows = self._values(result)

    def close(self) -> None:
        """Hang up."""
        if self._ear is not None:
            self._ear.close()
        self._server.finish()

    def _wait(self, until: float) -> None:
        server = self._server
        while server.flush() or server.is_busy():
            self._poll(select.POLLIN | (select.POLLOUT if server.flush() else 0), until)
            server.consume_input()

    def _poll(self, events: int, until: float) -> None:
        poll = select.poll()
        poll.register(self._server.socket, events)
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(1000 * left):
            raise TimeoutError("no answer in time")

    def _values(self, result: Any) -> list[Row]:
        if result.status == self._pq.ExecStatus.COMMAND_OK:
            return []
        if result.status != self._pq.ExecStatus.TUPLES_OK:
            state = result.error_field(self._pq.DiagnosticField.SQLSTATE) or b""
            gone = self._server.status != self._pq.ConnStatus.OK or state.startswith(TROUBLE)
            raise (OSError if gone else WrongQuestionError)(
                " ".join(result.error_message.decode(errors="replace").split()) or self._error()
            )
        columns = range(result.nfields)
        return [
            [_text(result.get_value(row, column)) for column in columns] for row in range(result.ntuples)
        ]

    def _error(self) -> str:
        return " ".join(self._server.error_message.decode(errors="replace").split())


class PgsqlTable(ServerTable[Postgres]):
    """pgsql:name."""

    kind = "pgsql"
    vendor = "PostgreSQL"

    def __init__(self, cfg: PgsqlParams, name: str, driver: Any) -> None:
        """driver: the module psycopg. OpenError: a bad template."""
        super().__init__(cfg, name, driver, function=cfg.select_function)
        self._cfg = cfg

    def _connect(self, name: str) -> Postgres:
        cfg = self._cfg
        make_conninfo = self._driver.conninfo.make_conninfo
        if name.startswith(URI):  # which says all of it
            conninfo = make_conninfo(name, client_encoding=cfg.encoding)
            return Postgres(self._driver.pq, make_conninfo(conninfo, **self._reachable(conninfo)))
        given = {"user": cfg.user, "password": cfg.password, "dbname": cfg.dbname}
        conninfo = make_conninfo(
            **_address(name),
            **{key: value for key, value in given.items() if value},
            client_encoding=cfg.encoding,
        )
        return Postgres(self._driver.pq, conninfo)

    def _reachable(self, conninfo: str) -> dict[str, str]:
        """The address of a URI's host, when libpq itself could not find it out any more."""
        host = str(self._driver.conninfo.conninfo_to_dict(conninfo).get("host", ""))
        address = jail.reachable(host)
        return {} if address == host else {"hostaddr": address}


def open_pgsql(options: Options, name: str) -> PgsqlTable:
    """Read the table's parameters; servers are connected when they are asked. OpenError."""
    cfg = read_params(PgsqlParams, options, name)
    try:
        import psycopg
        import psycopg.conninfo
        import psycopg.pq
    except ImportError:
        raise missing_extra(options, name, "psycopg", "pgsql") from None
    return PgsqlTable(cfg, name, psycopg)


def _address(name: str) -> dict[str, object]:
    if name.startswith("unix:"):
        return {"host": name.removeprefix("unix:")}
    host, port = split_host(name.removeprefix("inet:"), 5432)
    found = socket.getaddrinfo(jail.reachable(host), port, type=socket.SOCK_STREAM)  # libpq's own search would block
    addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
    return {"host": ",".join([host] * len(addresses)), "hostaddr": ",".join(addresses), "port": port}


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogateescape")
