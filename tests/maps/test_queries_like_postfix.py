"""The text of the queries that MariaDB and PostgreSQL get for keys, which here is their answer: postmap's and ours."""

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.maps import servers
from tests.maps.test_expansion_like_postfix import ASKED, KEYS, ours, write

Run = Callable[..., "CompletedProcess[bytes]"]

HARD_KEYS = [
    *KEYS, "o''b\\'x@y.z", 'a"b`c@d.e', "\\", "'", "a\\", "x\x01\x1f\x7f@a.b", "\x1a@a.b", "\b\v\f@a.b",
    "x\ty@a.b", "a;--b/*c*/@d.e", "_%@a.b", "x" * 900 + "@" + "y" * 900 + ".z", "\u65e5\u672c\U0001f600@\u4f8b.jp",
    "\u00bf'\u00bf\\@x.y", "a\rb@c.d",
]  # fmt: skip
TEMPLATES = [*ASKED, ('%s" `%u` %d', ""), ("%D%%%U%%%S", "b.c, a.b, d.e")]
QUERIES = {
    "mysql": "SELECT info_binary FROM information_schema.processlist WHERE id = CONNECTION_ID() AND '{}' IS NOT NULL",
    "pgsql": "SELECT current_query() WHERE '{}' IS NOT NULL",
}


@pytest.fixture(scope="module")
def mysql() -> Iterator[str]:
    """How a table names the server."""
    pymysql = pytest.importorskip("pymysql", reason="the extra mysql is not installed")
    with servers.mariadb() as (port, sock):
        with pymysql.connect(unix_socket=str(sock), user="root", autocommit=True) as connection:
            connection.cursor().execute("CREATE USER u@'%' IDENTIFIED BY 'pw'")
        yield f"hosts = 127.0.0.1:{port}\nuser = u\npassword = pw\ndbname = information_schema\n"


@pytest.fixture(scope="module")
def pgsql() -> Iterator[str]:
    """The same."""
    pytest.importorskip("psycopg", reason="the extra pgsql is not installed")
    with servers.postgresql() as (port, _):
        yield f"hosts = postgresql://postgres@127.0.0.1:{port}/postgres\nuser = postgres\ndbname = postgres\n"


def theirs(postfix: Run, spec: str, keys: list[str]) -> dict[str, str]:
    """What real postmap finds for the keys, of which some have white space in them."""
    done = postfix("postmap", "-q", "-", spec, stdin="".join([f"{key}\n" for key in keys]).encode())
    assert b"fatal" not in done.stderr, done.stderr
    lines = done.stdout.decode().split("\n")
    return {key: line.removeprefix(f"{key}\t") for key in keys for line in lines if line.startswith(f"{key}\t")}


@pytest.mark.parametrize(("template", "domain"), TEMPLATES)
@pytest.mark.parametrize("kind", QUERIES)
def test_a_server_is_asked_the_same(
    request: pytest.FixtureRequest, here: Path, postfix: Run, kind: str, template: str, domain: str
) -> None:
    if not Path(f"/usr/lib/postfix/postfix-{kind}.so").exists():
        pytest.skip(f"real Postfix's {kind} plug-in is not installed")
    server = request.getfixturevalue(kind)
    text = f"{server}query = {QUERIES[kind].format(template)}\ndomain = {domain}\n"
    spec = f"{kind}:{write(here, text)}"
    assert ours(spec, HARD_KEYS) == theirs(postfix, spec, HARD_KEYS)
