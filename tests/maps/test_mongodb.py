"""mongodb: the real client, asking a small server of the test's own that speaks OP_MSG."""

import asyncio
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
    wanted = {name for name, value in keep.items() if value and name != "_id"}
    unwanted = {name for name, value in keep.items() if not value}
    documents = [
        {n: v for n, v in document.items() if n not in unwanted and (not wanted or n in wanted or n == "_id")}
        for document in DOCUMENTS
        if all(document.get(name) == value for name, value in command["filter"].items())
    ]
    return {"cursor": {"id": 0, "ns": f"{command['$db']}.{command['find']}", "firstBatch": documents}, "ok": 1.0}


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
    monkeypatch.setattr(mongodb, "TIMEOUT", 150)
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
    "one": (GOTO, "One@example.com", "uno@one.test"),
    "several": (GOTO, "user@example.com", "box@one.test,box@two.test"),
    "a list": (GOTO, "list@example.com", "a@one.test,b@one.test"),
    "all but _id": ("", "one@example.com", "one@example.com,uno@one.test,o"),
    "several attributes": ("result_attribute = note, goto, _id\n", "one@example.com", "uno@one.test,o"),
    "projection with _id": ('projection = {"_id": 1, "goto": 1}\n', "one@example.com", "uno@one.test"),
    "projection": ('projection = {"_id": 0, "goto": 1}\n', "user@example.com", "box@one.test,box@two.test"),
    "projection without": ('projection = {"k": 0, "note": 0}\n', "one@example.com", "uno@one.test"),
    "format": (GOTO + "result_format = <%s> %u of %D\n", "one@example.com", "<uno@one.test> uno of example.com"),
    "quotes": (GOTO, 'q"uote\\@example.com', "quoted@one.test"),
    "wide": (GOTO, "\u00c9@example.com", "\u20ac@one.test"),
    "number": (GOTO, "number@example.com", "25"),
    "empty": (GOTO, "empty@example.com", None),
    "nobody": (GOTO, "nobody@example.com", None),
    "an operator": (GOTO, '{"$ne": 1}', None),
    "a way out": (GOTO, 'x", "goto": "', None),
    "domain": (GOTO + "domain = other.test\n", "one@example.com", None),
    "limit": (GOTO + "expansion_limit = 2\n", "user@example.com", "box@one.test,box@two.test"),
    "more than ten": (GOTO + "expansion_limit = 11\n", "many@example.com",
                      ",".join([f"m{at}@one.test" for at in range(11)])),
}  # fmt: skip


@pytest.mark.parametrize(("more", "key", "value"), CASES.values(), ids=CASES)
def test_a_key_is_found_or_not(server: Server, here: Path, more: str, key: str, value: str | None) -> None:
    assert open_or_fail(write(here, server, more)).lookup_now(key) == value


@pytest.mark.parametrize("value", [None, True, 2.5, {"a": "b"}, [["c"]], b"bytes"])
def test_other_values_are_ignored_with_a_warning(server: Server, here: Path, log: list[str], value: object) -> None:
    server.answer = lambda _: {
        "cursor": {"id": 0, "ns": "m.u", "firstBatch": [{"goto": value, "list": [value, "x", 7]}]},
        "ok": 1.0,
    }
    assert open_or_fail(write(here, server)).lookup_now("a") == "x,7"
    assert len([line for line in log if line.endswith(" -- ignored")]) == 2


def test_only_what_is_wanted_is_asked_for(server: Server, here: Path) -> None:
    open_or_fail(write(here, server, "result_attribute = goto, note\n")).lookup_now("one@example.com")
    open_or_fail(write(here, server)).lookup_now("one@example.com")
    first, second = server.asked
    assert (first["projection"], first["limit"]) == ({"goto": 1, "note": 1, "_id": 0}, 101)
    assert (first["find"], first["$db"]) == ("users", "mail")
    assert "projection" not in second


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
        f"warning: dict_mongodb_lookup: {here}/m.cf: Expansion limit exceeded for key: 'many@example.com'"
    ]


def refused(_: dict[str, Any]) -> dict[str, Any]:
    return {"ok": 0.0, "errmsg": "unknown operator: $no", "code": 2, "codeName": "BadValue"}


def slow(command: dict[str, Any]) -> dict[str, Any]:
    time.sleep(0.3)
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
    server: Server, here: Path, log: list[str], answer: Answer
) -> None:
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
        'uri = mongodb://u:secret@127.0.0.1:1/\ndbname = d\ncollection = c\nquery_filter = {"k": "%s"}\n'
    )
    with pytest.raises(TableError):
        open_or_fail(f"mongodb:{here}/m.cf").lookup_now("a")
    assert "secret" not in log[0]


def test_many_may_ask_at_once_on_a_loop(server: Server, here: Path) -> None:
    table = open_or_fail(write(here, server, GOTO))

    async def ask() -> list[str | None]:
        return await asyncio.gather(*[table.lookup("one@example.com") for _ in range(40)])

    assert asyncio.run(ask()) == ["uno@one.test"] * 40


@pytest.mark.parametrize(
    ("more", "query", "reason"),
    [
        ("", '{"k": }', "query_filter is not JSON"),
        ('projection = {"goto": 1}\nresult_attribute = goto\n', '{"k": "%s"}', "must not both be set"),
        ("projection = {\n", '{"k": "%s"}', "projection is not JSON"),
        ("", '["%s"]', "query_filter is not a JSON object"),
        ("expansion_limit = 101\n", '{"k": "%s"}', "expansion_limit"),
        ("uri = postgres://x\n", '{"k": "%s"}', "uri must begin with mongodb"),
    ],
)
def test_bad_parameters_are_told(server: Server, here: Path, more: str, query: str, reason: str) -> None:
    with pytest.raises(OpenError, match=reason):
        open_or_fail(write(here, server, more, query))
