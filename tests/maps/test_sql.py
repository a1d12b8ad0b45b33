"""mysql, pgsql and sqlite on real databases, beside real Postfix."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyfix.maps.open import open_or_fail, open_table
from pyfix.maps.table import OpenError, TableError
from tests.maps import servers
from tests.ports import free_port

Run = Callable[..., "CompletedProcess[bytes]"]

ROWS = [
    ("user@example.com", "box@one.test"),
    ("user@example.com", "plain"),
    ("one@example.com", "uno@one.test"),
    ("o'brien@example.com", "brien@one.test"),
    ("back\\slash@example.com", "slash@one.test"),
    ("empty@example.com", ""),
    ("null@example.com", None),
    ("\u00e9@example.com", "\u20ac@one.test"),
    ("sub@a.b.example.com", "sub@one.test"),
    ("local", "alone"),
    ("example.com", "domain@one.test"),
]
SCHEMA = "CREATE TABLE t (k VARCHAR(200), v VARCHAR(200))"


@dataclass
class Database:
    """A server with the rows in table t. connection: how a table's parameters name it."""

    kind: str
    connection: str

    def table(self, here: Path, parameters: str = "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\n") -> str:
        (here / "db.cf").write_text(self.connection + parameters)
        os.utime(here / "db.cf", (1000, 1000))  # a fresh one makes Postfix wait
        return f"{self.kind}:{here}/db.cf"


@pytest.fixture(scope="module")
def mysql() -> Iterator[Database]:
    pymysql = pytest.importorskip("pymysql", reason="the extra mysql is not installed")
    with servers.mariadb() as (port, sock):
        with pymysql.connect(unix_socket=str(sock), user="root", autocommit=True) as connection:
            cursor = connection.cursor()
            for statement in ("CREATE DATABASE m CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "USE m", SCHEMA,
                              "CREATE USER u@'%' IDENTIFIED BY 'p$w'", "GRANT ALL ON m.* TO u@'%'"):  # fmt: skip
                cursor.execute(statement)
            cursor.executemany("INSERT INTO t VALUES (%s, %s)", ROWS)
        yield Database(
            "mysql", f"hosts = 127.0.0.1:{port} unix:{sock}\nuser = u\npassword = p$w\ndbname = m\n"
        )


@pytest.fixture(scope="module")
def pgsql() -> Iterator[Database]:
    psycopg = pytest.importorskip("psycopg", reason="the extra pgsql is not installed")
    with servers.postgresql() as (port, _):
        with psycopg.connect(host="127.0.0.1", port=port, user="postgres", autocommit=True) as connection:
            connection.execute(SCHEMA)
            for row in ROWS:
                connection.execute("INSERT INTO t VALUES (%s, %s)", row)
            connection.execute(
                "CREATE FUNCTION look(text) RETURNS SETOF varchar LANGUAGE SQL"
                " AS 'SELECT v FROM t WHERE k = $1 ORDER BY v'"
            )
        yield Database(
            "pgsql",
            f"hosts = postgresql://postgres@127.0.0.1:{port}/postgres\nuser = postgres\ndbname = postgres\n",
        )


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Database:
    path = tmp_path_factory.mktemp("sqlite") / "db%?#"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(SCHEMA)
        connection.executemany("INSERT INTO t VALUES (?, ?)", ROWS)
    connection.close()
    return Database("sqlite", f"dbpath = {path}\n")


