"""mongodb - lookup table in a MongoDB collection

mongodb:/file/of/parameters

    uri = mongodb://127.0.0.1:27017        dbname = mail        collection = users
    query_filter = {"address": "%s"}       result_attribute = goto, ...
    projection = {"_id": 0, "goto": 1}     result_format = %s

The filter is JSON in which % is replaced, quoted for JSON, by parts of the key as it is written:
no letter is made lower case. Filter and projection may have JSON's extended forms, as
{"$oid": "..."}. Of several documents the last one's values count, though all count for
expansion_limit. Values that are lists give several values; those that are neither texts nor whole
numbers are ignored with a warning. A document with nothing but empty texts gives an empty value,
which is an error.

Needs the extra `mongodb`, which is imported when the first such table is opened.

Sources: mongodb_table(5); where it says nothing, what Postfix 3.11.7 does. Not taken over: there,
a server that fails or is down has no such key, and %d in result_format ends the program.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from pyfix.config.param import Int, Str
from pyfix.maps.cfg_parser import read_params
from pyfix.maps.db_common import Answers, DbParams, Template
from pyfix.maps.servers import Servers
from pyfix.maps.table import OpenError, Options, TableError, missing_extra
from pyfix.unix import jail, msg

TIMEOUT = 10_000  # milliseconds
TIME_LIMITS = ("serverSelectionTimeoutMS", "connectTimeoutMS", "socketTimeoutMS")
RETRY = 1  # seconds that a server rests
SCHEMES = ("mongodb://", "mongodb+srv://")
ID = "_id"
"""A field that every document has: not asked for, unless result_attribute has it."""
MOST = 100  # that expansion_limit may be
TYPE_AT = 4  # in an encoded document: the number of its first value's type


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
    folds_itself = True  # or rather nothing does
    waits: ClassVar[bool] = True
    watch = None

    def __init__(self, cfg: MongodbParams, name: str, driver: Any) -> None:
        """driver: the module pymongo. OpenError: a bad template or URI, or no choice of fields."""
        self._cfg = cfg
        self._answers = Answers(cfg, "mongodb", name)
        table = self._answers.name
        self._filter = Template(cfg.query_filter, name="query_filter", table=table)
        if not cfg.uri.startswith(SCHEMES):
            raise OpenError(f"{table}: uri must begin with {' or '.join(SCHEMES)}: {cfg.uri}")
        if bool(cfg.projection) == bool(cfg.result_attribute):
            raise OpenError(f"{table}: specify exactly one of 'projection' or 'result_attribute'")
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
        text = self._filter.expand(key, quote=json_quote)
        if text is None:
            return None
        query, projection = self._parsed(text, "query"), self._projection()
        found, count = self._servers.ask(
            lambda server: self._find(server, key, query, projection), table=self._answers.name
        )
        if 0 < self._cfg.expansion_limit < count:
            self._answers.too_many(key)
        return found

    def _find(self, server: Any, key: str, query: Any, projection: Any) -> tuple[str | None, int]:
        """The last document's values, and how many all have, counted up to the first one too many."""
        found: str | None = None
        count = 0
        for document in server[self._cfg.dbname][self._cfg.collection].find(query, projection):
            values = list(self._values(document.items()))
            texts = list(self._answers.formatted(key, values))
            found = ",".join(texts) if texts else "" if "" in values else None
            count += len(values)
            if 0 < self._cfg.expansion_limit < count:
                break
        return found, count

    def _values(self, fields: Iterable[tuple[object, Any]]) -> Iterator[str]:
        for name, value in fields:
            if isinstance(value, list):
                yield from self._values(enumerate(value))
            elif isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
                yield str(value)
            else:
                kind = f"Unknown result type {_type_number(value)}."
                msg.warning(f"{self._answers.name}: failed to retrieve value of '{name}', {kind}")

    def _projection(self) -> dict[str, Any]:
        if self._cfg.projection:
            return {**self._parsed(self._cfg.projection, "projection"), ID: 0}
        return {ID: 0, **dict.fromkeys(self._cfg.result_attribute.replace(",", " ").split(), 1)}

    def _parsed(self, text: str, what: str) -> dict[str, Any]:
        """An object in JSON. TableError: it is none."""
        import bson

        try:
            found = json.loads(text, object_hook=_extended)
            if not isinstance(found, dict):
                raise TypeError("not a JSON object")
        except (ValueError, TypeError, LookupError, bson.errors.BSONError) as error:
            msg.warning(f"{self._answers.name}: failed to create a {what} from '{text}': {error}")
            raise TableError(self._answers.name, "") from None
        return found


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


def _extended(found: dict[str, Any]) -> Any:
    """What an object in JSON stands for; what has $regex is for the server to understand."""
    from bson import json_util

    return found if "$regex" in found else json_util.object_hook(found)


def _type_number(value: object) -> int:
    import bson

    return bson.encode({"": value})[TYPE_AT]
