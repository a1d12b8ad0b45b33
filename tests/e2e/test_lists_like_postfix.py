"""What a list of domains or networks means: patterns, files, tables, `!` before each, beside real Postfix."""

import smtplib

import pytest

from tests.ports import free_port

DOMAINS = """!x.one.test, one.test, !{lists}/not, {lists}/names, inline:{ {table.test = OK} },
    !inline:{ {nope.test = OK} }, .dotted.test, !.inner.deep.test, deep.test, nope.test, [127.0.0.1]"""
FILES = {
    "names": "file.test\n# a comment\n!notfile.test\n",
    "not": "notfile.test\n",
    "nets": "127.0.0.5\n127.0.0.8/30\n",
}
ASKED = """one.test x.one.test y.one.test ONE.test file.test sub.file.test notfile.test table.test sub.table.test
    dotted.test a.dotted.test deep.test a.deep.test inner.deep.test b.inner.deep.test nope.test [127.0.0.1] [127.0.0.2]
    other.test"""

NETWORKS = [
    "!127.0.0.5, 127.0.0.0/8",
    "127.0.0.0/8, !127.0.0.5",
    "!127.0.0.4/31, 127.0.0.0/29, [::1]",
    "!{lists}/nets, 127.0.0.0/8",
    "{lists}/nets",
    "{lists}/missing, 127.0.0.0/8",
    "cidr:{ {127.0.0.4/30 OK} }",
    "!cidr:{ {127.0.0.4/30 OK} }, 127.0.0.0/8",
    "texthash:/nosuch, 127.0.0.0/8",
    "127.0.0.1/8",
    "127.0.0.0/33",
]
CLIENTS = ["127.0.0.1", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.9"]

MAIN_CF = """
myhostname = mx.example
mydestination =
local_recipient_maps =
relay_recipient_maps =
smtpd_error_sleep_time = 0
smtpd_relay_restrictions =
"""


@pytest.fixture
def lists(tmp_path_factory):
    """A directory with FILES that everybody may read."""
    made = tmp_path_factory.mktemp("lists")
    for directory in (made, made.parent):
        directory.chmod(0o755)
    for name, text in FILES.items():
        (made / name).write_text(text)
    return made


def of_domains(port: int) -> list:
    """The answer for a recipient in each domain."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo("client.test")
        client.mail("a@example.com")
        return [(domain, *client.rcpt(f"u@{domain}")) for domain in ASKED.split()]


def of_client(port: int, address: str) -> tuple:
    """The answer to a client with that address."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20, source_address=(address, 0)) as client:
        client.ehlo("client.test")
        client.mail("a@example.com")
        return client.rcpt("u@outside.example")


@pytest.mark.parametrize("parents", ["", "parent_domain_matches_subdomains =\n"], ids=["parents", "dotted parents"])
@pytest.mark.parametrize("name", ["mydestination", "relay_domains"])
def test_domains_are_those_of_postfix(name, parents, instance, real_postfix, lists) -> None:
    own = MAIN_CF.replace(f"{name} =\n", "")
    main_cf = f"{own}{name} = {DOMAINS}\n{parents}smtpd_recipient_restrictions = reject_unauth_destination\n"
    main_cf = main_cf.replace("{lists}", str(lists))
    theirs = of_domains(real_postfix(main_cf=main_cf).port)
    assert {answer[1] for answer in theirs} == {250, 554}
    assert of_domains(instance(main_cf).port) == theirs


def test_networks_are_those_of_postfix(instance, real_postfix, lists) -> None:
    ports = [[free_port() for _ in NETWORKS] for _ in range(2)]
    answers = []
    for make, mine in zip((real_postfix, instance), ports, strict=True):
        lines = [
            f"127.0.0.1:{port} inet n - n - - smtpd -o {{ mynetworks = {networks.replace('{lists}', str(lists))} }}\n"
            for port, networks in zip(mine, NETWORKS, strict=True)
        ]
        main_cf = f"{MAIN_CF}smtpd_recipient_restrictions = permit_mynetworks, reject\n"
        make(main_cf=main_cf, master_cf="".join(lines))
        of = dict(zip(NETWORKS, mine, strict=True))
        answers.append({(networks, at): of_client(of[networks], at) for networks in NETWORKS for at in CLIENTS})
    theirs, ours = answers
    assert {code for code, _ in theirs.values()} == {250, 451, 554}
    assert ours == theirs
