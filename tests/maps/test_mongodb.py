"""mongodb: the real client, asking a small server of the test's own that speaks OP_MSG.

What is expected was seen of Postfix 3.11.7, whose library asks the same server.
"""

import asyncio
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pyfix.maps import mongodb
from pyfix.maps.open import open_or_fail, open_table
from pyfix.maps.table import OpenError, TableError

bson = pytest.importorskip("bson", reason="the extra mongodb is not installed")

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HELLO = {
    "isWritablePrimary": True,
    "maxBsonObjectSize": 1 << 24,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 1000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "ok": 1.0,
}
DOCUMENTS = [
    {"_id": 1, "k": "user@example.com", "goto": "box@one.test", "note": "n"},
    {"_id": 2, "k": "user@example.com", "goto": "box@two.test", "note": "m"},
    {"_id": 3, "k": "one@example.com", "goto": "uno@one.test", "note": "o"},
    {"_id": 4, "k": "list@example.com", "goto": ["a@one.test", "b@one.test"], "note": ""},
    {"_id": 5, "k": "many@example.com", "goto": [f"m{at}@one.test" for at in range(11)]},
    {"_id": 6, "k": 'q"uote\\@example.com', "goto": "quoted@one.test"},
    {"_id": 7, "k": "\u00e9@example.com", "goto": "\u20ac@one.test"},
    {"_id": 8, "k": "empty@example.com", "goto": ""},
    {"_id": 9, "k": "number@example.com", "goto": 25},
    {"_id": 10, "k": "none@example.com", "goto": None},
    {"_id": 11, "k": "sub@a.b.example.com", "goto": "sub@one.test"},
]
Commands = list[dict[str, Any]]
Answer = Callable[[dict[str, Any]], dict[str, Any] | bytes]


def found(command: dict[str, Any]) -> dict[str, Any]:
    """What a server says to `find` with a filter of plain values and a projection."""
    keep = command.get("projection") or {}
    wanted = {name for name, value in keep.items() if value}
    unwanted = {name for name, value in keep.items() if not value}
    documents = [
        {n: v for n, v in document.items() if n not in unwanted and (not wanted or n in wanted)}
        for document in DOCUMENTS
        if all(document.get(name) == value for name, value in command["filter"].items())
    ]
    return {"cursor": {"id": 0, "ns": f"{command['$db']}.{command['find']}", "firstBatch": documents}, "ok": 1.0}


def goto(command: dict[str, Any]) -> dict[str, Any]:
    """One user, alice, whose mail goes to another domain."""
    documents = [{"goto": "alice@demo.test"}] if command["filter"] == {"k": "alice"} else []
    return {"cursor": {"id": 0, "ns": "mail.users", "firstBatch": documents}, "ok": 1.0}


