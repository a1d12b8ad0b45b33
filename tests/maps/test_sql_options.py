"""mysql, pgsql, sqlite: each parameter where it makes a difference, as with real Postfix: answers and statuses."""

import os
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pyfix.maps.mysql_options import read_options
from pyfix.maps.open import open_or_fail, open_table
from pyfix.maps.table import OpenError, TableError
from tests.maps import servers
from tests.real_postfix import release

Run = Callable[..., "CompletedProcess[bytes]"]

Q = "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\n"
OLD = "table = t\nselect_field = v\nwhere_field = k\nadditional_conditions = AND v = 'x'\n"
ROWS = [("a", "one"), ("\u00e9", "\u20ac"), ("b", "x"), ("b", "y")]
PROCEDURES = """\
CREATE PROCEDURE nothing(IN p VARCHAR(50)) BEGIN SET @x = p; END
CREATE PROCEDURE some(IN p VARCHAR(50)) BEGIN SELECT v FROM t WHERE k = p; END
CREATE PROCEDURE two(IN p VARCHAR(50)) BEGIN SELECT v FROM t WHERE k = p; SELECT v FROM t WHERE k = 'b'; END
CREATE USER u@'%' IDENTIFIED BY 'pw'
CREATE USER anybody@'%'
CREATE USER s@'%' IDENTIFIED BY 'pw' REQUIRE SSL
CREATE USER x@'%' REQUIRE X509
GRANT ALL ON m.* TO u@'%'
GRANT ALL ON m.* TO anybody@'%'
GRANT ALL ON m.* TO s@'%'
GRANT ALL ON m.* TO x@'%'
"""
OPTIONS = """\
[client]
user = anybody
[wrong]
user=nobody
[port]
port={port}
"""


@dataclass
class Place:
    """Where a server is. other: a directory without certificates."""

    port: int
    top: Path


@pytest.fixture(scope="module")
def mysql() -> Iterator[Place]:
    pymysql = pytest.importorskip("pymysql", reason="the extra mysql is not installed")
    with servers.mariadb() as (port, sock):
        with pymysql.connect(unix_socket=str(sock), user="root", autocommit=True) as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE DATABASE m CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
            for line in ["USE m", "CREATE TABLE t (k VARCHAR(50), v VARCHAR(50))", *PROCEDURES.splitlines()]:
                cursor.execute(line)
            cursor.executemany("INSERT INTO t VALUES (%s, %s)", ROWS)
        (sock.parent / "my.cnf").write_text(OPTIONS.format(port=port))
        yield Place(port, sock.parent)


@pytest.fixture(scope="module")
def pgsql() -> Iterator[Place]:
    psycopg = pytest.importorskip("psycopg", reason="the extra pgsql is not installed")
    with servers.postgresql() as (port, top):
        with psycopg.connect(host="127.0.0.1", port=port, user="postgres", autocommit=True) as connection:
            connection.execute("CREATE TABLE t (k text, v text)")
            for row in ROWS:
                connection.execute("INSERT INTO t VALUES (%s, %s)", row)
            connection.execute("CREATE USER p")
            connection.execute("GRANT ALL ON t TO p")
            connection.execute(
                "CREATE FUNCTION look(text) RETURNS SETOF text LANGUAGE SQL AS 'SELECT v FROM t WHERE k = $1'"
            )
        yield Place(port, top)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Place:
    top = tmp_path_factory.mktemp("sqlite")
    with sqlite3.connect(top / "db") as connection:
        connection.execute("CREATE TABLE t (k, v)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", ROWS)
    connection.close()
    return Place(0, top)


