"""mongodb - lookup table in a MongoDB collection

mongodb:/file/of/parameters

    uri = mongodb://127.0.0.1:27017        dbname = mail        collection = users
    query_filter = {"address": "%s"}       result_attribute = goto, ...
    projection = {"_id": 0, "goto": 1}     result_format = %s

The filter is JSON in which % is replaced, quoted for JSON. Values that are lists give several
values; those that are neither texts nor whole numbers are ignored with a warning. Needs the
extra `mongodb`, which is imported when the first such table is opened.

Sources: mongodb_table(5).
"""

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from pyfix.config.param import Int, Str
from pyfix.maps.cfg_parser import read_params
from pyfix.maps.db_common import Answers, DbParams, Template
from pyfix.maps.servers import Servers
from pyfix.maps.table import OpenError, Options, missing_extra
from pyfix.unix import jail, msg

TIMEOUT = 10_000  # milliseconds
TIME_LIMITS = ("serverSelectionTimeoutMS", "connectTimeoutMS", "socketTimeoutMS")
RETRY = 1  # seconds that a server rests
SCHEMES = ("mongodb://", "mongodb+srv://")
ID = "_id"
"""A field that every document has, and that is nobody's address."""
MOST = 100  # values of an answer


class MongodbParams(DbParams):
    """The parameters of a table."""

    result_format = Str("%s", min=1)
    expansion_limit = Int("10", min=0, max=MOST)
    uri = Str("", min=1)
    dbname = Str("", min=1)
    collection = Str("", min=1)
    query_filter = Str("", min=1)
    projection = Str("")
    result_attribute = Str("")


class MongodbTable:
    """mongodb:name."""

    fixed = True
    waits: ClassVar[bool] = True
    watch = None

    def __init__(self, cfg: MongodbParams, name: str, driver: Any) -> None:
        """driver: the module pymongo. OpenError: a filter or projection that is no JSON."""
        self._cfg = cfg
        self._answers = Answers(cfg, "mongodb", name)
        table = self._answers.name
        self._filter = Template(cfg.query_filter, name="query_filter", table=table)
        if not cfg.uri.startswith(SCHEMES):
            raise OpenError(f"{table}: uri must begin with {' or '.join(SCHEMES)}: {cfg.uri}")
        _parsed(self._filter.expand("user@a.b.c.d.e.f.g.h.i", quote=json_quote) or "{}", table, "query_filter")
        if cfg.projection and cfg.result_attribute:
            raise OpenError(f"{table}: projection and result_attribute must not both be set")
        wanted = dict.fromkeys(cfg.result_attribute.replace(",", " ").split(), 1)
        self._projection = {**wanted, ID: 0} if wanted else None
        if cfg.projection:
            self._projection = _parsed(cfg.projection, table, "projection")
        jail.remember_url(cfg.uri)
        self._servers: Servers[Any] = Servers(
            "MongoDB",
            [cfg.uri],
            lambda uri: driver.MongoClient(jail.reachable_url(uri), **_limits(uri)),
            retry_interval=RETRY,
        )

    def lookup(self, key: str) -> str | None:
        """What the filter finds; TableError when the server can't be asked."""
        if not self._answers.wants(key):
            return None
        query = self._filter.expand(key, quote=json_quote)
        if query is None:
            return None
        documents = self._servers.ask(lambda server: self._find(server, json.loads(query)), table=self._answers.name)
        return self._answers.joined(key, self._values(documents))

    def _find(self, server: Any, query: Any) -> list[dict[str, Any]]:
        collection = server[self._cfg.dbname][self._cfg.collection]
        return list(collection.find(query, self._projection, limit=MOST + 1))

    def _values(self, documents: list[dict[str, Any]]) -> Iterator[str]:
        for document in documents:
            for name, value in document.items():
                for each in value if isinstance(value, list) else [value]:
                    if name == ID:
                        continue
                    if isinstance(each, str) or (isinstance(each, int) and not isinstance(each, bool)):
                        yield str(each)
                    else:
                        kind = type(each).__name__
                        msg.warning(f"{self._answers.name}: field {name} has a value of type {kind} -- ignored")


def open_mongodb(options: Options, name: str) -> MongodbTable:
    """Read the table's parameters; the server is connected when it is asked. OpenError."""
    cfg = read_params(MongodbParams, options, name)
    try:
        import pymongo
    except ImportError:
        raise missing_extra(options, name, "pymongo", "mongodb") from None
    return MongodbTable(cfg, name, pymongo)


def _limits(uri: str) -> dict[str, int]:
    """Time limits that a URI does not give itself."""
    return {name: TIMEOUT for name in TIME_LIMITS if name.lower() not in uri.lower()}


def json_quote(text: str) -> str:
    """A text within "..."."""
    return json.dumps(text)[1:-1]


def _parsed(text: str, table: str, name: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise OpenError(f"{table}: {name} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise OpenError(f"{table}: {name} is not a JSON object")
    return found
