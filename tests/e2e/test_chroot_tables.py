"""Tables with option files and servers, used by daemons in a jail: what they need was read before it closed."""

import os
import socket
from collections.abc import Iterator

import pytest

from tests.e2e.test_chroot import MASTER_CF
from tests.maps import servers
from tests.maps.test_mongodb import goto, serving

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

LDIF = (
    "dn: dc=test\nobjectClass: domain\ndc: test\n\n"
    "dn: cn=alice,dc=test\nobjectClass: mailthing\ncn: alice\nmaildrop: alice@demo.test\n\n"
)


@pytest.fixture
def ldap() -> Iterator[str]:
    pytest.importorskip("ldap", reason="the extra ldap is not installed")
    with servers.slapd(LDIF) as (port, _):
        yield (
            f"server_host = ldap://127.0.0.1:{port}\nsearch_base = dc=test\nbind = no\n"
            "query_filter = (cn=%u)\n"
        )


@pytest.fixture
def mysql() -> Iterator[str]:
    pytest.importorskip("pymysql", reason="the extra mysql is not installed")
    with servers.mariadb() as (port, _):
        query = "SELECT 'alice@demo.test' FROM DUAL WHERE '%u' = 'alice'"
        yield f"hosts = 127.0.0.1:{port}\nuser = root\nquery = {query}\n"


@pytest.fixture
def pgsql() -> Iterator[str]:
    pytest.importorskip("psycopg", reason="the extra pgsql is not installed")
    with servers.postgresql() as (port, _):
        yield f"hosts = 127.0.0.1:{port}\nuser = postgres\nquery = SELECT 'alice@demo.test' WHERE '%u' = 'alice'\n"


@pytest.fixture
def redis() -> Iterator[str]:
    pytest.importorskip("redis", reason="the extra redis is not installed")
    with servers.redis() as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"SET alice@sales.test alice@demo.test\r\n")
            assert client.recv(100) == b"+OK\r\n"
        yield f"hosts = redis://127.0.0.1:{port}\nquery = GET %s\n"


@pytest.fixture
def mongodb() -> Iterator[str]:
    with serving() as server:
        server.answer = goto
        query = 'query_filter = {"k": "%u"}\nresult_attribute = goto\n'
        yield f"uri = {server.uri}\ndbname = mail\ncollection = users\n{query}"


@pytest.mark.parametrize("kind", ["ldap", "mysql", "pgsql", "redis", "mongodb"])
def test_a_jailed_daemon_asks_a_server_by_its_options(instance, request: pytest.FixtureRequest, kind: str) -> None:
    options = request.getfixturevalue(kind)
    mail = instance(
        f"virtual_alias_domains = sales.test\nvirtual_alias_maps = {kind}:{{directory}}/etc/{kind}.cf\n"
        "virtual_transport = discard\n",
        MASTER_CF,
        start=False,
    )
    (mail.config / f"{kind}.cf").write_text(options)
    mail.start()
    with mail.smtp() as client:
        client.ehlo()
        client.mail("a@example.com")
        assert client.rcpt("nobody@sales.test")[0] == 550
        assert client.rcpt("alice@sales.test")[0] == 250
        client.rset()
        client.sendmail("a@example.com", ["alice@sales.test"], b"Subject: x\r\n\r\nx\r\n")
    mail.wait_for(r"to=<alice@demo\.test>, orig_to=<alice@sales\.test>.*status=sent")
    for program in ("smtpd", "cleanup"):
        assert os.readlink(f"/proc/{mail.pid_of(program)}/root") == str(mail.queue)
    assert "warning" not in mail.log()
