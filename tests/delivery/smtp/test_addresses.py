"""Which servers a destination has, and in which order."""

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.config.params.smtp import SmtpParams
from pyfix.delivery.smtp.addresses import Finder, Here, Server
from pyfix.delivery.smtp.destination import BadDestination, Destination, Ports, parse, split
from pyfix.dns.answer import NullMx, Record, TryAgain
from pyfix.dns.hosts import HostsFile
from pyfix.dns.memory import MemoryResolver
from pyfix.mail.error import MailError
from pyfix.maps.run_now import run_now
from pyfix.unix import msg

HOSTS = HostsFile("192.0.2.99 mx.test\n")
BOTH = ("ipv4", "ipv6")
RECORDS = {
    ("d.test", "MX"): [Record("b.test", 20), Record("a.test", 10), Record("c.test", 30)],
    ("a.test", "A"): [Record("192.0.2.1")],
    ("a.test", "AAAA"): [Record("2001:db8::1")],
    ("b.test", "A"): [Record("192.0.2.2")],
    ("c.test", "A"): [Record("192.0.2.3")],
    ("host.test", "A"): [Record("192.0.2.7")],
    ("null.test", "MX"): NullMx("no"),
    ("slow.test", "MX"): TryAgain("later"),
    ("empty.test", "MX"): [Record("gone.test", 10)],
    ("many.test", "A"): [Record(f"192.0.2.{n}") for n in range(8)],
    ("many.test", "AAAA"): [Record("2001:db8::7")],
    ("half.test", "MX"): [Record("gone.test", 5), Record("b.test", 10)],
}


def find(text: str, main_cf: str = "", *, own: set[str] | None = None, protocols=BOTH) -> list[Server] | str:
    cfg = SmtpParams(MainCf.from_text(main_cf))
    finder = Finder(cfg, MemoryResolver(RECORDS), HOSTS, Here(frozenset(own or ()), protocols))
    try:
        return run_now(finder.find(parse(text, Ports("smtp=25"), "smtp", lmtp=False))).servers
    except MailError as error:
        return f"{error.status} {error.text}"


def addresses(*args, **options) -> list[str] | str:
    found = find(*args, **options)
    return found if isinstance(found, str) else [server.address for server in found]