class Server:
    """What it was asked, and what it says to `find`: a document, or bytes after which it hangs up."""

    def __init__(self) -> None:
        self.answer: Answer = found
        self.asked: Commands = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.peers: list[socket.socket] = []

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.listener.getsockname()[1]}/"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                self.peers.append(peer)
                threading.Thread(target=self.talk, args=[peer], daemon=True).start()

    def talk(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as stream, suppress(OSError, ValueError):
            while len(head := stream.read(16)) == 16:
                size, number, _, code = struct.unpack("<iiii", head)
                body = stream.read(size - 16)
                reply = self.reply(code, body)
                if isinstance(reply, bytes):
                    peer.sendall(reply)
                    peer.shutdown(socket.SHUT_RDWR)
                    return
                data = bson.encode(reply)
                if code == OP_QUERY:
                    out = struct.pack("<iqii", 8, 0, 0, 1) + data
                    peer.sendall(struct.pack("<iiii", 16 + len(out), 0, number, OP_REPLY) + out)
                else:
                    out = struct.pack("<iB", 0, 0) + data
                    peer.sendall(struct.pack("<iiii", 16 + len(out), 0, number, OP_MSG) + out)

    def reply(self, code: int, body: bytes) -> dict[str, Any] | bytes:
        if code == OP_QUERY:  # the first hello of a connection
            return HELLO
        command = bson.decode(body[5:])
        if "find" not in command:
            return HELLO
        self.asked.append(command)
        return self.answer(command)

    def hang_up(self) -> None:
        for peer in self.peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join()
        server.hang_up()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(mongodb, "TIMEOUT", 20_000)
    monkeypatch.setattr(mongodb, "RETRY", 0)
    with serving() as found:
        yield found


def write(here: Path, server: Server, more: str = "", query: str = '{"k": "%s"}') -> str:
    (here / "m.cf").write_text(
        f"uri = {server.uri}\ndbname = mail\ncollection = users\nquery_filter = {query}\n{more}"
    )
    return f"mongodb:{here}/m.cf"


GOTO = "result_attribute = goto\n"
CASES = {
    "one": (GOTO, "one@example.com", "uno@one.test"),
    "as it is written": (GOTO, "One@example.com", None),
    "the last of several": (GOTO, "user@example.com", "box@two.test"),
    "a list": (GOTO, "list@example.com", "a@one.test,b@one.test"),
    "all but _id": ("projection = {}\n", "one@example.com", "one@example.com,uno@one.test,o"),
    "several attributes": ("result_attribute = note, goto\n", "one@example.com", "uno@one.test,o"),
    "_id by name": ("result_attribute = note, goto, _id\n", "one@example.com", "3,uno@one.test,o"),
    "projection with _id": ('projection = {"_id": 1, "goto": 1}\n', "one@example.com", "uno@one.test"),
    "projection": ('projection = {"_id": 0, "goto": 1}\n', "user@example.com", "box@two.test"),
    "projection without": ('projection = {"k": 0, "note": 0}\n', "one@example.com", "uno@one.test"),
    "format": (GOTO + "result_format = <%s> %u of %D\n", "one@example.com", "<uno@one.test> uno of example.com"),
    "quotes": (GOTO, 'q"uote\\@example.com', "quoted@one.test"),
    "wide": (GOTO, "\u00e9@example.com", "\u20ac@one.test"),
    "wide, as it is written": (GOTO, "\u00c9@example.com", None),
    "number": (GOTO, "number@example.com", "25"),
    "empty": (GOTO, "empty@example.com", ""),
    "nobody": (GOTO, "nobody@example.com", None),
    "an operator": (GOTO, '{"$ne": 1}', None),
    "a way out": (GOTO, 'x", "goto": "', None),
    "domain": (GOTO + "domain = other.test\n", "one@example.com", None),
    "limit": (GOTO + "expansion_limit = 2\n", "user@example.com", "box@two.test"),
    "more than ten": (GOTO + "expansion_limit = 11\n", "many@example.com",
                      ",".join([f"m{at}@one.test" for at in range(11)])),
}  # fmt: skip


@pytest.mark.parametrize(("more", "key", "value"), CASES.values(), ids=CASES)
def test_a_key_is_found_or_not(server: Server, here: Path, more: str, key: str, value: str | None) -> None:
    assert open_or_fail(write(here, server, more)).lookup_now(key) == value


def documents(*batch: dict[str, Any]) -> Answer:
    """An answer to any question."""
    return lambda _: {"cursor": {"id": 0, "ns": "mail.users", "firstBatch": list(batch)}, "ok": 1.0}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (None, 10), (True, 8), (2.5, 1), ({"a": "b"}, 3), (b"bytes", 5), (bson.ObjectId(), 7),
        (datetime(2020, 1, 1, tzinfo=UTC), 9), (bson.Regex("x"), 11), (bson.Decimal128("1"), 19),
    ],
)  # fmt: skip
def test_other_values_are_ignored_with_a_warning(
    server: Server, here: Path, log: list[str], value: object, number: int
) -> None:
    server.answer = documents({"goto": value, "list": ["x", value, 7]})
    assert open_or_fail(write(here, server, GOTO)).lookup_now("a") == "x,7"
    assert log == [
        f"warning: mongodb:{here}/m.cf: failed to retrieve value of '{name}', Unknown result type {number}."
        for name in ("goto", 1)
    ]


