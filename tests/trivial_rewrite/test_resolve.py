"""Where addresses go, without a real Postfix to compare with."""

import pytest

from pyfix.clients.rewrite import (
    CLASS_ALIAS,
    CLASS_DEFAULT,
    CLASS_LOCAL,
    CLASS_RELAY,
    CLASS_VIRTUAL,
    FLAG_ERROR,
    FLAG_FAIL,
    FLAG_ROUTED,
)
from pyfix.config.main_cf import MainCf
from pyfix.maps.run_now import run_now
from pyfix.trivial_rewrite.rewrite import rewrite_address
from pyfix.trivial_rewrite.setup import set_up
from pyfix.unix import msg

BASE = """
compatibility_level = 3.6
myhostname = mx.example.com
mydomain = example.com
myorigin = example.com
mydestination = example.com, both.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_alias_domains = va.test
virtual_mailbox_domains = vm.test, both.test
relay_domains = relay.test
parent_domain_matches_subdomains = relay_domains
"""
UNAVAILABLE = "5.2.0 Mailbox is unavailable"


def made(main_cf=""):
    return set_up(MainCf.from_text(BASE + main_cf))


def resolve(address, main_cf="", sender=""):
    resolved, by_sender = run_now(made(main_cf).resolver.resolve(sender, address))
    return (resolved.transport, resolved.nexthop, resolved.recipient, resolved.flags), by_sender


@pytest.fixture
def log():
    lines = []
    before = msg.to(lambda _, text: lines.append(text))
    yield lines
    msg.to(*before)


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("u@example.com", ("local", "mx.example.com", "u@example.com", CLASS_LOCAL)),
        ("u@[127.0.0.1]", ("local", "mx.example.com", "u@[127.0.0.1]", CLASS_LOCAL)),
        ("u@va.test", ("error", "5.1.1 User unknown in virtual alias table", "u@va.test", CLASS_ALIAS)),
        ("u@vm.test", ("virtual", "vm.test", "u@vm.test", CLASS_VIRTUAL)),
        ("u@relay.test", ("relay", "relay.test", "u@relay.test", CLASS_RELAY)),
        ("u@sub.relay.test", ("relay", "sub.relay.test", "u@sub.relay.test", CLASS_RELAY)),
        ("u@other.test", ("smtp", "other.test", "u@other.test", CLASS_DEFAULT)),
        ("u%other.test@example.com", ("smtp", "other.test", "u@other.test", CLASS_DEFAULT)),
        ("other.test!u@example.com", ("smtp", "other.test", "u@other.test", CLASS_DEFAULT)),
        ("a@b@other.test", ("smtp", "other.test", "a@b@other.test", CLASS_DEFAULT | FLAG_ROUTED)),
    ],
)
def test_each_address_class_has_its_transport(address, answer):
    assert resolve(address) == (answer, False)


@pytest.mark.parametrize("address", ["u@", "u@.", "u@a..b", "u@-x", "u@[foo]", "u@192.0.2.1", "u@a b"])
def test_a_bad_domain_is_an_error(address):
    assert resolve(address)[0][3] == CLASS_DEFAULT | FLAG_ERROR


def test_a_table_in_trouble_is_no_answer(log):
    found, _ = resolve("u@other.test", "transport_maps = fail:x\n")
    assert found[3] & FLAG_FAIL
    assert "warning: transport_maps lookup failure" in log


def test_a_domain_in_two_lists_is_told(log):
    resolve("u@both.test")
    assert log == [
        "warning: do not list domain both.test in BOTH mydestination and virtual_mailbox_domains"
    ]


def test_what_depends_on_the_sender_says_so():
    main_cf = "sender_dependent_relayhost_maps = inline:{s@q.test=[gate]}\n"
    assert resolve("u@other.test", main_cf, "s@q.test")[0][1] == "[gate]"
    assert resolve("u@other.test", main_cf, "t@q.test") == (
        ("smtp", "other.test", "u@other.test", CLASS_DEFAULT),
        True,
    )
    assert not resolve("u@vm.test", main_cf)[1]


@pytest.mark.parametrize(
    ("value", "route"),
    [
        ("lmtp:unix:x", ("lmtp", "unix:x")),
        ("lmtp", ("lmtp", "other.test")),
        (":[gate]", ("smtp", "[gate]")),
        (":", ("smtp", "other.test")),
        ("error:5.7.1 no", ("error", "5.7.1 no")),
        ("error:", ("error", "Address is undeliverable")),
        ("discard:", ("discard", "other.test")),
    ],
)
def test_the_transport_table_overrides_in_parts(value, route):
    assert resolve("u@other.test", f"transport_maps = inline:{{ {{other.test={value}}} }}\n")[0][:2] == route


@pytest.mark.parametrize(
    ("address", "rewritten"),
    [
        ("foo", "foo@example.com"),
        ("first last", '"first last"@example.com'),
        ("foo@host", "foo@host"),
        ("foo@host.", "foo@host"),
        ("foo@host..", "foo@host.."),
        ("host!foo", "foo@host"),
        ("foo%host", "foo@host"),
        ("@one,@two:foo@host", "foo@host"),
        ("a@b@c", '"a@b"@c'),
        ("@", '""'),
        ('""', '""'),
        ("foo@", "foo@"),
    ],
)
def test_addresses_are_completed_locally(address, rewritten):
    assert rewrite_address(made().rules["local"], address) == rewritten


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("5.1.6 has gone", "5.1.6 has gone"),
        ("4.2.0  later", "4.2.0 later"),
        ("new@x", UNAVAILABLE),
        ("5.1.6", UNAVAILABLE),
        ("5.1.6gone", UNAVAILABLE),
    ],
)
def test_without_a_prefix_who_has_moved_has_status_and_text_of_his_own(log, value, text):
    main_cf = f"relocated_prefix_enable = no\nrelocated_maps = inline:{{{{u@vm.test = {value}}}}}\n"
    (transport, nexthop, *_), _ = resolve("u@vm.test", main_cf)
    assert (transport, nexthop) == ("error", text)
    warning = f"warning: relocated_maps result must contain RFC 3463 status and text: '{value}'"
    assert log == ([warning] if text == UNAVAILABLE else [])


def test_a_class_without_a_transport_is_told_with_file_and_parameter(log):
    found, _ = resolve("u@other.test", "default_transport = :hop\n")
    assert found[3] & FLAG_FAIL
    assert log == ["warning: file /main.cf: parameter default_transport: null transport is not allowed"]


def test_an_address_that_never_ends_is_given_up(log):
    found, _ = resolve("@", "empty_address_recipient = @\n")
    assert found[3] & FLAG_FAIL
    assert log == ["warning: resolve_addr: <@>: giving up after 102 iterations"]