@pytest.fixture(params=["mysql", "pgsql", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


HOST = "hosts = 127.0.0.1:{port}\n"
MYSQL = HOST + "user = u\npassword = pw\ndbname = m\n"
S = HOST + "user = s\npassword = pw\ndbname = m\n" + Q
FILE = HOST + "dbname = m\noption_file = {top}/my.cnf\n" + Q
PGSQL = HOST + "user = p\ndbname = postgres\n"
SQLITE = "dbpath = {top}/db\n"

CASES = {
    "mysql": {
        "inet host": (MYSQL.replace("127", "inet:127") + Q, "a"),
        "unix host": (MYSQL.replace("127.0.0.1:{port}", "unix:{top}/sock") + Q, "a"),
        "one of the hosts is down": (MYSQL.replace("127", "127.0.0.1:1 127") + Q, "a"),
        "the host is down": (MYSQL.replace("{port}", "1") + Q, "a"),
        "wrong user": (MYSQL.replace("= u", "= nobody") + Q, "a"),
        "wrong password": (MYSQL.replace("= pw", "= no") + Q, "a"),
        "wrong dbname": (MYSQL.replace("= m", "= mysql") + Q, "a"),
        "charset": (MYSQL + Q + "charset = utf8mb4\n", "\u00e9"),
        "procedure": (MYSQL + "query = CALL some('%s')\n", "a"),
        "procedure without a result": (MYSQL + "query = CALL nothing('%s')\n", "a"),
        "require_result_set": (MYSQL + "query = CALL nothing('%s')\nrequire_result_set = no\n", "a"),
        "procedure with two results": (MYSQL + "query = CALL two('%s')\n", "a"),
        "no rows": (MYSQL + Q, "c"),
        "expansion_limit": (MYSQL + Q + "expansion_limit = 1\n", "b"),
        "old query": (MYSQL + OLD, "b"),
        "old and new": (MYSQL + Q + "table = no\nselect_field = no\nwhere_field = no\n", "a"),
        "no query": (MYSQL, "a"),
        "no select_field": (MYSQL + "table = t\nwhere_field = k\n", "a"),
        "wrong query": (MYSQL + "query = SELEKT\n", "a"),
        "option_file": (FILE, "a"),
        "option_group": (FILE + "option_group = wrong\n", "a"),
        "empty option_group": (FILE + "option_group =\n", "a"),
        "port of option_group": (FILE.replace(":{port}", "") + "option_group = port\n", "a"),
        "user before option_file": (FILE.replace("dbname", "user = nobody\ndbname"), "a"),
        "tls_CAfile": (S + "tls_CAfile = {top}/cert.pem\n", "a"),
        "tls_CAfile of another": (S + "tls_CAfile = {top}/other.pem\n", "a"),
        "tls_CAfile that is none": (S + "tls_CAfile = {top}/no.pem\n", "a"),
        "tls_CApath": (S + "tls_CApath = {top}/ca\n", "a"),
        "tls_CApath without it": (S + "tls_CApath = {top}/data\n", "a"),
        "tls_verify_cert": (S + "tls_CAfile = {top}/cert.pem\ntls_verify_cert = yes\n", "a"),
        "tls_verify_cert, another name": (
            S.replace("127.0.0.1", "localhost.") + "tls_CAfile = {top}/cert.pem\ntls_verify_cert = yes\n", "a"),
        "another name": (S.replace("127.0.0.1", "localhost.") + "tls_CAfile = {top}/cert.pem\n", "a"),
        "tls_cert_file": (
            S.replace("= s", "= x").replace("= pw", "=") + "tls_cert_file = {top}/cert.pem\n"
            "tls_key_file = {top}/key.pem\ntls_CAfile = {top}/cert.pem\n", "a"),
        "no tls_cert_file": (
            S.replace("= s", "= x").replace("= pw", "=") + "tls_CAfile = {top}/cert.pem\n", "a"),
        "tls_ciphers": (S + "tls_ciphers = ECDHE-ECDSA-AES128-GCM-SHA256\n", "a"),
        "tls_ciphers that are none": (S + "tls_ciphers = NONSENSE\n", "a"),
    },
    "pgsql": {
        "inet host": (PGSQL.replace("127", "inet:127") + Q, "a"),
        "URI": ("hosts = postgresql://p@127.0.0.1:{port}/postgres\ndbname = no\nuser = no\npassword = no\n" + Q, "a"),
        "short URI": ("hosts = postgres://p@127.0.0.1:{port}/postgres\ndbname = no\n" + Q, "a"),
        "one of the hosts is down": (PGSQL.replace("127", "127.0.0.1:1 127") + Q, "a"),
        "the host is down": (PGSQL.replace("{port}", "1") + Q, "a"),
        "wrong user": (PGSQL.replace("= p", "= nobody", 1) + Q, "a"),
        "wrong dbname": (PGSQL.replace("= postgres", "= no") + Q, "a"),
        "no rows": (PGSQL + Q, "c"),
        "several statements": (PGSQL + Q.rstrip() + "; SELECT v FROM t WHERE k = 'b' ORDER BY v\n", "a"),
        "a statement without rows": (PGSQL + "query = UPDATE t SET v = v WHERE k = '%s'\n", "a"),
        "expansion_limit": (PGSQL + Q + "expansion_limit = 1\n", "b"),
        "select_function": (PGSQL + "select_function = look\n", "a"),
        "select_function and query": (PGSQL + Q + "select_function = no\n", "a"),
        "select_function and old query": (PGSQL + "select_function = look\ntable = no\n", "a"),
        "old query": (PGSQL + OLD, "b"),
        "no query": (PGSQL, "a"),
        "wrong query": (PGSQL + "query = SELEKT\n", "a"),
    },
    "sqlite": {
        "plain": (SQLITE + Q, "a"),
        "no dbpath": (Q, "a"),
        "two columns": (SQLITE + "query = SELECT v, k FROM t WHERE k = '%s'\n", "a"),
        "several statements": (SQLITE + "query = SELECT v FROM t WHERE k = '%s'; SELECT 'z;'\n", "a"),
        "semicolon in quotes": (SQLITE + "query = SELECT v||';' FROM t WHERE k = '%s'\n", "a"),
        "expansion_limit": (SQLITE + Q + "expansion_limit = 1\n", "b"),
        "old query": (SQLITE + OLD, "b"),
        "no query": (SQLITE, "a"),
        "no where_field": (SQLITE + "table = t\nselect_field = v\n", "a"),
        "wrong query": (SQLITE + "query = SELEKT '%s'\n", "a"),
    },
}  # fmt: skip
NEWER = {"short URI": (3, 10)}
"""What older releases than these do not have."""


@dataclass
class Answer:
    """trouble: not found is none."""

    value: str | None
    trouble: bool
    fatal: str


def theirs(postfix: Run, spec: str, key: str) -> Answer:
    done = postfix("postmap", "-q", key, spec)
    text = done.stderr.decode()
    bad = re.search(r"fatal: (/\S+: bad string .*?) *$", text, re.MULTILINE)
    return Answer(done.stdout.decode().rstrip("\n") or None, "fatal: " in text, bad[1] if bad else "")


def ours(spec: str, key: str) -> Answer:
    try:
        return Answer(open_or_fail(spec).lookup_now(key), False, "")
    except TableError:
        return Answer(None, True, "")
    except OpenError as error:
        return Answer(None, True, str(error).rstrip() if "bad string" in str(error) else "")


def spec_of(here: Path, kind: str, name: str, place: Place) -> str:
    folder = here / re.sub(r"\W", "-", name)
    folder.mkdir()
    (folder / "t.cf").write_text(CASES[kind][name][0].format(port=place.port, top=place.top))
    os.utime(folder / "t.cf", (1000, 1000))  # a fresh one makes Postfix wait
    return f"{kind}:{folder}/t.cf"


def test_each_parameter_means_what_it_means_to_real_postfix(
    request: pytest.FixtureRequest, kind: str, here: Path, postfix: Run
) -> None:
    if not Path(f"/usr/lib/postfix/postfix-{kind}.so").exists():
        pytest.skip(f"real Postfix's {kind} plug-in is not installed")
    place = request.getfixturevalue(kind)
    if kind == "mysql":
        with_certificates(place.top)
    specs = {name: spec_of(here, kind, name, place) for name in CASES[kind]}
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda name: theirs(postfix, specs[name], CASES[kind][name][1]), specs)
    different = {
        name: (found, expected)
        for (name, spec), expected in zip(specs.items(), answers, strict=True)
        if (found := ours(spec, CASES[kind][name][1])) != expected and release() >= NEWER.get(name, ())
    }
    assert different == {}


def with_certificates(top: Path) -> None:
    """A directory of authorities in which the server's is, and a file of another one."""
    for name in ("ca", "another"):
        (top / name).mkdir(exist_ok=True)
    servers.certificate(top / "another", None)
    (top / "another/cert.pem").rename(top / "other.pem")
    named = servers.certificate_name(top / "cert.pem")
    if not (top / "ca" / f"{named}.0").exists():
        (top / "ca" / f"{named}.0").symlink_to("../cert.pem")


def test_a_uri_may_be_short(pgsql: Place, here: Path) -> None:
    assert ours(spec_of(here, "pgsql", "short URI", pgsql), "a").value == "one"


@pytest.mark.parametrize(("charset", "value"), [("utf8mb4", "\u20ac"), ("latin1", None)])
def test_keys_are_passed_to_mysql_as_they_are(mysql: Place, here: Path, charset: str, value: str | None) -> None:
    (here / "t.cf").write_text(f"{MYSQL.format(port=mysql.port)}{Q}charset = {charset}\n")
    assert open_or_fail(f"mysql:{here}/t.cf").lookup_now("\u00e9") == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("charset = nonsense\n", "unknown charset nonsense"),
        ("tls_CAfile = /no/such.pem\n", "TLS: /no/such.pem: No such file or directory"),
        ("tls_cert_file = /no/such.pem\ntls_key_file = /no/key.pem\n", "TLS: /no/such.pem, /no/key.pem: No such"),
        ("tls_ciphers = NONSENSE\n", "TLS: NONSENSE: "),
    ],
)
def test_what_mysql_can_not_use_is_named(here: Path, text: str, reason: str) -> None:
    pytest.importorskip("pymysql", reason="the extra mysql is not installed")
    (here / "t.cf").write_text(f"dbname = m\n{Q}{text}")
    with pytest.raises(OpenError) as caught:
        open_or_fail(f"mysql:{here}/t.cf")
    assert str(caught.value).startswith(f"mysql:{here}/t.cf: {reason}")


