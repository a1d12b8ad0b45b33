"""The proxymap service and its clients: proxy: tables on a loop, and one request at a time."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.maps import index
from pyfix.maps.open import open_or_fail, open_table
from pyfix.maps.proxy import BAD, DENY, FIRST, NEXT, NOKEY, OK, RETRY, ProxyTable, ProxyWriter, connect
from pyfix.maps.proxy import Proxymap as Client
from pyfix.maps.table import NotNowError, TableError
from pyfix.server.context import Context
from pyfix.services.proxymap import Proxymap, approved_tables
from tests.maps.conftest import log

__all__ = ["log"]

READ = (
    "inline:{{a=1}}, proxy:inline:{{a=1,b=2}}, proxy:fail:x proxy:lmdb:{top}/t proxy:python:slow_table:look"
    " proxy:mongodb:{top}/m.cf"
)


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A queue directory that is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "private").mkdir()
    text = f"proxy_read_maps = {READ}\nproxy_write_maps = proxy:lmdb:{{top}}/t proxy:inline:{{{{a=1}}}}\n"
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n" + text.format(top=tmp_path))
    monkeypatch.setenv("MAIL_CONFIG", str(tmp_path))
    index.rebuild("t", lambda table: table.put("k", "v"), index.Style("lmdb:t"))
    return tmp_path


@asynccontextmanager
async def serving(top: Path, service: str = "proxymap") -> AsyncIterator[Proxymap]:
    """The service at its socket."""
    program = Proxymap(Context(service, "proxymap", MainCf.load(top)))
    await program.start()
    loop = asyncio.get_running_loop()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"private/{service}")
    listener.listen()
    listener.setblocking(False)
    sessions: set[asyncio.Task[None]] = set()

    async def accept() -> None:
        while True:
            sock, _ = await loop.sock_accept(listener)
            sessions.add(asyncio.create_task(program.serve(sock)))

    accepting = asyncio.create_task(accept())
    try:
        yield program
    finally:
        accepting.cancel()
        await program.retire()
        await asyncio.gather(*sessions)
        listener.close()
        os.unlink(f"private/{service}")


def run(top: Path, work: Callable[[Proxymap], Awaitable[None]], service: str = "proxymap") -> None:
    async def main() -> None:
        async with serving(top, service) as program:
            await work(program)

    asyncio.run(main())


def test_keys_of_mongodb_stay_as_they_are_written(top: Path) -> None:
    pytest.importorskip("pymongo", reason="the extra mongodb is not installed")
    from tests.maps import test_mongodb

    async def work(_: Proxymap) -> None:
        table = open_or_fail(f"proxy:mongodb:{top}/m.cf")
        assert [await table.lookup(key) for key in ("one@example.com", "One@example.com")] == ["uno@one.test", None]

    with test_mongodb.serving() as server:
        test_mongodb.write(top, server, test_mongodb.GOTO)
        run(top, work)
        assert [asked["filter"]["k"] for asked in server.asked] == ["one@example.com", "One@example.com"]


def test_a_table_is_asked_through_the_service(top: Path) -> None:
    async def work(_: Proxymap) -> None:
        table = open_or_fail("proxy:inline:{a=1,b=2}")
        assert isinstance(table.source, ProxyTable)
        assert [await table.lookup(key) for key in ("A", "b", "c")] == ["1", "2", None]
        answers = await asyncio.gather(*[table.lookup("a") for _ in range(50)])
        assert answers == ["1"] * 50

    run(top, work)


def test_a_table_that_is_not_listed_is_refused(top: Path, log: list[str]) -> None:
    async def work(_: Proxymap) -> None:
        with pytest.raises(TableError):
            await open_or_fail("proxy:inline:{a=1}").lookup("a")

    run(top, work)
    assert log == [
        'warning: request for unapproved table: "inline:{a=1}"',
        "warning: to approve this table for read-only access, list proxy:inline:{a=1} in main.cf:proxy_read_maps",
        (
            "warning: proxy:inline:{a=1}: proxymap server private/proxymap:"
            ' proxymap service is not configured for table "inline:{a=1}"'
        ),
    ]


def test_a_table_in_trouble_is_an_error_for_who_asks(top: Path, log: list[str]) -> None:
    async def work(_: Proxymap) -> None:
        table = open_or_fail("proxy:fail:x")
        assert not table.fixed
        with pytest.raises(TableError):
            await table.lookup("a")

    run(top, work)


def test_a_service_that_retires_loses_no_request(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top / "slow_table.py").write_text("import time\ndef look(key):\n    time.sleep(0.05)\n    return key\n")
    monkeypatch.syspath_prepend(top)

    async def work(program: Proxymap) -> None:
        table = open_or_fail("proxy:python:slow_table:look")
        assert await table.lookup("a") == "a"
        asked = [asyncio.create_task(table.lookup(key)) for key in ("b", "c")]
        while sum(program._busy.values()) < 2:
            await asyncio.sleep(0.001)
        await program.retire()
        assert await asyncio.gather(*asked) == ["b", "c"]

    run(top, work)


def test_who_asks_over_a_connection_that_has_gone_hears_so_at_once(top: Path) -> None:
    async def work(_: Proxymap) -> None:
        link = await connect("private/proxymap")
        link.close()
        await asyncio.sleep(0)
        with pytest.raises(NotNowError):
            await link.ask([("request", "open")])

    run(top, work)


def test_a_service_that_is_away_is_an_error_and_one_that_is_back_answers(top: Path, log: list[str]) -> None:
    tables = []

    async def first(_: Proxymap) -> None:
        tables.append(open_table("proxy:inline:{a=1,b=2}"))
        assert await tables[0].lookup("a") == "1"

    async def again(_: Proxymap) -> None:
        assert await tables[0].lookup("a") == "1"

    run(top, first)
    with pytest.raises(TableError):
        tables[0].lookup_now("a")
    assert log == [
        "warning: proxy:inline:{a=1,b=2}: proxymap server private/proxymap: No such file or directory"
    ]
    run(top, again)


def test_a_service_that_is_not_there_yet_is_trouble_and_no_answer(top: Path, log: list[str]) -> None:
    table = open_or_fail("proxy:inline:{a=1,b=2}")
    with pytest.raises(TableError):
        table.lookup_now("a")
    assert len(log) == 1

    async def work(_: Proxymap) -> None:
        assert await table.lookup("a") == "1"

    run(top, work)


def asked(service: str, **request: str) -> dict[str, str]:
    client = Client(f"private/{service}")
    try:
        return client.ask(instance_flags="3", flags="0", **request)
    finally:
        client.close()


def test_tables_are_changed_through_proxywrite_only(top: Path, log: list[str]) -> None:
    table = f"lmdb:{top}/t"

    async def write(_: Proxymap) -> None:
        answers = [
            await asyncio.to_thread(asked, "proxywrite", table=table, **request)
            for request in (
                {"request": "update", "key": "New", "value": "1"},
                {"request": "lookup", "key": "new"},
                {"request": "update", "key": "new", "value": "2"},
                {"request": "lookup", "key": "new"},
                {"request": "delete", "key": "new"},
                {"request": "delete", "key": "new"},
                {"request": "lookup", "key": "new"},
            )
        ]
        assert [(int(a["status"]), a.get("value", "")) for a in answers] == [
            (OK, ""), (OK, "1"), (OK, ""), (OK, "2"), (OK, ""), (NOKEY, ""), (NOKEY, ""),
        ]  # fmt: skip
        inline = await asyncio.to_thread(
            asked, "proxywrite", table="inline:{a=1}", request="update", key="a", value="2"
        )
        assert int(inline["status"]) == RETRY

    async def read(_: Proxymap) -> None:
        for request, status in (
            ({"request": "update", "key": "k", "value": "1"}, RETRY),
            ({"request": "delete", "key": "k"}, RETRY),
            ({"request": "nonsense", "key": "k"}, BAD),
        ):
            answer = await asyncio.to_thread(asked, "proxymap", table=table, **request)
            assert int(answer["status"]) == status
        answer = await asyncio.to_thread(asked, "proxymap", table="lmdb:/etc/shadow", request="lookup", key="k")
        assert int(answer["status"]) == DENY

    run(top, write, "proxywrite")
    run(top, read)
    assert open_or_fail("lmdb:t").lookup_now("k") == "v"


def test_a_table_is_read_from_one_end_to_the_other(top: Path) -> None:
    def all_of() -> list[tuple[str, str]]:
        client = Client("private/proxymap")
        found, function = [], FIRST
        while True:
            answer = client.ask(
                request="sequence", table="inline:{a=1,b=2}", instance_flags="3", flags="0", function=str(function)
            )
            if int(answer["status"]) != OK:
                client.close()
                return found
            found.append((answer["key"], answer["value"]))
            function = NEXT

    async def work(_: Proxymap) -> None:
        assert await asyncio.to_thread(all_of) == [("a", "1"), ("b", "2")]

    run(top, work)


def test_a_broken_request_ends_its_connection_only(top: Path, log: list[str]) -> None:
    async def work(_: Proxymap) -> None:
        with pytest.raises(OSError, match="lost connection"):
            await asyncio.to_thread(asked, "proxymap", request="lookup", key="a")
        assert await open_or_fail("proxy:inline:{a=1,b=2}").lookup("a") == "1"

    run(top, work)
    assert log[0].startswith("warning: broken request to the proxymap service")


def test_tables_within_braces_are_listed_too() -> None:
    text = "a proxy:x:y, !proxy:b:c unionmap:{proxy:d:e, pipemap:{proxy:f:{g h}}} check_client_access proxy:i:j {"
    assert list(approved_tables(text)) == ["x:y", "b:c", "d:e", "f:{g h}", "i:j"]


def test_proxywrite_makes_a_table_that_is_not_there(top: Path, log: list[str]) -> None:
    path = f"{top}/new"
    (top / "main.cf").write_text(f"compatibility_level = 3.6\nproxy_write_maps = proxy:lmdb:{path}\n")

    async def run() -> None:
        async with serving(top, "proxywrite"):
            table = ProxyWriter(f"lmdb:{path}", "private/proxywrite")
            assert await table.lookup("K") is None
            await table.put("K", "v")
            assert (await table.lookup("K"), await table.lookup("k")) == ("v", None)
            assert (await table.delete("K"), await table.delete("K")) == (True, False)
            assert await table.lookup("K") is None

    asyncio.run(run())
    assert log == []


def test_a_table_that_proxywrite_may_not_change_is_trouble(top: Path, log: list[str]) -> None:
    async def run() -> None:
        async with serving(top, "proxywrite"):
            table = ProxyWriter("lmdb:/other", "private/proxywrite")
            for request in (table.lookup("k"), table.put("k", "v"), table.delete("k")):
                with pytest.raises(TableError):
                    await request

    asyncio.run(run())
    denied = 'proxywrite service is not configured for table "lmdb:/other"'
    said = f"warning: proxy:lmdb:/other: proxymap server private/proxywrite: {denied}"
    assert [line for line in log if denied in line] == [said] * 3


def test_without_proxywrite_there_is_trouble(top: Path) -> None:
    with pytest.raises(TableError):
        asyncio.run(ProxyWriter(f"lmdb:{top}/t", "private/proxywrite").lookup("k"))