ANSWERS: dict[str, tuple[list[dict[str, Any]], str | None]] = {
    "no document": ([], None),
    "no field": ([{}], None),
    "only the last document": ([{"goto": "a"}, {"goto": ["b", "c"]}, {"goto": "d", "x": "e"}], "d,e"),
    "the last document has none": ([{"goto": "a"}, {}], None),
    "the last document has null": ([{"goto": "a"}, {"goto": None}], None),
    "the last document is empty": ([{"goto": "a"}, {"goto": ""}], ""),
    "the first document is empty": ([{"goto": ""}, {"goto": "b"}], "b"),
    "big number": ([{"goto": 5_000_000_000}], "5000000000"),
    "below zero": ([{"goto": -3}], "-3"),
    "no values": ([{"goto": []}], None),
    "an empty value": ([{"goto": [""]}], ""),
    "an empty value before": ([{"goto": ["", "x"]}], "x"),
    "an empty value behind": ([{"goto": ["x", ""]}], "x"),
    "lists in lists": ([{"goto": ["a", 5, ["n", ["m"]]]}], "a,5,n,m"),
    "nested": ([{"goto": {"inner": "v"}}], None),
    "nested in a list": ([{"goto": [{"inner": "v"}]}], None),
    "commas": ([{"goto": "a,b"}], "a,b"),
    "blanks": ([{"goto": " a "}], " a "),
    "_id that was not asked for": ([{"_id": 1, "goto": "a"}], "1,a"),
}


@pytest.mark.parametrize(("batch", "value"), ANSWERS.values(), ids=ANSWERS)
def test_what_documents_mean(
    server: Server, here: Path, batch: list[dict[str, Any]], value: str | None
) -> None:
    server.answer = documents(*batch)
    assert open_or_fail(write(here, server, GOTO)).lookup_now("a") == value


def test_an_empty_value_is_warned_about(server: Server, here: Path, log: list[str]) -> None:
    server.answer = documents({"goto": ["", "x"]})
    open_or_fail(write(here, server, GOTO)).lookup_now("a@b.c")
    assert log == [f'warning: table "mongodb:{here}/m.cf": empty lookup result for: "a@b.c" -- ignored']


@pytest.mark.parametrize(
    ("more", "projection"),
    [
        ("result_attribute = goto, note\n", {"_id": 0, "goto": 1, "note": 1}),
        ("result_attribute = goto a.b\n", {"_id": 0, "goto": 1, "a.b": 1}),
        ("result_attribute = goto,_id\n", {"_id": 1, "goto": 1}),
        ("result_attribute = ,\n", {"_id": 0}),
        ("projection = {}\n", {"_id": 0}),
        ('projection = {"_id": 1, "goto": 1}\n', {"_id": 0, "goto": 1}),
        ('projection = {"note": 0}\n', {"note": 0, "_id": 0}),
        ('projection = {"goto": {"$slice": 1}}\n', {"goto": {"$slice": 1}, "_id": 0}),
        ('projection = {"x": {"$concat": ["$a", "%s"]}}\n', {"x": {"$concat": ["$a", "%s"]}, "_id": 0}),
    ],
)
def test_only_what_is_wanted_is_asked_for(
    server: Server, here: Path, more: str, projection: dict[str, Any]
) -> None:
    open_or_fail(write(here, server, more)).lookup_now("one@example.com")
    (asked,) = server.asked
    assert list(asked["projection"].items()) == list(projection.items())
    assert (asked["find"], asked["$db"], asked["filter"]) == ("users", "mail", {"k": "one@example.com"})
    assert not asked.keys() & {"limit", "sort", "skip", "batchSize"}


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ('{"a": "%1", "b": "%2", "c": "%3"}', {"a": "com", "b": "Example", "c": "b"}),
        ('{"%s": 1}', {"Sub@b.Example.com": 1}),
        ('{"a": {"$oid": "507f1f77bcf86cd799439011"}}', {"a": bson.ObjectId("507f1f77bcf86cd799439011")}),
        ('{"a": {"$numberLong": "5"}}', {"a": 5}),
        ('{"a": {"$date": "2020-01-01T00:00:00Z"}}', {"a": datetime(2020, 1, 1)}),  # noqa: DTZ001 - BSON has no zone
        ('{"a": 5000000000, "b": 1.5, "c": true, "d": null}', {"a": 5_000_000_000, "b": 1.5, "c": True, "d": None}),
        ('{"a": "%s", "a": "b"}', {"a": "b"}),
        ('{"$or": [{"u": "%u"}, {"a.b": "%d"}], "n": 1}', {"$or": [{"u": "Sub"}, {"a.b": "b.Example.com"}], "n": 1}),
        ("{}", {}),
    ],
)
def test_the_filter_is_extended_json(server: Server, here: Path, query: str, asked: dict[str, Any]) -> None:
    server.answer = documents()
    open_or_fail(write(here, server, GOTO, query)).lookup_now("Sub@b.Example.com")
    assert server.asked[0]["filter"] == asked


