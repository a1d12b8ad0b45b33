import os
import socket

import pytest

from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.master_cf import lines_of, parse_service
from pyfix.config.params.mail import MailParams
from pyfix.master.listen import Endpoint, Interfaces, Listeners, endpoints, interfaces, port_number, split_host_port
from pyfix.unix import users

V4, V6 = socket.AF_INET, socket.AF_INET6
BOTH = Interfaces((V4, V6), (), ("", ""))
KNOWN = "lmtp=24, smtp=25, smtps=submissions=465, submission=587"


def cfg(text=""):
    return MailParams(MainCf.from_text(text))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("25", ("", "25")),
        ("127.0.0.1:25", ("127.0.0.1", "25")),
        ("[::1]:smtp", ("::1", "smtp")),
        ("mail.example.com:587", ("mail.example.com", "587")),
    ],
)
def test_host_and_port(name, expected):
    assert split_host_port(name) == expected


@pytest.mark.parametrize(("port", "number"), [("2525", 2525), ("smtp", 25), ("submissions", 465), ("lmtp", 24)])
def test_port_names(port, number):
    assert port_number(port, KNOWN) == number


def test_a_socket_that_somebody_has_removed_can_be_closed(tmp_path):
    listeners = Listeners(users.caller())
    endpoint = Endpoint("unix", socket.AF_UNIX, str(tmp_path / "socket"))
    listeners.open_new({endpoint: 1})
    (tmp_path / "socket").unlink()
    listeners.close_all_but([])
    assert listeners.open_new({endpoint: 1}) == [endpoint]


def test_unknown_port_name_is_an_error():
    with pytest.raises(BadConfig, match="unknown service: nosuch/tcp"):
        port_number("nosuch", KNOWN)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("smtp inet n - n - - smtpd", [("inet", V4, "0.0.0.0", 25), ("inet", V6, "::", 25)]),
        ("127.0.0.1:2525 inet n - n - - smtpd", [("inet", V4, "127.0.0.1", 2525)]),
        ("[::1]:2525 inet n - n - - smtpd", [("inet", V6, "::1", 2525)]),
        ("rewrite unix - - n - - trivial-rewrite", [("unix", socket.AF_UNIX, "private/rewrite", 0)]),
        ("cleanup unix n - n - 0 cleanup", [("unix", socket.AF_UNIX, "public/cleanup", 0)]),
        ("postlog unix-dgram n - n - 1 postlogd", [("unix-dgram", socket.AF_UNIX, "public/postlog", 0)]),
        ("pickup fifo n - n 60 1 pickup", [("fifo", socket.AF_UNIX, "public/pickup", 0)]),
        ("smtpd pass - - n - - smtpd", [("unix", socket.AF_UNIX, "private/smtpd", 0)]),
    ],
)
def test_where_a_line_of_master_cf_listens(line, expected):
    service = parse_service(next(lines_of(line, "master.cf")))
    assert endpoints(service, cfg(), BOTH) == expected


@pytest.mark.parametrize(
    ("text", "families", "addresses"),
    [
        ("inet_protocols = ipv4", (V4,), ()),
        ("inet_protocols = ipv4\ninet_interfaces = loopback-only", (V4,), ("127.0.0.1",)),
        ("inet_protocols = ipv4\ninet_interfaces = 127.0.0.1, localhost", (V4,), ("127.0.0.1",)),
    ],
)
def test_interfaces(text, families, addresses):
    found = interfaces(cfg(text))
    assert found.families == families
    assert found.addresses == addresses


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("inet_protocols = ipx\n", 'main.cf, line 1: unknown inet_protocols value "ipx" in "ipx"'),
        (
            "inet_interfaces = 192.0.2.77\n",
            "main.cf, line 1: parameter inet_interfaces: no local interface found for 192.0.2.77",
        ),
    ],
)
def test_bad_interfaces_are_located(text, problem):
    with pytest.raises(BadConfig, match=problem):
        interfaces(cfg(text))


def test_one_socket_that_can_not_be_had_opens_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listeners = Listeners(users.caller())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        wanted = {Endpoint("unix", socket.AF_UNIX, "here"): 5, Endpoint("inet", V4, "127.0.0.1", port): 5}
        with pytest.raises(BadConfig, match=f"bind 127.0.0.1 port {port}: Address already in use"):
            listeners.open_new(wanted)
    assert os.listdir(tmp_path) == []


def test_sockets_outlive_a_reload(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listeners = Listeners(users.caller())
    old, kept, new = (Endpoint("unix", socket.AF_UNIX, name) for name in ("old", "kept", "new"))
    listeners.open_new({old: 5, kept: 5})
    fd = listeners.fd(kept)
    assert listeners.open_new({kept: 5, new: 5}) == [new]
    listeners.close_all_but([kept, new])
    assert listeners.fd(kept) == fd
    assert sorted(os.listdir(tmp_path)) == ["kept", "new"]
    listeners.close_all_but([])
    assert os.listdir(tmp_path) == []
