"""The servers of domains: the keys that check_..._mx_access, ..._ns_access and ..._a_access ask their tables for.

All fifteen have a table of their own in one smtpd, in real Postfix's and in ours; DNS is ours. Compared are the
keys in their order, each as often as it is asked for, the answers, and the log.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pyfix.smtpd.peer import OK, Names
from tests.asked import Asked, asked
from tests.dns.conftest import NameServer, Records
from tests.smtpd.beside_postfix import Beside, comparable, like, why_not

A, AAAA, MX, NS, CNAME = "A", "AAAA", "MX", "NS", "CNAME"
LONG = "x" * 63
RECORDS: Records = {
    ("one.test", MX): ["10 a.mx.test."], ("one.test", NS): ["ns.one.test."], ("one.test", A): ["192.0.2.1"],
    ("a.mx.test", A): ["192.0.2.9"], ("ns.one.test", A): ["192.0.2.53"],
    ("many.test", MX): [f"{n} m{n}.mx.test." for n in range(40, 0, -1)],
    **{(f"m{n}.mx.test", A): [f"198.51.100.{n}"] for n in range(1, 41)},
    ("few.test", MX): ["20 a.mx.test.", "10 b.c.mx.test.", "10 both.test.", "30 a.mx.test."],
    ("b.c.mx.test", A): ["192.0.2.7", "192.0.2.8", "192.0.2.7"],
    ("both.test", A): ["192.0.2.64"], ("both.test", AAAA): ["2001:db8::64", "2001:db8:0:1::"],
    ("six.test", AAAA): ["2001:db8::6"], ("v6.test", MX): ["10 six.test."],
    ("v6.test", NS): ["six.test.", "both.test."],
    ("plain.test", A): ["192.0.2.10", "192.0.2.11"], ("plain.test", NS): ["ns.elsewhere.example."],
    ("ns.elsewhere.example", A): ["203.0.113.1"],
    ("null.test", MX): ["0 ."], ("null.test", A): ["192.0.2.12"], ("nulls.test", MX): ["0 .", "10 a.mx.test."],
    ("fails.test", MX): "SERVFAIL", ("fails.test", NS): "SERVFAIL", ("fails.test", A): "SERVFAIL",
    ("refused.test", MX): "REFUSED", ("refused.test", NS): "REFUSED", ("refused.test", A): ["192.0.2.13"],
    ("text.test", "TXT"): ['"x"'], ("literal.test", MX): ["10 192.0.2.99.", "20 a.mx.test."],
    ("literal.test", NS): ["192.0.2.98."],
    ("alias.test", CNAME): ["one.test."], ("lost.test", CNAME): ["none.test."],
    ("circle.test", CNAME): ["circle.test."],
    ("toalias.test", MX): ["10 alias.test."], ("toalias.test", NS): ["alias.test."],
    ("deadmx.test", MX): ["10 none.test.", "20 text.test.", "30 fails.test.", "40 a.mx.test."],
    ("deadmx.test", NS): ["none.test.", "ns.one.test."],
    ("itself.test", MX): ["10 itself.test."], ("itself.test", A): ["192.0.2.14"],
    ("odd.test", MX): ["10 under_score.test.", "20 bad!name.test.", "30 -dash.test.", "40 one.", "50 a.mx.test."],
    ("under_score.test", A): ["192.0.2.15"], ("one", A): ["192.0.2.16"], ("one", MX): ["10 one."],
    ("top", NS): ["ns.top."], ("ns.top", A): ["203.0.113.2"], ("long.test", MX): [f"10 {LONG}.mx.test."],
    ("upper.test", MX): ["10 Mail.UPPER.test."], ("mail.upper.test", A): ["192.0.2.17"],
    ("deep.one.test", "TXT"): ['"x"'], ("halfns.fails.test", "TXT"): ['"x"'], ("no-ns.top", A): ["192.0.2.19"],
    ("drop.test", MX): ["10 dropped.mx.test."], ("drop.test", A): ["192.0.2.20"],
    ("half.drop.test", NS): ["dropped.mx.test."],
    ("partly.test", MX): ["10 dropped.mx.test.", "20 a.mx.test."], ("unspecific.test", A): ["0.0.0.0"],
    ("loop.test", A): ["127.0.0.1"],
}  # fmt: skip

NAMES = (
    "one.test", "many.test", "few.test", "both.test", "six.test", "v6.test", "plain.test", "null.test",
    "nulls.test", "none.test", "none", "top", "sub.none.top", "no-ns.top", "fails.test", "refused.test",
    "text.test", "literal.test", "alias.test", "lost.test", "circle.test", "toalias.test", "deadmx.test",
    "itself.test", "odd.test", "one", "long.test", "UPPER.Test", "deep.one.test", "x.y.one.test", "x.alias.test",
    "halfns.fails.test", "drop.test", "x.drop.test", "half.drop.test", "partly.test", "unspecific.test",
    "loop.test", "localhost", "one.test.", "under_score.test", f"{LONG}x.test", "[192.0.2.5]", "[IPv6:2001:db8::5]",
    "[ipv6:2001:DB8:0:0::5]", "[2001:db8::5]", "[x]", "[]", "[192.0.2.5", "192.0.2.5", "[192.0.2.300]",
    "[IPv6:192.0.2.5]", "[IPv6:::ffff:192.0.2.5]", ".one.test", "a..one.test", "-one.test", "1", "1.2",
)  # fmt: skip
REFUSED = (f"{LONG}x.test", "[192.0.2.5", "[192.0.2.300]", "[IPv6:192.0.2.5]", ".one.test")
"""As addresses: what resolves them says so."""
OWNERS = ("client", "reverse_client_hostname", "helo", "sender", "recipient")
KINDS = ("mx", "ns", "a")
LISTS = dict(zip(OWNERS, ("client", "client", "helo", "sender", "recipient"), strict=True))


class Case(NamedTuple):
    """What a client says. name: its verified one; reverse: its other one."""

    helo: str = "client.invalid"
    sender: str = ""
    recipient: str = "joe@example.com"
    name: str = ""
    reverse: str = ""

    def chunks(self) -> list[bytes]:
        lines = f"EHLO {self.helo}", f"MAIL FROM:<{self.sender}>", f"RCPT TO:<{self.recipient}>"
        return [f"{line}\r\n".encode("utf-8", "surrogateescape") for line in lines]


def turned(names: Sequence[str], by: int) -> Iterator[str]:
    """The names for ever, beginning with another than the first."""
    return islice(cycle(names), by, None)


MAILED = [name for name in NAMES if name not in REFUSED]
CLIENTS = [name for name in MAILED if name[0] not in "[-1." and name[-1] != "." and ".." not in name]
CASES = {
    name: Case(name, f"u@{sender}", f"u@{recipient}", client, f"r.{reverse}")
    for name, sender, recipient, client, reverse in zip(
        NAMES, turned(MAILED, 7), turned(MAILED, 19), turned(CLIENTS, 26), turned(CLIENTS, 33), strict=False
    )
} | {
    "only reverse": Case(reverse="plain.test"),
    "sender without domain": Case(sender="one.test"),
    "recipient without domain": Case(recipient="joe"),
    "quoted sender": Case(sender='"u@one.test"@plain.test'),
    "sender route": Case(sender="u%one.test@plain.test"),
    "extension": Case(sender="u+x@plain.test"),
    "postmaster": Case(recipient="postmaster"),
}
VALUES = (
    "OK", "DUNNO", "REJECT", "REJECT why", "DEFER", "DEFER_IF_PERMIT x", "DEFER_IF_REJECT", "HOLD", "550 5.1.9 why",
    "PREPEND X-A: b", "permit", "reject", "permit_mynetworks", "reject_unauth_destination", "INFO i", "DISCARD",
    "FILTER x:y", "123", "foo"
)  # fmt: skip


def settings(spec: Callable[[str], str]) -> list[str]:
    """main.cf's lines: each restriction with a table of its own."""
    words: dict[str, list[str]] = {}
    for owner in OWNERS:
        for kind in KINDS:
            word = f"check_{owner}_{kind}_access"
            words.setdefault(LISTS[owner], []).append(f"{word} {spec(word)}")
    lines = [f"smtpd_{each}_restrictions = {', '.join(found)}" for each, found in words.items()]
    return [*lines, "smtpd_relay_restrictions = permit_mynetworks, reject", "smtpd_reject_unlisted_recipient = no"]