def test_a_regular_expression_keeps_its_other_conditions(server: Server, here: Path) -> None:
    condition = {"$regex": "^one@", "$options": "i", "$ne": "x"}
    open_or_fail(write(here, server, GOTO, json.dumps({"k": condition}))).lookup_now("a")
    assert server.asked[0]["filter"] == {"k": condition}


@pytest.mark.parametrize(
    ("more", "query", "told"),
    [
        (GOTO, '{"k": }', """query from '{"k": }'"""),
        (GOTO, "%s", "query from 'a'"),
        (GOTO, '"%s"', """query from '"a"'"""),
        (GOTO, '{"k": %s}', """query from '{"k": a}'"""),
        (GOTO, '{"k": "%s"} x', """query from '{"k": "a"} x'"""),
        (GOTO, '{"k": {"$oid": "x"}}', """query from '{"k": {"$oid": "x"}}'"""),
        (GOTO, '{"k": {"$numberLong": "x"}}', """query from '{"k": {"$numberLong": "x"}}'"""),
        (GOTO, '{"k": {"$date": "x"}}', """query from '{"k": {"$date": "x"}}'"""),
        ("projection = {\n", '{"k": "%s"}', "projection from '{'"),
        ("projection = x\n", '{"k": "%s"}', "projection from 'x'"),
    ],
)
def test_what_is_no_json_is_an_error_of_each_lookup(
    server: Server, here: Path, log: list[str], more: str, query: str, told: str
) -> None:
    with pytest.raises(TableError):
        open_or_fail(write(here, server, more, query)).lookup_now("a")
    assert server.asked == []
    (line,) = log
    assert line.startswith(f"warning: mongodb:{here}/m.cf: failed to create a {told}: ")


def test_a_key_may_be_a_number_of_the_filter(server: Server, here: Path) -> None:
    open_or_fail(write(here, server, GOTO, '{"k": %s}')).lookup_now("25")
    assert server.asked[0]["filter"] == {"k": 25}


def test_keys_stay_as_they_are_written_for_other_tables_too(server: Server, here: Path) -> None:
    assert open_or_fail("debug:" + write(here, server, GOTO)).lookup_now("One@example.com") is None
    assert server.asked[0]["filter"] == {"k": "One@example.com"}


def test_all_documents_count_for_the_limit(server: Server, here: Path, log: list[str]) -> None:
    server.answer = documents({"goto": ["a", "b"]}, {"goto": "c"})
    assert open_or_fail(write(here, server, GOTO + "expansion_limit = 3\n")).lookup_now("x") == "c"
    for limit in (1, 2):
        with pytest.raises(TableError):
            open_or_fail(write(here, server, f"{GOTO}expansion_limit = {limit}\n")).lookup_now("x")
    assert log == [f"warning: mongodb:{here}/m.cf: expansion limit exceeded for key: 'x'"] * 2


def test_empty_values_count_for_the_limit(server: Server, here: Path) -> None:
    server.answer = documents({"goto": ["", "b"]})
    with pytest.raises(TableError):
        open_or_fail(write(here, server, GOTO + "expansion_limit = 1\n")).lookup_now("x")


def test_no_limit(server: Server, here: Path) -> None:
    server.answer = documents(*[{"goto": str(at)} for at in range(150)])
    assert open_or_fail(write(here, server, GOTO + "expansion_limit = 0\n")).lookup_now("x") == "149"


@pytest.mark.parametrize("missing", ["uri", "dbname", "collection", "query_filter"])
def test_what_must_be_there_is_told(server: Server, here: Path, missing: str) -> None:
    spec = write(here, server)
    lines = (here / "m.cf").read_text().splitlines(keepends=True)
    (here / "m.cf").write_text("".join([line for line in lines if not line.startswith(missing)]))
    with pytest.raises(OpenError, match=f"^{here}/m.cf: bad string length 0 < 1: {missing} = $"):
        open_or_fail(spec)


def test_time_limits_of_the_uri_count(server: Server, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongodb, "TIMEOUT", 20_000)
    spec = write(here, server, GOTO)
    (here / "m.cf").write_text((here / "m.cf").read_text().replace("/\n", "/?socketTimeoutMS=100\n", 1))
    server.answer = slow
    with pytest.raises(TableError):
        open_or_fail(spec).lookup_now("one@example.com")


