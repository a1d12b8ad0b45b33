"""What names give, and what goes wrong, against a name server on loopback."""

import asyncio

import pytest

from pyfix.dns.answer import NotFound, NullMx, Record, TryAgain
from pyfix.dns.hosts import HostsFile
from pyfix.dns.resolver import DnsResolver
from pyfix.mail.error import MailError
from pyfix.unix import msg

RECORDS = {
    ("d.test", "MX"): ["20 b.test.", "10 a.test."],
    ("a.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("a.test", "AAAA"): ["2001:db8::1"],
    ("null.test", "MX"): ["0 ."],
    ("alias.test", "CNAME"): ["other.test."],
    ("other.test", "CNAME"): ["a.test."],
    ("loop1.test", "CNAME"): ["loop2.test."],
    ("loop2.test", "CNAME"): ["loop1.test."],
    ("dangling.test", "CNAME"): ["gone.test."],
    ("broken.test", "A"): "SERVFAIL",
    ("silent.test", "A"): "SILENT",
    ("garbage.test", "A"): "GARBAGE",
    ("many.test", "A"): [f"10.0.{n // 250}.{n % 250 + 1}" for n in range(300)],
    ("numeric.test", "MX"): ["10 192.0.2.1.", "20 a.test."],
    ("xn--bcher-kva.test", "A"): ["192.0.2.9"],
}
NAME_ERROR = "Host or domain name not found. Name service error for name="
LONG = "x" * 70 + ".test"
NO_DATA = "Host found but no data record of requested type"


PATIENCE = 5.0
"""Seconds for an answer that comes."""
UNANSWERED = ("silent.test", "garbage.test")


def ask(server, *questions: tuple[str, str], seconds: float = PATIENCE) -> list[list[Record] | MailError]:
    async def run() -> list[list[Record] | MailError]:
        resolver = DnsResolver(f"127.0.0.1:{server.port}", timeout=seconds)
        return await asyncio.gather(*[resolver.lookup(*each) for each in questions], return_exceptions=True)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("d.test", "MX", [("a.test", 10), ("b.test", 20)]),
        ("a.test", "A", [("192.0.2.1", 0), ("192.0.2.2", 0)]),
        ("A.Test", "AAAA", [("2001:db8::1", 0)]),
        ("alias.test", "A", [("192.0.2.1", 0), ("192.0.2.2", 0)]),
        ("bücher.test", "A", [("192.0.2.9", 0)]),
    ],
)
def test_records_are_found(name_server, name: str, kind: str, expected: list) -> None:
    server = name_server(RECORDS)
    (found,) = ask(server, (name, kind))
    assert [(one.data, one.preference) for one in sorted(found)] == expected


def test_records_of_services_have_weights_and_ports(name_server) -> None:
    server = name_server({("_x._tcp.d.test", "SRV"): ["10 5 587 a.test."], ("_y._tcp.d.test", "SRV"): ["0 0 0 ."]})
    found, nothing = ask(server, ("_x._tcp.d.test", "SRV"), ("_y._tcp.d.test", "SRV"))
    assert found == [Record("a.test", 10, 5, 587)]
    assert isinstance(nothing, NullMx)


