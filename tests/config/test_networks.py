from ipaddress import ip_interface

import pytest

from pyfix.config import networks
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.unix import interfaces

HOST = ["127.0.0.1/8", "192.0.2.9/28", "198.51.100.1/30", "::1/128", "2001:db8::9/64", "fe80::5/64"]


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    def addresses(family: int) -> list[interfaces.Interface]:
        version = {networks.socket.AF_INET: 4, networks.socket.AF_INET6: 6}[family]
        return [one for one in map(ip_interface, HOST) if one.version == version]

    monkeypatch.setattr(networks, "addresses", addresses)
    monkeypatch.setattr(networks, "_has", lambda _: True)


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("", ["127.0.0.1", "192.0.2.9", "198.51.100.1", "::1", "2001:db8::9", "fe80::5"]),
        ("inet_protocols = ipv4", ["127.0.0.1", "192.0.2.9", "198.51.100.1"]),
        ("inet_protocols = ipv6", ["::1", "2001:db8::9", "fe80::5"]),
        ("inet_protocols = ipv4, ipv6\ninet_interfaces = loopback-only", ["127.0.0.1", "::1"]),
        ("inet_interfaces = 192.0.2.9, [2001:db8::9]", ["192.0.2.9", "2001:db8::9"]),
        ("inet_interfaces = ", []),
    ],
)
def test_own_addresses_follow_interfaces_and_protocols(text: str, own: list[str]) -> None:
    assert networks.own_addresses(MainCf.from_text(text)) == own


def test_addresses_that_are_kept_are_not_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_kept", {})
    main = MainCf.from_text("inet_protocols = ipv4\nmynetworks_style = host")
    own, others = networks.own_addresses(main), main.with_overrides([("inet_protocols", "ipv6")])
    networks.keep(main)
    monkeypatch.setattr(networks, "addresses", lambda _: [])
    assert networks.own_addresses(main) == own
    assert main.value("mynetworks") == "127.0.0.1/32 192.0.2.9/32 198.51.100.1/32"
    assert networks.own_addresses(others) == []


def test_addresses_that_can_not_be_found_again_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_kept", {})
    main = MainCf.from_text("inet_protocols = ipv4\ninet_interfaces = 192.0.2.9")
    networks.keep(main)
    monkeypatch.setattr(networks, "addresses", lambda _: [])
    for look in (networks.keep, networks.own_addresses):
        with pytest.raises(BadConfig, match=r"no local interface found for 192\.0\.2\.9"):
            look(main)


@pytest.mark.parametrize(
    ("style", "value"),
    [
        ("host", "127.0.0.1/32 192.0.2.9/32 198.51.100.1/32 [::1]/128 [2001:db8::9]/128 [fe80::5]/128"),
        ("subnet", "127.0.0.0/8 192.0.2.0/28 198.51.100.0/30 [::1]/128 [2001:db8::]/64 [fe80::]/64"),
        ("class", "127.0.0.0/8 192.0.2.0/24 198.51.100.0/24 [::1]/128 [2001:db8::]/64 [fe80::]/64"),
    ],
)
def test_mynetworks_follows_its_style(style: str, value: str) -> None:
    assert MainCf.from_text(f"mynetworks_style = {style}").value("mynetworks") == value


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("inet_protocols = all ipv5", 'unknown inet_protocols value "ipv5" in "all ipv5"'),
        (
            "inet_interfaces = 203.0.113.7",
            "parameter inet_interfaces: no local interface found for 203.0.113.7",
        ),
        ("inet_interfaces = no host", "config variable inet_interfaces: host not found: no"),
        ("mynetworks_style = x", 'unknown mynetworks mask style value "x" in "x"'),
    ],
)
def test_a_bad_setting_is_located(setting: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise OSError

    if "not found" in problem:
        monkeypatch.setattr("socket.getaddrinfo", unknown)
    with pytest.raises(BadConfig) as error:
        MainCf.from_text(setting).value("mynetworks")
    assert str(error.value) == f"main.cf, line 1: {problem}"


def test_proxy_interfaces_need_not_be_here() -> None:
    main = MainCf.from_text("proxy_interfaces = 203.0.113.7, [2001:db8::77]")
    assert networks.proxy_addresses(main) == ["203.0.113.7", "2001:db8::77"]