def test_parts_of_the_key_stand_in_the_filter(server: Server, here: Path) -> None:
    query = '{"k": "%u@%d", "$comment": "%U %2.%1 100%%"}'
    server.answer = lambda command: found({**command, "filter": {"k": command["filter"]["k"]}})
    table = open_or_fail(write(here, server, GOTO, query))
    assert table.lookup_now("sub@a.b.example.com") == "sub@one.test"
    assert server.asked[0]["filter"] == {"k": "sub@a.b.example.com", "$comment": "sub example.com 100%"}
    assert table.lookup_now("local") is None
    assert len(server.asked) == 1


def test_ten_values_are_the_most_unless_said_otherwise(server: Server, here: Path, log: list[str]) -> None:
    with pytest.raises(TableError):
        open_or_fail(write(here, server, GOTO)).lookup_now("many@example.com")
    assert log == [
        f"warning: mongodb:{here}/m.cf: expansion limit exceeded for key: 'many@example.com'"
    ]


def refused(_: dict[str, Any]) -> dict[str, Any]:
    return {"ok": 0.0, "errmsg": "unknown operator: $no", "code": 2, "codeName": "BadValue"}


def slow(command: dict[str, Any]) -> dict[str, Any]:
    time.sleep(1)
    return found(command)


TROUBLE: dict[str, Answer] = {
    "refused": refused,
    "slow": slow,
    "dropped": lambda _: b"",
    "dropped in mid-answer": lambda _: struct.pack("<iiii", 500, 0, 1, OP_MSG) + b"\0" * 40,
    "garbage": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no cursor": lambda _: {"ok": 1.0},
}


@pytest.mark.parametrize("answer", TROUBLE.values(), ids=TROUBLE)
def test_trouble_is_an_error_told_once_and_passes(
    server: Server, here: Path, log: list[str], answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer is slow:
        monkeypatch.setattr(mongodb, "TIMEOUT", 500)
    table = open_table(write(here, server, GOTO))
    assert table.lookup_now("one@example.com") == "uno@one.test"
    server.answer = answer
    with pytest.raises(TableError) as caught:
        table.lookup_now("one@example.com")
    assert (caught.value.code, caught.value.status) == (451, "4.3.0")
    (line,) = log
    assert re.match(rf"warning: mongodb:{here}/m\.cf: MongoDB server mongodb://127\.0\.0\.1:\d+/: \S", line)
    server.answer = found
    assert table.lookup_now("one@example.com") == "uno@one.test"


def test_a_server_that_is_down_is_an_error_and_rests(
    here: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongodb, "TIMEOUT", 100)
    with serving() as server:
        spec = write(here, server, GOTO)
    table = open_table(spec)
    for _ in range(3):
        with pytest.raises(TableError):
            table.lookup_now("one@example.com")
    (line,) = log
    assert "Connection refused" in line


def test_a_password_is_not_logged(here: Path, log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongodb, "TIMEOUT", 100)
    (here / "m.cf").write_text(
        'uri = mongodb://u:secret@127.0.0.1:1/\ndbname = d\ncollection = c\nquery_filter = {"k": "%s"}\n' + GOTO
    )
    with pytest.raises(TableError):
        open_or_fail(f"mongodb:{here}/m.cf").lookup_now("a")
    assert "secret" not in log[0]


def test_many_may_ask_at_once_on_a_loop(server: Server, here: Path) -> None:
    table = open_or_fail(write(here, server, GOTO))

    async def ask() -> list[str | None]:
        return await asyncio.gather(*[table.lookup("one@example.com") for _ in range(40)])

    assert asyncio.run(ask()) == ["uno@one.test"] * 40


ONE_OF = "m.cf: specify exactly one of 'projection' or 'result_attribute'"


@pytest.mark.parametrize(
    ("more", "query", "reason"),
    [
        ('projection = {"goto": 1}\nresult_attribute = goto\n', '{"k": "%s"}', ONE_OF),
        ("", '{"k": "%s"}', ONE_OF),
        ("result_attribute =  \n", '{"k": "%s"}', ONE_OF),
        (GOTO, '{"k": "%x"}', "Invalid query template"),
        ("expansion_limit = 101\n", '{"k": "%s"}', "expansion_limit"),
        (GOTO + "uri = postgres://x\n", '{"k": "%s"}', "uri must begin with mongodb"),
    ],
)
def test_bad_parameters_are_told(server: Server, here: Path, more: str, query: str, reason: str) -> None:
    with pytest.raises(OpenError, match=reason):
        open_or_fail(write(here, server, more, query))