@pytest.fixture(params=["mysql", "pgsql", "sqlite"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


KEYS = ["user@example.com", "One@example.com", "o'brien@example.com", "back\\slash@example.com", "null@example.com",
        "\u00c9@example.com", "sub@a.b.example.com", "nobody@example.com", "local", "example.com", "@example.com",
        "empty@example.com", "' OR '1'='1", "x' --", "\\' OR 1=1 -- ", "user@", "%s", "a%u@b"]  # fmt: skip

QUERIES = {
    "plain": "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\n",
    "parts": "query = SELECT v FROM t WHERE k = '%u@%d' ORDER BY v\n",
    "upper": "query = SELECT v FROM t WHERE k = '%U@%D' AND '%S' = k ORDER BY v\n",
    "labels": "query = SELECT v FROM t WHERE k = 'sub@a.b.%2.%1' ORDER BY v\n",
    "many labels": "query = SELECT v FROM t WHERE k = 'sub@%4.b.%2.%1' ORDER BY v\n",
    "percent": "query = SELECT v FROM t WHERE k LIKE 'user%%' AND k = '%s' ORDER BY v\n",
    "two columns": "query = SELECT v, k FROM t WHERE k = '%s' ORDER BY v\n",
    "format": "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\nresult_format = <%s> %u %%\n",
    "format with domain": "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\nresult_format = %u at %d\n",
    "format with key": "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\nresult_format = %s for %U of %D in %1\n",
    "domain": "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\ndomain = example.com, x.test\n",
    "limit": "query = SELECT v FROM t WHERE k = '%s' ORDER BY v\nexpansion_limit = 1\n",
    "old": "select_field = v\ntable = t\nwhere_field = k\nadditional_conditions = and v <> 'plain'\n",
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_answers_are_those_of_real_postfix(database: Database, query: str, here: Path, postfix: Run) -> None:
    if not Path(f"/usr/lib/postfix/postfix-{database.kind}.so").exists():
        pytest.skip(f"real Postfix's {database.kind} plug-in is not installed")
    spec = database.table(here, query)
    table = open_or_fail(spec)
    keys = [key for key in KEYS if "limit" not in query or key != "user@example.com"]
    if database.kind == "pgsql":
        keys.remove("\u00c9@example.com")  # an older Postfix can't speak UTF-8 there
    done = postfix("postmap", "-q", "-", spec, stdin="".join(f"{key}\n" for key in keys).encode())
    theirs = dict(line.split("\t") for line in done.stdout.decode().splitlines())
    assert {key: value for key in keys if (value := table.lookup_now(key)) is not None} == theirs, done.stderr


def test_too_many_values_are_an_error(database: Database, here: Path, log: list[str]) -> None:
    table = open_or_fail(database.table(here, QUERIES["limit"]))
    with pytest.raises(TableError):
        table.lookup_now("user@example.com")
    (line,) = log
    assert line.startswith(f"warning: dict_{database.kind}_lookup: {here}/db.cf: Expansion limit exceeded for key")


def test_a_wrong_query_is_an_error_and_the_next_right_one_answers(
    database: Database, here: Path, log: list[str]
) -> None:
    table = open_or_fail(database.table(here, "query = SELECT v FROM '%s'\n"))
    for _ in range(2):
        with pytest.raises(TableError):
            table.lookup_now("a")
    assert len(log) == 2
    assert log[0].startswith(f"warning: {table.name}: ")


TEXTS = st.text(st.sampled_from("a'\"\\%;-@.\u00e9 \n\x1a"), min_size=1, max_size=12)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=10, max_size=30))
def test_no_key_gets_out_of_its_quotes(database: Database, here: Path, keys: list[str]) -> None:
    table = open_or_fail(database.table(here, "query = SELECT '%s'\n"), fold=False)
    assert [table.lookup_now(key) for key in keys] == keys


@pytest.mark.parametrize("key", ["a\udcffb", "a\0b", "a' OR 1=1\0"])
def test_a_key_that_no_database_can_have_is_not_there(
    database: Database, here: Path, key: str, log: list[str]
) -> None:
    table = open_or_fail(database.table(here, "query = SELECT 'x%s'\n"), utf8=False)
    assert table.lookup_now(key) is None
    assert table.lookup_now("a") == "xa"
    assert log == []


def test_many_may_ask_at_once_on_a_loop(database: Database, here: Path) -> None:
    table = open_or_fail(database.table(here))

    async def ask() -> list[str | None]:
        return await asyncio.gather(*[table.lookup("one@example.com") for _ in range(40)])

    assert table.waits
    assert asyncio.run(ask()) == ["uno@one.test"] * 40


def test_a_function_of_the_database_may_be_asked(pgsql: Database, here: Path) -> None:
    table = open_or_fail(pgsql.table(here, "select_function = look\n"))
    assert table.lookup_now("user@example.com") == "box@one.test,plain"


@pytest.mark.parametrize("known", [True, False])
def test_mysql_is_asked_through_tls(mysql: Database, here: Path, log: list[str], known: bool) -> None:
    hosts, sock = mysql.connection.splitlines()[0].split(" unix:")
    lines = [hosts, *mysql.connection.splitlines()[1:], "tls_verify_cert = yes"]
    lines += [f"tls_CAfile = {sock.removesuffix('/sock')}/cert.pem"] if known else []
    (here / "db.cf").write_text("\n".join([*lines, "query = SHOW STATUS LIKE 'Ssl_version'", ""]))
    table = open_or_fail(f"mysql:{here}/db.cf")
    if known:
        assert (table.lookup_now("x") or "").startswith("Ssl_version,TLSv1")
        return
    with pytest.raises(TableError):
        table.lookup_now("x")
    assert "CERTIFICATE_VERIFY_FAILED" in log[0]


def test_parameters_may_stand_in_main_cf(mysql: Database, here: Path) -> None:
    lines = (mysql.connection.replace("p$w", "p$$w") + QUERIES["old"]).splitlines()
    (here / "main.cf").write_text("".join(f"users_{line}\n" for line in lines))
    assert open_or_fail("mysql:users", config_dir=str(here)).lookup_now("one@example.com") == "uno@one.test"


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_a_server_that_is_down_is_an_error_and_rests(
    kind: str, here: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pymysql" if kind == "mysql" else "psycopg")
    port = free_port()
    (here / "db.cf").write_text(f"hosts = 127.0.0.1:{port}\nquery = SELECT 1\n")
    table = open_table(f"{kind}:{here}/db.cf")
    for _ in range(3):
        with pytest.raises(TableError) as caught:
            table.lookup_now("a")
        assert (caught.value.code, caught.value.status) == (451, "4.3.0")
    (line,) = log
    assert f"server 127.0.0.1:{port}: " in line
    assert line.startswith(f"warning: {kind}:{here}/db.cf: ")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("query = %x\n", "db_common_parse: {cf}: Invalid query template: %x"),
        ("query = 1\nresult_format = 50%\n", "db_common_parse: {cf}: Invalid result template: 50%"),
        ("query = 1\nexpansion_limit = many\n", "{cf}, line 3: bad numerical configuration: expansion_limit = many"),
        ("foo\n", '{cf}, line 2: missing \'=\' after attribute name: "foo"'),
    ],
)
def test_bad_parameters_are_told_with_their_place(
    sqlite: Database, here: Path, parameters: str, reason: str
) -> None:
    with pytest.raises(OpenError) as caught:
        open_or_fail(sqlite.table(here, parameters))
    assert str(caught.value) == reason.format(cf=here / "db.cf")


