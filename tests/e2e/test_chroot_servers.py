"""Daemons in a jail go on asking their servers: by names that only the world outside knows, and after restarts."""

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.test_chroot import MASTER_CF
from tests.maps import servers
from tests.maps.kerberos import realm
from tests.maps.relay import Mode, Relay, relay
from tests.maps.test_mongodb import goto, serving
from tests.maps.test_servers import answer_socketmap, answer_tcp, small_server

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

LDIF = (
    "dn: dc=test\nobjectClass: domain\ndc: test\n\n"
    "dn: cn=alice,dc=test\nobjectClass: mailthing\ncn: alice\nmaildrop: alice@demo.test\n\n"
    "dn: cn=bound,dc=test\nobjectClass: mailthing\ncn: bound\nuserPassword: pw\n\n"
)
LDAP = "search_base = dc=test\nquery_filter = (cn=%u)\ntimeout = 5\n"
SQL = "query = SELECT 'alice@demo.test' WHERE '%u' = 'alice'\n"
Parts = tuple[int, str]
"""A server's port, and the rest of an option file in which HOST stands for it."""


@contextmanager
def ldap(text: str) -> Iterator[Parts]:
    pytest.importorskip("ldap", reason="the extra ldap is not installed")
    with servers.slapd(LDIF) as (port, sock):
        yield port, LDAP + text.format(top=sock.parent)


def plain_ldap() -> Iterator[Parts]:
    return ldap("server_host = ldap://localhost:PORT\nbind = no\n")


def hidden_ldap() -> Iterator[Parts]:
    return ldap(
        "server_host = ldap://127.0.0.1:PORT\n"
        "start_tls = yes\ntls_require_cert = yes\ntls_ca_cert_file = {top}/cert.pem\n"
        "bind = sasl\nsasl_mechs = SCRAM-SHA-256\nbind_dn = bound\nbind_pw = pw\n"
    )


@contextmanager
def mysql() -> Iterator[Parts]:
    pytest.importorskip("pymysql", reason="the extra mysql is not installed")
    with servers.mariadb() as (port, sock):
        query = SQL.replace(" WHERE", " FROM DUAL WHERE")
        tls = f"tls_verify_cert = yes\ntls_CAfile = {sock.parent}/cert.pem\n"
        yield port, f"hosts = 127.0.0.1:PORT\nuser = root\nretry_interval = 1\n{tls}{query}"


@contextmanager
def mysql_by_name() -> Iterator[Parts]:
    with mysql() as (port, text):
        yield port, text.replace("127.0.0.1", "localhost").replace("tls_verify_cert = yes\n", "")


@contextmanager
def pgsql() -> Iterator[Parts]:
    pytest.importorskip("psycopg", reason="the extra pgsql is not installed")
    with servers.postgresql() as (port, _):
        yield port, f"hosts = localhost:PORT\nuser = postgres\nretry_interval = 1\n{SQL}"


@contextmanager
def pgsql_uri() -> Iterator[Parts]:
    with pgsql() as (port, text):
        yield port, text.replace("localhost:PORT", "postgresql://postgres@localhost:PORT/postgres")


@contextmanager
def redis() -> Iterator[Parts]:
    pytest.importorskip("redis", reason="the extra redis is not installed")
    with servers.redis() as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"SET alice@sales.test alice@demo.test\r\n")
            assert client.recv(100) == b"+OK\r\n"
        yield port, "hosts = redis://localhost:PORT\nquery = GET %s\nretry_interval = 1\n"


@contextmanager
def memcache() -> Iterator[Parts]:
    with servers.memcached() as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"set alice@sales.test 0 0 15\r\nalice@demo.test\r\n")
            assert client.recv(100) == b"STORED\r\n"
        yield port, "memcache = inet:localhost:PORT\n"


@contextmanager
def mongodb() -> Iterator[Parts]:
    with serving() as server:
        server.answer = goto
        port = server.listener.getsockname()[1]
        uri = "mongodb://localhost:PORT/?serverSelectionTimeoutMS=500"
        query = 'query_filter = {"k": "%u"}\nresult_attribute = goto\n'
        yield port, f"uri = {uri}\ndbname = mail\ncollection = users\n{query}"


@contextmanager
def tcp() -> Iterator[Parts]:
    known = {b"get alice@sales.test\n": b"200 alice@demo.test\n"}
    with small_server(lambda request: known.get(request, answer_tcp(request))) as (port, _):
        yield port, "tcp:localhost:PORT"


@contextmanager
def socketmap() -> Iterator[Parts]:
    def answer(request: bytes) -> bytes:
        return b"18:OK alice@demo.test," if b"alice@sales.test" in request else answer_socketmap(request)

    with small_server(answer, b",") as (port, _):
        yield port, "socketmap:inet:localhost:PORT:m"


