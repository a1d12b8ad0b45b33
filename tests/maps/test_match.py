from pathlib import Path

import pytest

from pyfix.maps.match import AddressMatch, DomainMatch, StringMatch, parent_matches
from pyfix.maps.run_now import run_now
from pyfix.maps.table import TableError


@pytest.mark.parametrize(
    ("text", "parent", "domain", "matches"),
    [
        ("a.test", False, "a.test", True),
        ("a.test", False, "A.TEST", True),
        ("A.test", False, "a.test", True),
        ("a.test", False, "x.a.test", False),
        ("a.test", True, "x.y.a.test", True),
        ("a.test", True, "xa.test", False),
        (".a.test", False, "x.a.test", True),
        (".a.test", False, "a.test", False),
        (".a.test", True, "x.a.test", False),
        ("!x.a.test a.test", True, "x.a.test", False),
        ("!x.a.test a.test", True, "y.a.test", True),
        ("!!a.test", False, "a.test", True),
        ("b.test, a.test", False, "a.test", True),
        ("inline:{a.test=x}", False, "a.test", True),
        ("inline:{.a.test=x}", False, "b.a.test", True),
        ("inline:{a.test=x}", False, "b.a.test", False),
        ("inline:{a.test=x}", True, "b.a.test", True),
        ("regexp:{{/^a.test$/ x}}", True, "b.a.test", False),
        ("!inline:{a.test=x} a.test", False, "a.test", False),
        ("[1.2.3.4]", False, "[1.2.3.4]", True),
        ("é.test", False, "É.test", True),
        ("", False, "a.test", False),
    ],
)
def test_a_domain_list(text: str, parent: bool, domain: str, matches: bool) -> None:
    domains = DomainMatch(text, name="relay_domains", parent=parent)
    assert run_now(domains.matches(domain)) is matches
    assert run_now(domains.matches(domain)) is matches, "remembered"


NETWORKS = (
    "127.0.0.0/8 [::1]/128 [2001:db8::5] 1.2.3.4 !10.0.0.1 10.0.0.0/8 .c.test inline:{9.9.9.9=x} junk 1.2"
)


@pytest.mark.parametrize(
    ("address", "name", "matches"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("::2", "", False),
        ("2001:db8::5", "", True),
        ("1.2.3.4", "", True),
        ("1.2.3.5", "", False),
        ("10.0.0.1", "", False),
        ("10.0.0.2", "", True),
        ("9.9.9.9", "", True),
        ("8.8.8.8", "a.c.test", True),
        ("8.8.8.8", "c.test", False),
        ("8.8.8.8", "junk", True),
        ("unknown", "", False),
    ],
)
def test_an_address_list(address: str, name: str, matches: bool) -> None:
    networks = AddressMatch(NETWORKS, name="mynetworks")
    assert run_now(networks.matches(address, name)) is matches


@pytest.mark.parametrize(("text", "after"), [("10.0.0.0/8", [True, False]), ("10.0.0.0/8 inline:{x=y}", [None, None])])
def test_what_was_asked_is_known_unless_a_table_may_have_changed(text: str, after: list[bool | None]) -> None:
    networks = AddressMatch(text, name="mynetworks")
    clients = [("10.0.0.1", "a.test"), ("11.0.0.1", "a.test")]
    assert [networks.known(*client) for client in clients] == [None, None]
    assert [run_now(networks.matches(*client)) for client in clients] == [True, False]
    assert [networks.known(*client) for client in clients] == after


def test_a_bad_pattern_is_trouble_for_clients_it_might_mean(log: list[str]) -> None:
    networks = AddressMatch("127.0.0.0/8 192.168.2.5/24 10.0.0.0/8 [::1]/128", name="mynetworks")
    assert run_now(networks.matches("127.0.0.1"))
    assert run_now(networks.matches("::1"))
    with pytest.raises(TableError) as caught:
        run_now(networks.matches("10.0.0.1"))
    assert (caught.value.code, caught.value.status) == (451, "4.3.0")
    assert log == [
        ('warning: mynetworks: non-null host address bits in "192.168.2.5/24", '
        'perhaps you should use "192.168.2.0/24" instead')
    ]


def test_a_table_that_fails_is_no_no(log: list[str]) -> None:
    domains = DomainMatch("a.test fail:x b.test", name="relay_domains")
    assert run_now(domains.matches("a.test"))
    with pytest.raises(TableError):
        run_now(domains.matches("b.test"))
    assert log == ["warning: relay_domains: fail:x: table lookup problem"]


def test_items_may_stand_in_a_file(here: Path, log: list[str]) -> None:
    (here / "list").write_text("# ours\na.test, b.test\n!c.test # not this\ninline:{\n  {d.test = x}\n}\n")
    domains = DomainMatch(f"{here}/list", name="mydestination")
    found = {domain: run_now(domains.matches(f"{domain}.test")) for domain in "abcd"}
    assert found == {"a": True, "b": True, "c": False, "d": True}
    assert len(log) == 1
    assert "#comment after other text is not allowed" in log[0]
    turned = DomainMatch(f"!{here}/list a.test", name="mydestination")
    assert not run_now(turned.matches("a.test"))


def test_a_file_that_can_not_be_read_is_trouble_at_lookup(log: list[str]) -> None:
    domains = DomainMatch("a.test /no/such", name="mydestination")
    assert run_now(domains.matches("a.test"))
    with pytest.raises(TableError):
        run_now(domains.matches("b.test"))
    assert log == [
        "error: open file /no/such: No such file or directory",
        "warning: nofile:/no/such is unavailable. open file /no/such: No such file or directory",
        "warning: mydestination: nofile:/no/such: table lookup problem",
    ]


def test_a_string_list() -> None:
    strings = StringMatch("silent-discard, !b, inline:{t=x} static:y", name="x")
    assert [run_now(strings.matches(word)) for word in ["Silent-Discard", "b", "t", "u"]] == [
        True,
        False,
        True,
        True,
    ]


def test_parameters_whose_domains_include_subdomains() -> None:
    value = "debug_peer_list, !mynetworks, mynetworks, smtpd_access_maps"
    assert parent_matches(value, "smtpd_access_maps")
    assert not parent_matches(value, "mynetworks")
    assert not parent_matches(value, "transport_maps")