@pytest.mark.parametrize(
    ("name", "kind", "error", "status", "text"),
    [
        ("no.test", "A", NotFound, "5.4.4", NAME_ERROR + "no.test type=A: Host not found"),
        ("hä.test", "A", NotFound, "5.4.4", NAME_ERROR + "xn--h-0fa.test type=A: Host not found"),
        ("a.test", "MX", NotFound, "5.4.4", NAME_ERROR + "a.test type=MX: " + NO_DATA),
        ("dangling.test", "A", NotFound, "5.4.4", NAME_ERROR + "gone.test type=A: Host not found"),
        ("loop1.test", "A", NotFound, "5.4.4", "Name server loop for loop1.test"),
        ("null.test", "MX", NullMx, "5.1.0", "Domain null.test does not accept mail (nullMX)"),
        ("broken.test", "A", TryAgain, "4.4.3", NAME_ERROR + "broken.test type=A: Host not found, try again"),
        ("silent.test", "A", TryAgain, "4.4.3", NAME_ERROR + "silent.test type=A: Host not found, try again"),
        ("garbage.test", "A", TryAgain, "4.4.3", NAME_ERROR + "garbage.test type=A: Host not found, try again"),
        ("bad..test", "A", NotFound, "5.4.4", "Name service error for bad..test: invalid host or domain name"),
        ("b;d.test", "A", NotFound, "5.4.4", "Name service error for b;d.test: invalid host or domain name"),
        (LONG, "A", NotFound, "5.4.4", f"Name service error for {LONG}: invalid host or domain name"),
    ],
)
def test_trouble_is_told_apart_in_postfix_words(name_server, name, kind, error, status, text) -> None:
    (found,) = ask(name_server(RECORDS), (name, kind), seconds=0.1 if name in UNANSWERED else PATIENCE)
    assert type(found) is error
    assert (found.status, found.text) == (status, text)


def test_the_texts_of_a_record_are_one(name_server) -> None:
    (found,) = ask(name_server({("t.test", "TXT"): ['"listed because" " of that"']}), ("t.test", "TXT"))
    assert found == [Record("listed because of that")]


def test_answers_are_bounded(name_server) -> None:
    (found,) = ask(name_server({("many.test", "A"): RECORDS["many.test", "A"][:90]}), ("many.test", "A"))
    assert len(found) == 90


def test_numbers_as_mail_exchangers_are_taken_for_addresses_with_a_warning(name_server) -> None:
    lines: list[str] = []
    before = msg.to(lambda _, text: lines.append(text))
    try:
        (found,) = ask(name_server(RECORDS), ("numeric.test", "MX"))
    finally:
        msg.to(*before)
    assert sorted(found) == [Record("192.0.2.1", 10), Record("a.test", 20)]
    assert lines == ["warning: numeric domain name in resource data of MX record for numeric.test: 192.0.2.1"]


@pytest.mark.parametrize(("name", "times"), [("a.test", 1), ("no.test", 1)])
def test_an_answer_is_kept_for_its_time_to_live(name_server, name: str, times: int) -> None:
    server = name_server(RECORDS)
    now = [1000.0]

    async def run() -> None:
        resolver = DnsResolver(f"127.0.0.1:{server.port}", timeout=PATIENCE, clock=lambda: now[0])
        for _ in range(3):
            await asyncio.gather(resolver.lookup(name, "A"), return_exceptions=True)
        assert server.asked == [(name, "A")] * times
        now[0] += 61
        await asyncio.gather(resolver.lookup(name, "A"), return_exceptions=True)
        assert server.asked == [(name, "A")] * (times + 1)

    asyncio.run(run())


def test_that_nobody_answered_is_not_kept(name_server) -> None:
    server = name_server(dict(RECORDS))

    async def run() -> None:
        resolver = DnsResolver(f"127.0.0.1:{server.port}", timeout=PATIENCE)
        with pytest.raises(TryAgain):
            await resolver.lookup("broken.test", "A")
        server.records["broken.test", "A"] = ["192.0.2.3"]
        assert await resolver.lookup("broken.test", "A") == [Record("192.0.2.3")]

    asyncio.run(run())


def test_the_hosts_file_is_read_as_the_system_does() -> None:
    hosts = HostsFile("127.0.0.1 localhost me.test # comment\n\nnonsense x.test\n::1 ip6 ME.test\n# 10.0.0.1 no.test\n")
    assert hosts.addresses("Me.test.") == ["127.0.0.1", "::1"]
    assert hosts.addresses("x.test") == hosts.addresses("no.test") == []
    assert HostsFile("").addresses("localhost") == ["127.0.0.1", "::1"]