def test_option_files_are_read_when_the_table_is_opened(mysql: Place, here: Path) -> None:
    (here / "my.cnf").write_text((mysql.top / "my.cnf").read_text())
    (here / "t.cf").write_text(FILE.format(port=mysql.port, top=here))
    table = open_or_fail(f"mysql:{here}/t.cf")
    (here / "my.cnf").unlink()
    assert table.lookup_now("a") == "one"


def test_option_files_have_groups_and_include_others(here: Path) -> None:
    (here / "more").mkdir()
    (here / "more/a.cnf").write_text("[client]\nport=1\nssl_ca = /a b/c.pem # not this\n")
    (here / "more/b.txt").write_text("[client]\nport=2\n")
    (here / "one.cnf").write_text("[mail]\nuser = 'm # y'\n!include one.cnf\n")
    (here / "my.cnf").write_text(
        "lost = 1\n# c\n; c\n[client]\nuser = u\npassword=\"p=#w\"\nskip-ssl\n[mysqld]\nport = 3\n"
        f"!include {here}/one.cnf\n!includedir {here}/more\n!includedir {here}/no\n!include {here}/no.cnf\n"
    )
    found = read_options([str(here / "my.cnf"), "/no/such"], ("client", "mail"))
    assert found == {"user": "m # y", "password": "p=#w", "port": "1", "ssl-ca": "/a b/c.pem", "skip-ssl": ""}


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_a_server_that_stands_alone_is_connected_twice(kind: str, here: Path, log: list[str]) -> None:
    pytest.importorskip("pymysql" if kind == "mysql" else "psycopg")
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while len(connections) < 2:
                peer, _ = listener.accept()
                connections.append(peer)
                peer.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        (here / "t.cf").write_text(f"hosts = 127.0.0.1:{listener.getsockname()[1]}\ndbname = m\nuser = u\n{Q}")
        with pytest.raises(TableError):
            open_table(f"{kind}:{here}/t.cf").lookup_now("a")
        thread.join()
    assert len(log) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hosts = 127.0.0.1:1\nuser = u\npassword = p w\ndbname = d\n",
         {"host": "127.0.0.1", "hostaddr": "127.0.0.1", "port": "1", "user": "u", "password": "p w", "dbname": "d",
          "client_encoding": "UTF8"}),
        ("hosts = inet:[::1]\nencoding = LATIN1\n",
         {"host": "::1", "hostaddr": "::1", "port": "5432", "client_encoding": "LATIN1"}),
        ("hosts = unix:/run/pg\nuser = u\n", {"host": "/run/pg", "user": "u", "client_encoding": "UTF8"}),
        ("hosts = postgresql://u:s@h:2/d?sslmode=require\nuser = no\npassword = no\ndbname = no\n",
         {"host": "h", "port": "2", "user": "u", "password": "s", "dbname": "d", "sslmode": "require",
          "client_encoding": "UTF8"}),
    ],
)  # fmt: skip
def test_libpq_is_told_all_of_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: dict[str, str]
) -> None:
    psycopg = pytest.importorskip("psycopg", reason="the extra pgsql is not installed")
    told: list[dict[str, str]] = []

    def connect(_: object, conninfo: str) -> None:
        told.append(psycopg.conninfo.conninfo_to_dict(conninfo))
        raise OSError("not really")

    monkeypatch.setattr("pyfix.maps.pgsql.Postgres", connect)
    (here / "t.cf").write_text(text + Q)
    with pytest.raises(TableError):
        open_table(f"pgsql:{here}/t.cf").lookup_now("a")
    assert told[0] == expected


@pytest.mark.parametrize("kind", ["mysql", "pgsql", "redis"])
def test_intervals_are_the_tables(kind: str, here: Path) -> None:
    pytest.importorskip({"mysql": "pymysql", "pgsql": "psycopg"}.get(kind, kind))
    (here / "t.cf").write_text("dbname = d\nquery = SELECT '%s'\nretry_interval = 7\nidle_interval = 8\n")
    servers_of = open_or_fail(f"{kind}:{here}/t.cf").source._servers
    assert (servers_of._retry_interval, servers_of._idle_interval) == (7, 8)
    (here / "t.cf").write_text("dbname = d\nquery = SELECT '%s'\n")
    servers_of = open_or_fail(f"{kind}:{here}/t.cf").source._servers
    assert (servers_of._retry_interval, servers_of._idle_interval) == (60, 60)