def test_a_missing_file_of_parameters_is_told() -> None:
    with pytest.raises(OpenError, match=r"open /no/such\.cf: No such file or directory"):
        open_or_fail("mysql:/no/such.cf")


@pytest.mark.parametrize(
    ("parameters", "query", "parts"),
    [
        ("query = select v from t where k = '%s' and 'a''%u' != '\"%d\"' and '%1' != '%%'", None, []),
        ("query = select 1 where k = '%s", None, []),
        ('query = select "%%s" from t where k = "%s" or k = "x %u\'%D\'" or k = %1', None, ["%s", "%u", "%D", "%1"]),
        (
            'table = t\nselect_field = v\nwhere_field = k\nadditional_conditions = and v != "%s"',
            "SELECT v FROM t WHERE k='%s' and v != \"%s\"",
            ["%s"],
        ),
    ],
)
def test_sqlite_warns_of_a_part_of_the_key_outside_of_single_quotes(
    sqlite: Database, here: Path, log: list[str], parameters: str, query: str | None, parts: list[str]
) -> None:
    table = sqlite.table(here, f"{parameters}\n")
    open_or_fail(table)
    shown = query or parameters.removeprefix("query = ")
    end = "without the recommended '' quotes"
    assert [line for line in log if "quotes" in line] == [
        f"warning: {table}: query >{shown}< contains >{part}< {end}" for part in parts
    ]


def test_a_locked_database_is_waited_for(sqlite: Database, here: Path) -> None:
    table = open_or_fail(sqlite.table(here))
    assert table.lookup_now("one@example.com") == "uno@one.test"
    path = sqlite.connection.removeprefix("dbpath = ").strip()
    writer = sqlite3.connect(path)
    with writer:
        writer.execute("UPDATE t SET v = v")
        assert table.lookup_now("one@example.com") == "uno@one.test"
    writer.close()


def test_connections_that_the_server_has_closed_are_made_anew_on_a_loop(
    pgsql: Database, here: Path, log: list[str]
) -> None:
    table = open_or_fail(pgsql.table(here))
    end_all = "query = SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() -- %s\n"
    (here / "other").mkdir()
    other = open_or_fail(pgsql.table(here / "other", end_all))

    async def ask() -> list[str | None]:
        found = []
        for _ in range(2):
            found += await asyncio.gather(*[table.lookup("one@example.com") for _ in range(9)])
            other.lookup_now("end")
        return [*found, await table.lookup("nobody@example.com")]

    assert asyncio.run(ask()) == ["uno@one.test"] * 18 + [None]
    assert log == []
