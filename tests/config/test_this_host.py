"""The host that the tests run on, as we and as real Postfix see it."""

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.unix import interfaces


@pytest.mark.parametrize(
    "settings",
    ["", "mynetworks_style = host\n", "mynetworks_style = class\n", "inet_protocols = ipv4\n"],
    ids=["default", "host", "class", "ipv4"],
)
def test_postconf_agrees_on_what_depends_on_the_host(settings: str, real_postconf) -> None:
    names = ("myhostname", "mydomain", "mynetworks")
    main_cf = f"compatibility_level = 3.6\n{settings}"
    main = MainCf.from_text(main_cf)
    assert real_postconf(main_cf, "-hx", *names).stdout.splitlines() == [main.value(name) for name in names]


def test_the_loopback_address_is_among_them() -> None:
    import socket

    assert "127.0.0.1" in {str(found.ip) for found in interfaces.addresses(socket.AF_INET)}


def test_a_kernel_that_tells_nothing_leaves_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse() -> None:
        raise OSError

    monkeypatch.setattr(interfaces, "_inet", refuse)
    assert [str(found) for found in interfaces.addresses(socket.AF_INET)] == ["127.0.0.1/8"]
