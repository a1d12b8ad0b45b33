"""Servers that are down, silent, talk nonsense or hang up in mid-answer: an error told once, a rest, and recovery."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from pyfix.maps import mongodb, mysql, pgsql, socketmap, sqlite, tcp
from pyfix.maps.open import open_table
from pyfix.maps.table import LocalTable, TableError
from tests.maps import servers
from tests.maps.relay import TROUBLE, Mode, Relay, relay
from tests.maps.test_mongodb import found, serving
from tests.maps.test_servers import answer_socketmap, answer_tcp, small_server, stored

LDIF = (
    "dn: dc=test\nobjectClass: domain\ndc: test\n\n"
    "dn: cn=a,dc=test\nobjectClass: mailthing\ncn: a\nmaildrop: one\n\n"
)
Parts = tuple[int, str, str]
"""A server's port, a table's name or option file in which PORT stands for the port, and a key that is there."""


@contextmanager
def ldap_server() -> Iterator[Parts]:
    pytest.importorskip("ldap", reason="the extra ldap is not installed")
    with servers.slapd(LDIF) as (port, _):
        yield port, "server_host = 127.0.0.1:PORT\nsearch_base = dc=test\nquery_filter = (cn=%s)\ntimeout = 1\n", "a"


@contextmanager
def mysql_server() -> Iterator[Parts]:
    pytest.importorskip("pymysql", reason="the extra mysql is not installed")
    with servers.mariadb() as (port, _):
        yield port, "hosts = 127.0.0.1:PORT\nuser = root\nquery = SELECT 'one' FROM DUAL WHERE '%s' = 'a'\n", "a"


@contextmanager
def pgsql_server() -> Iterator[Parts]:
    pytest.importorskip("psycopg", reason="the extra pgsql is not installed")
    with servers.postgresql() as (port, _):
        yield port, "hosts = 127.0.0.1:PORT\nuser = postgres\nquery = SELECT 'one' WHERE '%s' = 'a'\n", "a"


@contextmanager
def redis_server() -> Iterator[Parts]:
    redis = pytest.importorskip("redis", reason="the extra redis is not installed")
    with servers.redis() as port:
        with redis.Redis(port=port) as client:
            client.set("a", "one")
        yield port, "hosts = redis://127.0.0.1:PORT\ntimeout = 1\n", "a"


@contextmanager
def memcache_server() -> Iterator[Parts]:
    with servers.memcached() as port:
        stored(port, b"a", b"one")
        yield port, "memcache = 127.0.0.1:PORT\nmax_try = 1\ntimeout = 1\n", "a"


@contextmanager
def mongodb_server() -> Iterator[Parts]:
    with serving() as server:
        server.answer = found
        port = server.listener.getsockname()[1]
        yield port, (
            "uri = mongodb://127.0.0.1:PORT\ndbname = mail\ncollection = users\n"
            'query_filter = {"k": "%s"}\nresult_attribute = note\n'
        ), "one@example.com"


@contextmanager
def tcp_server() -> Iterator[Parts]:
    with small_server(answer_tcp) as (port, _):
        yield port, "tcp:127.0.0.1:PORT", "a"


@contextmanager
def socketmap_server() -> Iterator[Parts]:
    with small_server(answer_socketmap, b",") as (port, _):
        yield port, "socketmap:inet:127.0.0.1:PORT:m", "a"


KINDS: dict[str, Callable[[], AbstractContextManager[Parts]]] = {
    "ldap": ldap_server,
    "mysql": mysql_server,
    "pgsql": pgsql_server,
    "redis": redis_server,
    "memcache": memcache_server,
    "mongodb": mongodb_server,
    "tcp": tcp_server,
    "socketmap": socketmap_server,
}
AT_ONCE = ("memcache",)
"""Is asked anew each time, as in Postfix: it has no rest."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time limits that are no parameters, shortened."""
    for module in (mysql, pgsql):
        monkeypatch.setattr(module, "ANSWER_TIMEOUT", 0.5)
        monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.5)
    for module in (tcp, socketmap):
        monkeypatch.setattr(module, "TIMEOUT", 0.5)
    monkeypatch.setattr(mongodb, "TIMEOUT", 500)


def rested(table: LocalTable) -> None:
    """Let the time pass that a server is left alone for."""
    for server in table.source._servers._servers:
        server.rests_until = 0.0


def fails(table: LocalTable, key: str) -> None:
    with pytest.raises(TableError) as caught:
        table.lookup_now(key)
    assert (caught.value.code, caught.value.status) == (451, "4.3.0")


@pytest.mark.parametrize("kind", KINDS)
def test_trouble_is_an_error_told_once_and_passes(kind: str, here: Path, log: list[str], impatient: None) -> None:
    with KINDS[kind]() as (port, text, key), relay(port) as between:
        text = text.replace("PORT", str(between.port))
        (here / "t.cf").write_text(text)
        spec = text if kind in ("tcp", "socketmap") else f"{kind}:{here}/t.cf"
        for mode in TROUBLE:
            through_trouble(open_table(spec), key, between, mode, log, rests=kind not in AT_ONCE)


def through_trouble(
    table: LocalTable, key: str, between: Relay, mode: Mode, log: list[str], *, rests: bool
) -> None:
    first = table.lookup_now(key)
    assert first is not None
    for known in (True, False):  # while there is a connection, and when one is made
        between.mode = mode
        log.clear()
        fails(table, key)
        (line,) = log
        assert line.startswith(f"warning: {table.name}: "), (mode, line)
        assert str(between.port) in line, (mode, line)
        if rests:
            connections = between.accepted
            fails(table, key)
            assert (between.accepted, len(log)) == (connections, 1), (mode, log)
        if known:
            rested(table)
    between.mode = Mode.THROUGH
    rested(table)
    log.clear()
    assert table.lookup_now(key) == first, (mode, log)
    assert log == []


def test_a_database_file_in_trouble_is_an_error_and_passes(
    here: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY", 0.1)
    path = here / "db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (k, v)")
        database.executemany("INSERT INTO t VALUES (?, 'one')", [["a"], *[[f"{n}" * 100] for n in range(2000)]])
    database.close()
    whole = path.read_bytes()
    (here / "t.cf").write_text("dbpath = db\nquery = SELECT v FROM t WHERE k = '%s'\n")
    for name, content in {"garbage": b"\xff" * 5000, "cut": whole[: len(whole) // 2], "empty": b""}.items():
        path.write_bytes(content)
        table = open_table(f"sqlite:{here}/t.cf")
        log.clear()
        fails(table, "a")
        (line,) = log
        assert line.startswith(f"warning: sqlite:{here}/t.cf: SQLite server db: "), name
        path.write_bytes(whole)
        assert table.lookup_now("a") == "one", name
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    log.clear()
    table = open_table(f"sqlite:{here}/t.cf")
    fails(table, "a")
    (line,) = log
    assert "database is locked" in line
    writer.close()
    assert table.lookup_now("a") == "one"
    os.rename(path, here / "elsewhere")
    log.clear()
    table = open_table(f"sqlite:{here}/t.cf")
    fails(table, "a")
    (line,) = log
    assert "unable to open database file" in line
    os.rename(here / "elsewhere", path)
    assert table.lookup_now("a") == "one"
