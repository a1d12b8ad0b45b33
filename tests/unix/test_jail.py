"""Names of hosts that a daemon in a jail can't look up any more."""

import socket

import pytest

from pyfix.unix import jail

KNOWN = {"db.test": "192.0.2.1", "six.test": "2001:db8::1"}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What can be looked up; a test closes the jail by emptying it."""
    known = dict(KNOWN)

    def look_up(host: str, port: object, **_: object) -> list[tuple[object, ...]]:
        if host not in known:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(0, 0, 0, "", (known[host], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(jail, "_addresses", None)
    return known


def test_a_host_has_the_address_that_it_had_before(names: dict[str, str]) -> None:
    jail.expect()
    for host in ("db.test", "other.test", "127.0.0.1", ""):
        jail.remember(host)
    assert jail.reachable("db.test") == "db.test"
    names.clear()
    assert [jail.reachable(host) for host in ("db.test", "other.test", "127.0.0.1")] == [
        "192.0.2.1", "other.test", "127.0.0.1"
    ]  # fmt: skip


def test_nothing_is_remembered_where_no_jail_will_close(names: dict[str, str]) -> None:
    jail.remember("db.test")
    names.clear()
    assert jail.reachable("db.test") == "db.test"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://db.test", "redis://192.0.2.1"),
        ("redis://u:p@db.test:1/0?a=b", "redis://u:p@192.0.2.1:1/0?a=b"),
        ("ldap://db.test:389", "ldap://192.0.2.1:389"),
        ("mongodb://u:db.test@db.test:1,six.test:2,x.test/db.test", "mongodb://u:db.test@192.0.2.1:1,[2001:db8::1]:2,x.test/db.test"),
        ("ldap://[2001:db8::1]:389", "ldap://[2001:db8::1]:389"),
        ("ldapi://%2fpath", "ldapi://%2fpath"),
        ("unix:///path/db.test", "unix:///path/db.test"),
        ("", ""),
    ],
)  # fmt: skip
def test_hosts_of_a_url_are_remembered(names: dict[str, str], url: str, found: str) -> None:
    jail.expect()
    jail.remember_url(url)
    assert jail.reachable_url(url) == url
    names.clear()
    assert jail.reachable_url(url) == found
