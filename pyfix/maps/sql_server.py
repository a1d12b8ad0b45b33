"""sql_server - what tables of SQL servers have in common: the query goes to one of several hosts

Sources: mysql_table(5), pgsql_table(5).
"""

from typing import Any, ClassVar, Generic, TypeVar

from pyfix.config.param import Int, Str
from pyfix.maps.braces import split
from pyfix.maps.db_common import Answers
from pyfix.maps.servers import Connection, Servers
from pyfix.maps.sql import Rows, SqlParams, flat, query_template

S = TypeVar("S", bound=Connection)


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
        self._servers: Servers[S] = Servers(
            self.vendor,
            split(cfg.hosts) or ["localhost"],
            self._connect,
            retry_interval=cfg.retry_interval,
            idle_interval=cfg.idle_interval,
        )

    def lookup(self, key: str) -> str | None:
        """What the query finds; TableError when no server can be asked."""
        if not self._wants(key):
            return None
        rows = self._servers.ask(lambda server: self._rows(server, key), table=self._answers.name)
        return self._answers.joined(key, flat(rows))

    def _wants(self, key: str) -> bool:
        return self._answers.wants(key) and self._query.expand(key) is not None

    def _connect(self, name: str) -> S:
        """A connection to one of the hosts."""
        raise NotImplementedError

    def _rows(self, server: S, key: str) -> Rows:
        """What one server finds."""
        raise NotImplementedError