FILTER = (
    r"smtpd_dns_reply_filter = regexp:{{/ IN MX 10 dropped\./ IGNORE}, {/IN NS dropped\./ IGNORE}, "
    r"{/IN A 192\.0\.2\.8$$/ IGNORE}}"
)
MORE = {
    "plain": ["inet_protocols = ipv4"],
    "dotted": ["inet_protocols = ipv4", "parent_domain_matches_subdomains = "],
    "all": ["inet_protocols = all"],
    "filter": [FILTER],
    "patterns": ["inet_protocols = ipv4"],
}


class Result(NamedTuple):
    """A value that a table has for a server of a domain."""

    value: str
    key: str
    domain: str = ""
    owner: str = "sender"
    kind: str = "mx"

    def lines(self) -> list[str]:
        word = f"check_{self.owner}_{self.kind}_access inline:{{{{{self.key}={self.value}}}}}"
        return [f"smtpd_{LISTS[self.owner]}_restrictions = {word}"]


RESULTS = {
    **{f"mx {value}": Result(value, "mx.test", "few.test") for value in VALUES},
    **{f"ns {value}": Result(value, "example", "plain.test", kind="ns") for value in VALUES[::3]},
    **{f"a {value}": Result(value, "192.0.2", "plain.test", kind="a") for value in VALUES[1::3]},
    **{
        f"{owner} {value}": Result(value, key, owner=owner)
        for owner, key in (("helo", "mx.test"), ("client", "plain.test"), ("reverse_client_hostname", "mx.test"))
        for value in ("OK", "REJECT", "HOLD", "DISCARD")
    },
}