def test_better_exchangers_come_first() -> None:
    found = addresses("d.test", "smtp_address_preference = ipv4")
    assert found == ["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"]
    found = addresses("d.test", "smtp_address_preference = ipv6")
    assert found == ["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert addresses("d.test", protocols=("ipv4",)) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_equals_are_shuffled_unless_told_otherwise() -> None:
    orders = {tuple(addresses("many.test", protocols=("ipv4",))) for _ in range(50)}
    assert len(orders) > 1
    plain = addresses("[many.test]", "smtp_randomize_addresses = no", protocols=("ipv4",))
    assert plain == [f"192.0.2.{n}" for n in range(5)]  # as many as smtp_mx_address_limit


def test_both_protocols_stay_within_the_limit() -> None:
    for _ in range(20):
        found = addresses("[many.test]")
        assert len(found) == 5
        assert "2001:db8::7" in found


NAME_ERROR = "Host or domain name not found. Name service error for name="


@pytest.mark.parametrize(
    ("text", "main_cf", "expected"),
    [
        ("host.test", "", ["192.0.2.7"]),
        ("[d.test]", "", f"5.4.4 {NAME_ERROR}d.test type=AAAA: Host found but no data record of requested type"),
        ("[192.0.2.44]", "", ["192.0.2.44"]),
        ("[ipv6:2001:DB8::44]", "", ["2001:db8::44"]),
        ("null.test", "", "5.1.0 no"),
        ("slow.test", "", "4.4.3 later"),
        ("slow.test", "ignore_mx_lookup_error = yes", (f"5.4.4 {NAME_ERROR}slow.test type=AAAA: "
            "Host found but no data record of requested type")),
        ("none.test", "", f"5.4.4 {NAME_ERROR}none.test type=AAAA: Host not found"),
        ("empty.test", "", f"5.4.4 {NAME_ERROR}gone.test type=AAAA: Host not found"),
        ("empty.test", "smtp_defer_if_no_mx_address_found = yes", (f"4.4.4 {NAME_ERROR}gone.test type=AAAA: "
            "Host not found")),
        ("host.test", "disable_dns_lookups = yes", ["192.0.2.7"]),
        ("mx.test", "disable_dns_lookups = yes", ["192.0.2.99"]),
        ("[mx.test]", "smtp_dns_support_level = disabled", ["192.0.2.99"]),
        ("[mx.test]", "smtp_host_lookup = native", ["192.0.2.99"]),
        ("[no.test]", "smtp_host_lookup = native", "5.4.4 unable to look up host no.test: Name or service not known"),
        ("[host.test]", "smtp_host_lookup = native, dns", ["192.0.2.7"]),
    ],
)  # fmt: skip
def test_destinations(text: str, main_cf: str, expected: list[str] | str) -> None:
    before = msg.to(lambda *_: None)
    try:
        assert addresses(text, main_cf) == expected
    finally:
        msg.to(*before)


@pytest.mark.parametrize(
    ("text", "own", "expected"),
    [
        ("d.test", "192.0.2.3", ["192.0.2.1", "192.0.2.2"]),
        ("d.test", "192.0.2.2", ["192.0.2.1"]),
        ("d.test", "192.0.2.1", "5.4.6 mail for d.test loops back to myself"),
        ("half.test", "192.0.2.2", "4.4.4 unable to find primary relay for half.test"),
        ("[host.test]", "192.0.2.7", "5.4.6 mail for host.test loops back to myself"),
        ("[host.test]:26", "192.0.2.7", ["192.0.2.7"]),
    ],
)
def test_mail_does_not_come_back(text: str, own: str, expected: list[str] | str) -> None:
    assert addresses(text, own={own}, protocols=("ipv4",)) == expected


PORTS = Ports("lmtp=24, smtp=25, submission=587, smtps=submissions=465")


@pytest.mark.parametrize(
    ("text", "lmtp", "expected"),
    [
        ("d.test", False, Destination("d.test", "d.test", 25, True)),
        ("d.test:587", False, Destination("d.test:587", "d.test", 587, True)),
        ("d.test:submissions", False, Destination("d.test:submissions", "d.test", 465, True)),
        ("[mx.test]:2525", False, Destination("[mx.test]:2525", "mx.test", 2525)),
        ("[IPv6:::1]:25", False, Destination("[IPv6:::1]:25", "::1", 25)),
        ("unix:private/lmtp", True, Destination("unix:private/lmtp", "", path="private/lmtp")),
        ("inet:d.test:24", True, Destination("inet:d.test:24", "d.test", 24)),
        ("inet:[::1]", True, Destination("inet:[::1]", "::1", 25)),
        ("d.test", True, Destination("d.test", "d.test", 25)),
    ],
)
def test_next_hops(text: str, lmtp: bool, expected: Destination) -> None:
    assert parse(text, PORTS, "smtp", lmtp=lmtp)._replace(service="") == expected


@pytest.mark.parametrize("text", ["[", "[]", "a:b:c", "[x]y", "d.test:nosuchservice", "d.test:99999", "d.test:0"])
def test_bad_next_hops_wait(text: str) -> None:
    with pytest.raises(BadDestination) as caught:
        parse(text, PORTS, "smtp", lmtp=False)
    assert caught.value.status == "4.3.5"


def test_next_hops_may_be_lists() -> None:
    assert split("a.test, [b]:25  c.test") == ["a.test", "[b]:25", "c.test"]


SERVICE = {
    ("_submission._tcp.srv.test", "SRV"): [
        Record("late.test", 20, 0, 1587), Record("a.test", 10, 5, 587), Record("b.test", 10, 0, 2587),
    ],
    ("late.test", "A"): [Record("192.0.2.30")],
    ("_submission._tcp.none.test", "SRV"): [Record("gone.test", 1, 1, 587)],
    ("_submission._tcp.slow.test", "SRV"): TryAgain("later"),
    ("_submission._tcp.null.test", "SRV"): NullMx("no such service"),
    ("plain.test", "MX"): [Record("b.test", 10)],
}


def test_records_of_a_service_name_hosts_and_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.delivery.smtp.test_addresses.RECORDS", RECORDS | SERVICE)
    found = [find("srv.test:submission", "use_srv_lookup = submission", protocols=("ipv4",)) for _ in range(60)]
    orders = {tuple((server.host, server.address, server.port) for server in one) for one in found}
    last = ("late.test", "192.0.2.30", 1587)
    first, second = ("a.test", "192.0.2.1", 587), ("b.test", "192.0.2.2", 2587)
    assert orders == {(first, second, last), (second, first, last)}
    heavier_first = sum(one[0].host == "a.test" for one in found)
    assert heavier_first > len(found) / 2


@pytest.mark.parametrize(
    ("text", "main_cf", "expected"),
    [
        ("plain.test:submission", "", ["192.0.2.2"]),
        ("plain.test:submission", "use_srv_lookup = submission\nallow_srv_lookup_fallback = yes", ["192.0.2.2"]),
        ("plain.test:submission", "use_srv_lookup = submission", "5.4.4 "),
        ("slow.test:submission", "use_srv_lookup = submission\nallow_srv_lookup_fallback = yes", "4.4.3 later"),
        ("b.test:submission", "use_srv_lookup = submission\nignore_srv_lookup_error = yes", "5.4.4 "),
        ("null.test:submission", "use_srv_lookup = submission\nallow_srv_lookup_fallback = yes", "5.1.0 "),
        ("none.test:submission", "use_srv_lookup = submission", "5.4.4 "),
        ("[b.test]:submission", "use_srv_lookup = submission", ["192.0.2.2"]),
    ],
)
def test_without_records_of_a_service_main_cf_decides(
    monkeypatch: pytest.MonkeyPatch, text: str, main_cf: str, expected: list[str] | str
) -> None:
    monkeypatch.setattr("tests.delivery.smtp.test_addresses.RECORDS", RECORDS | SERVICE)
    found = addresses(text, main_cf, protocols=("ipv4",))
    assert found == expected or (isinstance(expected, str) and found.startswith(expected))
