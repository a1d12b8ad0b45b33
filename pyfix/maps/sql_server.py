"""sql_server - what tables of SQL servers have in common: the query goes to one of several hosts

Sources: mysql_table(5), pgsql_table(5).
"""

from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pyfix.config.param import Int, Str
from pyfix.maps.auto_clnt import remember
from pyfix.maps.braces import split
from pyfix.maps.db_common import Answers
from pyfix.maps.servers import Connection, Servers
from pyfix.maps.sql import SqlParams, flat, query_template
from pyfix.unix import jail

TRIES = 2
"""One server may be a balancer in front of many."""

Row = list[str | None]


class SqlServer(Connection, Protocol):
    """A connection to a server."""

    def quote(self, text: str) -> str:
        """A text within '...', as this server wants it."""
        ...

    def rows(self, sql: str) -> list[Row]:
        """What a query gives. OSError: the server is in trouble; WrongQuestionError: the query is."""
        ...

    async def rows_soon(self, sql: str) -> list[Row]:
        """The same on an event loop; whatever is wrong, an exception."""
        ...


S = TypeVar("S", bound=SqlServer)


class ServerParams(SqlParams):
    """Where the servers are, and as whom they are asked."""

    hosts = Str("localhost")
    user = Str("")
    password = Str("")
    dbname = Str("")
    retry_interval = Int("60", min=1)
    idle_interval = Int("60", min=1)


class ServerTable(Generic[S]):
    """kind: the type of table; vendor: what log lines call it."""

    fixed = True
    waits: ClassVar[bool] = True
    watch = None
    kind: ClassVar[str]
    vendor: ClassVar[str]

    def __init__(self, cfg: ServerParams, name: str, driver: Any, *, function: str = "") -> None:
        """driver: the module that connects; function: see query_template. OpenError: a bad template."""
        self._driver = driver
        self._answers = Answers(cfg, self.kind, name)
        self._query = query_template(cfg, self._answers.name, function)
        hosts = split(cfg.hosts) or ["localhost"]
        for host in hosts:
            jail.remember_url(host) if "://" in host else remember(host)
        self._servers: Servers[S] = Servers(
            self.vendor,
            hosts,
            self._connect,
            retry_interval=cfg.retry_interval,
            idle_interval=cfg.idle_interval,
            tries=TRIES,
        )

    def lookup(self, key: str) -> str | None:
        """What the query finds; TableError when no server can be asked."""
        parts = self._asked(key)
        if parts is None:
            return None
        rows = self._servers.ask(lambda server: server.rows(self._sql(server, parts)), table=self._answers.name)
        return self._answers.joined(key, flat(rows))

    async def lookup_kept(self, key: str) -> str | None:
        """The same on an event loop. NotNowError."""
        parts = self._asked(key)
        if parts is None:
            return None
        rows = await self._servers.ask_kept(lambda server: server.rows_soon(self._sql(server, parts)))
        return self._answers.joined(key, flat(rows))

    def _asked(self, key: str) -> list[str] | None:
        """What of a key goes into the query; None: it can't be there."""
        return self._query.parts(key) if self._answers.wants(key) else None

    def _sql(self, server: S, parts: list[str]) -> str:
        return self._query.filled(parts, server.quote)

    def _connect(self, name: str) -> S:
        """A connection to one of the hosts."""
        raise NotImplementedError