class World:
    """A real Postfix with all settings, the server of its tables and ours, and the DNS of ours."""

    def __init__(self, top: Path, tables: Asked) -> None:
        self.tables = tables
        self.settings = {name: [*settings(self._spec(top, name)), *more] for name, more in MORE.items()}
        self.settings |= {name: result.lines() for name, result in RESULTS.items()}
        self.beside = Beside(self.settings, RECORDS)
        self.dns = NameServer(RECORDS)
        assert self.beside.name_server is not None
        self.dns.follows = self.beside.name_server.follows = True

    def _spec(self, top: Path, name: str) -> Callable[[str], str]:
        if name == "patterns":
            return self.tables.socketmap
        return lambda word: self.tables.memcache(top, word)

    def close(self) -> None:
        self.beside.stop()
        self.dns.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if why_not():
        pytest.skip(why_not())
    top = tmp_path_factory.mktemp("tables")
    for directory in (top, *top.parents):
        if directory.is_relative_to("/tmp"):
            os.chmod(directory, directory.stat().st_mode | 0o055)
    with asked() as tables:
        made = World(top, tables)
        yield made
        made.close()


def talk_ours(server: Callable[..., Any], world: World, service: str, case: Case) -> list[bytes]:
    lines = [*world.settings[service], f"pyfix_dns_nameservers = 127.0.0.1:{world.dns.port}"]
    ours = server("".join(f"{line}\n" for line in lines))
    if case.name or case.reverse:
        names = Names(case.name or "unknown", case.reverse or case.name, OK if case.name else 5, OK)
        ours.smtpd.site.names.known = lambda _: names
    return [like(answer) for answer in ours.talk(*case.chunks(), patient=True)]


def talk_theirs(world: World, service: str, case: Case) -> list[bytes]:
    names = {"NAME": case.name or "[UNAVAILABLE]", "REVERSE_NAME": case.reverse or case.name}
    xclient = " ".join(f"{name}={value}" for name, value in names.items()) if names["REVERSE_NAME"] else ""
    return world.beside.talk(service, case.chunks(), xclient=xclient)


ASKED = [
    *[("plain", name) for name in CASES],
    *[(service, name) for service in MORE if service != "plain" for name in NAMES[::5]],
]


def told(lines: list[str]) -> list[str]:
    """Without lines about a circle of aliases: the system's resolver has other words for it; and without the counts
    of commands, where ours was not told by XCLIENT."""
    left_out = "Name server loop", "host circle.test", "disconnect from ", "lost connection "
    return [line for line in comparable(lines) if not any(word in line for word in left_out)]


@pytest.mark.parametrize(("service", "name"), ASKED)
def test_tables_are_asked_for_the_keys_that_postfix_asks_for(
    server: Callable[..., Any], log: list[str], world: World, service: str, name: str
) -> None:
    case = CASES[name]
    keys: list[list[str]] = []
    answers: list[list[bytes]] = []
    for talk in (lambda: talk_theirs(world, service, case), lambda: talk_ours(server, world, service, case)):
        world.tables.keys.clear()
        answers.append(talk()[1:])
        keys.append(list(world.tables.keys))
    if service == "all":  # the system prefers addresses like those of its own
        keys = [sorted(each) for each in keys]
    assert keys[1] == keys[0]
    assert answers[1] == answers[0]
    assert told(log) == told(world.beside.log(service))


@pytest.mark.parametrize("name", RESULTS)
def test_values_mean_what_they_mean_to_postfix(
    server: Callable[..., Any], log: list[str], world: World, name: str
) -> None:
    case = Case(helo="few.test", sender=f"u@{RESULTS[name].domain}", name="plain.test", reverse="one.test")
    assert talk_ours(server, world, name, case) == talk_theirs(world, name, case)
    assert told(log) == told(world.beside.log(name))
