"""Names of clients without the system's resolver."""

import pytest

from pyfix.dns.answer import NotFound, Record, TryAgain
from pyfix.dns.hosts import HostsFile
from pyfix.dns.memory import MemoryResolver
from pyfix.mail.error import MailError
from pyfix.maps.run_now import run_now
from pyfix.smtpd.peer import OK, PERMANENT, TEMPORARY, Names
from pyfix.smtpd.peer_dns import DnsNames

NOT_NOW = Names(name_code=TEMPORARY, reverse_code=TEMPORARY)
POINTER = "1.2.0.192.in-addr.arpa"
HOSTS = "127.0.0.1 here.test here\n192.0.2.7 seven.test seven\n"


@pytest.mark.parametrize(
    ("address", "records", "names", "warning"),
    [
        pytest.param("192.0.2.7", {}, Names("seven.test", "seven.test", OK, OK), None, id="hosts"),
        pytest.param("::1", {}, Names("localhost", "localhost", OK, OK), None, id="loopback"),
        pytest.param(
            "192.0.2.1",
            {(POINTER, "PTR"): [Record("a.test")], ("a.test", "A"): [Record("192.0.2.9"), Record("192.0.2.1")]},
            Names("a.test", "a.test", OK, OK),
            None,
            id="leads back",
        ),
        pytest.param(
            "192.0.2.1",
            {(POINTER, "PTR"): [Record("a.test")], ("a.test", "A"): [Record("192.0.2.9")]},
            Names("unknown", "a.test", PERMANENT, OK),
            "hostname a.test does not resolve to address 192.0.2.1",
            id="leads elsewhere",
        ),
        pytest.param(
            "192.0.2.1",
            {(POINTER, "PTR"): [Record("a.test")], ("a.test", "A"): TryAgain("Host not found, try again")},
            Names("unknown", "a.test", TEMPORARY, OK),
            "hostname a.test does not resolve to address 192.0.2.1: Host not found, try again",
            id="leads nowhere now",
        ),
        pytest.param("192.0.2.1", {(POINTER, "PTR"): TryAgain("x")}, NOT_NOW, None, id="away"),
        pytest.param("192.0.2.1", {(POINTER, "PTR"): NotFound("x")}, Names(), None, id="no name"),
        pytest.param(
            "192.0.2.1", {(POINTER, "PTR"): [Record("1.2.3.4")]}, Names(), "numeric hostname: 1.2.3.4", id="numbers"
        ),
        pytest.param(
            "2001:db8::1",
            {
                ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): [Record("a.test")],
                ("a.test", "AAAA"): [Record("2001:0db8::1")],
            },
            Names("a.test", "a.test", OK, OK),
            None,
            id="IPv6",
        ),
    ],
)
def test_an_address_has_the_name_that_leads_back_to_it(
    address: str,
    records: dict[tuple[str, str], list[Record] | MailError],
    names: Names,
    warning: str | None,
    log: list[str],
) -> None:
    asked = DnsNames(HostsFile(HOSTS), MemoryResolver(records))
    assert run_now(asked.look_up(address)) == names
    assert log == ([f"warning: {warning}"] if warning else [])