KINDS = {
    "ldap": plain_ldap,
    "ldap with SASL and TLS": hidden_ldap,
    "mysql": mysql_by_name,
    "mysql with TLS": mysql,
    "pgsql": pgsql,
    "pgsql by URI": pgsql_uri,
    "redis": redis,
    "memcache": memcache,
    "mongodb": mongodb,
    "tcp": tcp,
    "socketmap": socketmap,
}


@pytest.fixture
def jailed(instance):
    """A started instance whose smtpd and cleanup are in a jail and ask this table, whose options are those."""

    def start(spec: str, options: str = "", main_cf: str = ""):
        mail = instance(
            f"virtual_alias_domains = sales.test\nvirtual_alias_maps = {spec}\nvirtual_transport = discard\n{main_cf}",
            MASTER_CF,
            start=False,
        )
        (mail.config / "t.cf").write_text(options)
        mail.start()
        return mail

    return start


def answer(mail, user: str) -> int:
    with mail.smtp() as client:
        client.ehlo()
        client.mail("a@example.com")
        return client.rcpt(f"{user}@sales.test")[0]


def check(mail, between: Relay | None) -> None:
    assert [answer(mail, user) for user in ("nobody", "alice", "alice")] == [550, 250, 250], mail.log()
    worker = mail.pid_of("smtpd")
    assert os.readlink(f"/proc/{worker}/root") == str(mail.queue)
    assert "warning" not in mail.log()
    if between is None:
        return
    between.mode = Mode.DOWN
    assert answer(mail, "alice") == 451
    mail.wait_for(r"smtpd\[\d+\]: warning: \S+: \S+( map)? server \S+: ")
    between.mode = Mode.THROUGH
    mail.wait_until(lambda: answer(mail, "alice") == 250)
    assert mail.pid_of("smtpd") == worker
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["alice@sales.test"], b"Subject: x\r\n\r\nx\r\n")
    mail.wait_for(r"to=<alice@demo\.test>, orig_to=<alice@sales\.test>.*status=sent")


@pytest.mark.parametrize("kind", KINDS)
def test_a_jailed_daemon_finds_its_server_by_name_and_again_after_a_restart(jailed, kind: str) -> None:
    with KINDS[kind]() as (port, text), relay(port) as between:
        text = text.replace("PORT", str(between.port))
        table = kind.split()[0]
        check(jailed(text if table in ("tcp", "socketmap") else f"{table}:{{directory}}/etc/t.cf", text), between)


def test_a_jailed_daemon_reads_a_database_that_it_opened_before(jailed, tmp_path_factory) -> None:
    with servers.directory() as top:
        with sqlite3.connect(top / "db") as database:
            database.execute("CREATE TABLE t (k, v)")
            database.execute("INSERT INTO t VALUES ('alice', 'alice@demo.test')")
        database.close()
        options = f"dbpath = {top}/db\nquery = SELECT v FROM t WHERE k = '%u'\n"
        mail = jailed("pipemap:{sqlite:{directory}/etc/t.cf, static:alice@demo.test}", options)
        check(mail, None)
        with sqlite3.connect(top / "db") as database:
            database.execute("INSERT INTO t VALUES ('bob', 'alice@demo.test')")
        database.close()
        assert answer(mail, "bob") == 250


def test_proxymap_is_outside_of_the_jail_where_kerberos_is(jailed, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ldap", reason="the extra ldap is not installed")
    with realm("bound") as environment, servers.slapd(LDIF, environment) as (port, _):
        keys = environment["KRB5_KTNAME"].replace("server", "bound")
        for name, value in {**environment, "KRB5_CLIENT_KTNAME": keys, "KRB5CCNAME": "MEMORY:"}.items():
            monkeypatch.setenv(name, value)
        options = f"{LDAP}server_host = ldap://localhost:{port}\nbind = sasl\nsasl_mechs = GSSAPI\n"
        imported = f"import_environment = MAIL_CONFIG TZ {' '.join(environment)} KRB5_CLIENT_KTNAME\n"
        mail = jailed("proxy:ldap:{directory}/etc/t.cf", options, imported)
        check(mail, None)
        mail.edit("main.cf", f"virtual_alias_maps = ldap:{mail.config}/t.cf\n")
        mail.reload()
        mail.wait_until(lambda: answer(mail, "alice") == 451)
        mail.wait_for(r"smtpd\[\d+\]: warning: ldap:\S+: LDAP server \S+: Unable to bind to server .*Local error")


def test_a_function_is_imported_before_the_jail_closes(jailed) -> None:
    with servers.directory() as top:
        (top / "our_table.py").write_text("def look(key): return {'alice@sales.test': 'alice@demo.test'}.get(key)\n")
        imported = f"import_environment = MAIL_CONFIG TZ PYTHONPATH={top}\n"
        mail = jailed("unionmap:{inline:{x=y}, python:our_table:look}", "", imported)
        check(mail, None)


def test_parameters_in_main_cf_count_in_a_jail(jailed) -> None:
    with mysql_by_name() as (port, text):
        lines = text.replace("PORT", str(port)).splitlines()
        check(jailed("mysql:users", "", "".join([f"users_{line}\n" for line in lines])), None)
