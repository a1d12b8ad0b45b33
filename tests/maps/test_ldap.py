"""ldap: on a real directory, beside real Postfix."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pyfix.maps.open import open_or_fail, open_table
from pyfix.maps.table import OpenError, TableError
from tests.maps import servers
from tests.ports import free_port

pytest.importorskip("ldap", reason="the extra ldap is not installed")

Run = Callable[..., "CompletedProcess[bytes]"]


def entry(name: str, **attributes: str | list[str]) -> str:
    lines = [f"dn: cn={name},dc=test", "objectClass: mailthing", f"cn: {name}"]
    for attribute, values in attributes.items():
        lines += [f"{attribute}: {value}" for value in ([values] if isinstance(values, str) else values)]
    return "\n".join(lines) + "\n\n"


LDIF = (
    "dn: dc=test\nobjectClass: domain\ndc: test\n\n"
    + entry("one", mail="one@example.com", maildrop="uno@one.test")
    + entry("two", mail="two@example.com", maildrop=["zwei@one.test", "dos@one.test"])
    + entry("odd", mail="o(d)d*@example.com", maildrop="odd@one.test")
    + entry("plain", mail="plain@example.com", maildrop="plain")
    + entry("none", mail="none@example.com")
    + entry("group", mail="group@example.com", maildrop="list@one.test",
            memberdn=["cn=one,dc=test", "cn=two,dc=test", "cn=gone,dc=test"])
    + entry("outer", mail="outer@example.com", memberdn=["cn=group,dc=test", "cn=plain,dc=test"])
    + entry("loop", mail="loop@example.com", memberdn="cn=loop,dc=test")
    + entry("url", mail="url@example.com", memberurl="ldap:///dc=test??sub?(mail=t*@example.com)")
    + entry("end", mail="end@example.com", maildrop="not@one.test", terminal="end@one.test",
            memberdn="cn=one,dc=test")
    + entry("few", mail="few@example.com", memberurl="ldap:///dc=test?cn,mail?sub?(mail=t*@example.com)")
    + entry("some", mail="some@example.com", memberurl="ldap:///dc=test?cn,maildrop?sub?(mail=t*@example.com)")
    + "dn: cn=far,dc=test\nobjectClass: referral\nobjectClass: extensibleObject\ncn: far\n"
    + "ref: ldap://127.0.0.1:PORT/cn=one,dc=test\n\n"
    + entry("bound", mail="bound@example.com", userPassword="pw")
)  # fmt: skip


@pytest.fixture(scope="module")
def directory() -> Iterator[tuple[int, Path]]:
    with servers.slapd(LDIF) as found:
        yield found


BASE = "search_base = dc=test\nquery_filter = (mail=%s)\nresult_attribute = maildrop\n"
SPECIAL = BASE + "special_result_attribute = memberdn, memberurl\n"

TABLES = {
    "plain": BASE,
    "format": BASE + "result_format = <%s> %u for %U\n",
    "empty format": BASE + "result_format =\n",
    "format that is not the old one": BASE + "result_format =\nresult_filter = <%s>\n",
    "parts": "search_base = dc=test\nquery_filter = (|(mail=%u@%d)(cn=%u))\nresult_attribute = maildrop\n",
    "labels": "search_base = dc=%d\nquery_filter = (mail=*@%2.%1)\nresult_attribute = maildrop\n",
    "base": "search_base = cn=%u,dc=test\nscope = base\nquery_filter = (objectClass=*)\nresult_attribute = maildrop\n",
    "one": BASE + "scope = one\n",
    "special": SPECIAL,
    "leaf": SPECIAL.replace("result_attribute = maildrop", "result_attribute =\nleaf_result_attribute = maildrop"),
    "terminal": SPECIAL + "terminal_result_attribute = terminal\n",
    "domain": BASE + "domain = example.com\n",
    "bound": BASE + "bind = yes\nbind_dn = cn=bound,dc=test\nbind_pw = pw\n",
    "not bound": BASE + "bind = no\n",
    "version 2": BASE + "version = 2\nbind = no\n",
    "referrals": BASE + "chase_referrals = yes\n",
}
KEYS = ["one@example.com", "TWO@example.com", "o(d)d*@example.com", "plain@example.com", "none@example.com", "one",
        "group@example.com", "outer@example.com", "url@example.com", "few@example.com", "some@example.com",
        "end@example.com", "*", "*@example.com", "a,b=c", "nobody@example.com", "test", "x@test"]  # fmt: skip


def write(here: Path, port: int, text: str, host: str = "") -> str:
    (here / "ldap.cf").write_text(f"server_host = {host or f'127.0.0.1:{port}'}\ntimeout = 5\n{text}")
    os.utime(here / "ldap.cf", (1000, 1000))  # a fresh one makes Postfix wait
    return f"ldap:{here}/ldap.cf"


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_answers_are_those_of_real_postfix(
    directory: tuple[int, Path], here: Path, postfix: Run, text: str
) -> None:
    if not Path("/usr/lib/postfix/postfix-ldap.so").exists():
        pytest.skip("real Postfix's ldap plug-in is not installed")
    spec = write(here, directory[0], text, f"ldap://127.0.0.1:{directory[0]}")
    table = open_or_fail(spec)
    done = postfix("postmap", "-q", "-", spec, stdin="".join(f"{key}\n" for key in KEYS).encode())
    theirs = dict(line.split("\t") for line in done.stdout.decode().splitlines())
    ours = {key: value for key in KEYS if (value := table.lookup_now(key)) is not None}
    assert ours == theirs, done.stderr


def test_an_empty_filter_is_the_servers_to_refuse(directory: tuple[int, Path], here: Path, log: list[str]) -> None:
    table = open_or_fail(write(here, directory[0], "search_base = dc=test\nquery_filter =\n"))
    assert log == [f"warning: dict_ldap_open: {here}/ldap.cf: Fixed query_filter  is probably useless"]
    with pytest.raises(TableError):
        table.lookup_now("one@example.com")


def test_a_group_of_groups_is_followed(directory: tuple[int, Path], here: Path) -> None:
    table = open_or_fail(write(here, directory[0], SPECIAL))
    assert table.lookup_now("outer@example.com") == "list@one.test,uno@one.test,zwei@one.test,dos@one.test,plain"


def test_a_group_that_holds_itself_is_an_error(directory: tuple[int, Path], here: Path, log: list[str]) -> None:
    table = open_or_fail(write(here, directory[0], SPECIAL + "recursion_limit = 20\n"))
    with pytest.raises(TableError):
        table.lookup_now("loop@example.com")
    assert log[0].endswith("Recursion limit exceeded for special attribute memberdn=cn=loop,dc=test")
    assert table.lookup_now("one@example.com") == "uno@one.test"


def test_too_many_values_are_an_error(directory: tuple[int, Path], here: Path) -> None:
    table = open_or_fail(write(here, directory[0], BASE + "expansion_limit = 1\n"))
    assert table.lookup_now("one@example.com") == "uno@one.test"
    with pytest.raises(TableError):
        table.lookup_now("two@example.com")


def test_a_socket_and_a_second_server_are_asked(directory: tuple[int, Path], here: Path, log: list[str]) -> None:
    down = f"ldap://127.0.0.1:{free_port()}"
    quoted = str(directory[1]).replace("/", "%2f")
    table = open_or_fail(write(here, 0, BASE, f"{down} ldapi://{quoted}"))
    assert table.lookup_now("one@example.com") == "uno@one.test"
    (line,) = log
    refused = f"Unable to bind to server {down} with dn empty or implicit: -1 (Can't contact LDAP server)"
    assert line.startswith(f"warning: {table.name}: LDAP server {down}: {refused}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BASE + "bind_dn = cn=bound,dc=test\nbind_pw = wrong\n",
         "Unable to bind to server SERVER with dn cn=bound,dc=test: 49 (Invalid credentials)"),
        (BASE + "start_tls = yes\ntls_require_cert = yes\n", "Unable to set STARTTLS: -11: Connect error: "),
        (BASE.replace("dc=test", "no name"), "Search error 34"),
        (BASE.replace("dc=test", "dc=gone,dc=test"), "Search base 'dc=gone,dc=test' not found: 32: No such object"),
        (BASE.replace("(mail=%s)", "(mail=%s"), "Search error -7: Bad search filter: (mail="),
    ],
)
def test_what_the_server_refuses_is_an_error(
    directory: tuple[int, Path], here: Path, log: list[str], text: str, says: str
) -> None:
    table = open_table(write(here, directory[0], text))
    with pytest.raises(TableError):
        table.lookup_now("one@example.com")
    says = says.replace("SERVER", f"ldap://127.0.0.1:{directory[0]}")
    assert f"LDAP server 127.0.0.1:{directory[0]}: {says}" in log[0]


def test_answers_come_through_tls(directory: tuple[int, Path], here: Path) -> None:
    text = f"{BASE}start_tls = yes\ntls_require_cert = yes\ntls_ca_cert_file = {directory[1].parent}/cert.pem\n"
    assert open_or_fail(write(here, directory[0], text)).lookup_now("one@example.com") == "uno@one.test"


@pytest.mark.parametrize("shown", [True, False])
def test_a_certificate_can_say_who_we_are(
    directory: tuple[int, Path], here: Path, log: list[str], shown: bool
) -> None:
    top = directory[1].parent
    text = f"{BASE}start_tls = yes\nbind = sasl\nsasl_mechs = EXTERNAL\ntls_ca_cert_file = {top}/cert.pem\n"
    text += f"tls_cert = {top}/cert.pem\ntls_key = {top}/key.pem\n" if shown else ""
    table = open_or_fail(write(here, directory[0], text))
    if shown:
        assert table.lookup_now("one@example.com") == "uno@one.test"
        return
    with pytest.raises(TableError):
        table.lookup_now("one@example.com")
    assert "Unknown authentication method" in log[0]


def test_other_servers_are_asked_only_if_they_are_to_be(directory: tuple[int, Path], here: Path) -> None:
    assert open_or_fail(write(here, directory[0], BASE)).lookup_now("one@example.com") == "uno@one.test"
    text = BASE.replace("dc=test", "cn=far,dc=test")
    with pytest.raises(TableError):
        open_or_fail(write(here, directory[0], text)).lookup_now("one@example.com")
    text += "chase_referrals = yes\n"
    assert open_or_fail(write(here, directory[0], text)).lookup_now("one@example.com") == "uno@one.test"


def test_who_we_are_may_come_from_the_socket(directory: tuple[int, Path], here: Path) -> None:
    quoted = str(directory[1]).replace("/", "%2f")
    text = BASE + "bind = sasl\nsasl_mechs = EXTERNAL\n"
    assert open_or_fail(write(here, 0, text, f"ldapi://{quoted}")).lookup_now("one@example.com") == "uno@one.test"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bind = maybe\n", "{cf}: unsupported parameter value: bind = maybe"),
        ("bind =\n", "{cf}, line 3: bad string length 0 < 1: bind = "),
        ("server_host =\n", "{cf}, line 3: bad string length 0 < 1: server_host = "),
        ("version = 1\n", "{cf}, line 3: invalid version parameter value 1 < 2"),
        ("recursion_limit = 0\n", "{cf}, line 3: invalid recursion_limit parameter value 0 < 1"),
        ("result_format = %x\n", "db_common_parse: {cf}: Invalid result template: %x"),
    ],
)
def test_bad_parameters_are_told(here: Path, text: str, reason: str) -> None:
    with pytest.raises(OpenError) as caught:
        open_or_fail(write(here, 1, text))
    assert str(caught.value) == reason.format(cf=here / "ldap.cf")


def test_many_may_ask_at_once_on_a_loop(directory: tuple[int, Path], here: Path) -> None:
    table = open_or_fail(write(here, directory[0], BASE))

    async def ask() -> list[str | None]:
        return await asyncio.gather(*[table.lookup("one@example.com") for _ in range(40)])

    assert asyncio.run(ask()) == ["uno@one.test"] * 40
