"""redis - lookup table in Redis or Valkey

redis:/file/of/parameters

    hosts = redis://127.0.0.1:6379/0, unix:///run/redis/redis.sock
    query = GET alias:%s                or HGET aliases %s, SMEMBERS list:%s, ...

The words of the query are sent as they are, each with its own % replaced: no key can become a
word more. A list or a set gives several values. Hosts are URLs, those of TLS `rediss://`; see
pyfix.maps.servers for the order. Needs the extra `redis`, which is imported when the first such
table is opened.
"""

from typing import Any, ClassVar

from pyfix.config.param import Int, Str
from pyfix.maps.braces import split
from pyfix.maps.cfg_parser import read_params
from pyfix.maps.db_common import Answers, DbParams, Template
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.table import Options, missing_extra
from pyfix.unix import jail


class RedisParams(DbParams):
    """The parameters of a table."""

    result_format = Str("%s", min=1)
    hosts = Str("redis://127.0.0.1:6379/0")
    user = Str("")
    password = Str("")
    query = Str("GET %s", min=1)
    timeout = Int("10", min=1)
    tls_CAfile = Str("")  # noqa: N815 - Postfix's name
    retry_interval = Int("60", min=1)
    idle_interval = Int("60", min=1)


class RedisTable:
    """redis:name."""

    fixed = True
    waits: ClassVar[bool] = True
    watch = None

    def __init__(self, cfg: RedisParams, name: str, driver: Any) -> None:
        """driver: the module redis. OpenError: a bad template."""
        self._cfg = cfg
        self._driver = driver
        self._answers = Answers(cfg, "redis", name)
        self._words = [Template(word, name="query", table=self._answers.name) for word in cfg.query.split()]
        hosts = split(cfg.hosts)
        for host in hosts:
            jail.remember_url(host)
        self._servers: Servers[Any] = Servers(
            "Redis",
            hosts,
            self._connect,
            retry_interval=cfg.retry_interval,
            idle_interval=cfg.idle_interval,
        )

    def lookup(self, key: str) -> str | None:
        """What the query gives; TableError when no server can be asked."""
        words = [word.expand(key) for word in self._words]
        if None in words or not self._answers.wants(key):
            return None
        answer = self._servers.ask(lambda server: self._ask(server, words), table=self._answers.name)
        return self._answers.joined(key, _values(answer))

    def _ask(self, server: Any, words: list[str | None]) -> Any:
        try:
            return server.execute_command(*words)
        except self._driver.exceptions.ResponseError as error:
            raise WrongQuestionError(str(error)) from None

    def _connect(self, name: str) -> Any:
        cfg = self._cfg
        given = {"username": cfg.user, "password": cfg.password, "ssl_ca_certs": cfg.tls_CAfile}
        return self._driver.Redis.from_url(
            jail.reachable_url(name),
            socket_timeout=cfg.timeout,
            socket_connect_timeout=cfg.timeout,
            single_connection_client=True,
            **{key: value for key, value in given.items() if value},
        )


def open_redis(options: Options, name: str) -> RedisTable:
    """Read the table's parameters; servers are connected when they are asked. OpenError."""
    cfg = read_params(RedisParams, options, name)
    try:
        import email.parser  # this and the next two redis imports when it connects: a jail is closed by then
        import hmac
        import secrets

        import redis
    except ImportError:
        raise missing_extra(options, name, "redis", "redis") from None
    assert email.parser
    assert hmac
    assert secrets
    return RedisTable(cfg, name, redis)


def _values(answer: object) -> list[str | None]:
    """An answer as values; those of a set in a fixed order."""
    if isinstance(answer, dict):
        raise WrongQuestionError("the query gives a hash")
    if isinstance(answer, set | frozenset):
        return sorted(_values(list(answer)), key=str)
    many = answer if isinstance(answer, list | tuple) else [answer]
    return [
        value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else None if value is None else str(value)
        for value in many
    ]
