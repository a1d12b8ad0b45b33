"""ldap: bound with each of SASL's mechanisms, by our postmap and by real Postfix's: the same answers and statuses."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.maps import servers
from tests.maps.kerberos import realm

pytest.importorskip("ldap", reason="the extra ldap is not installed")

LDIF = (
    "dn: dc=test\nobjectClass: domain\ndc: test\n\n"
    "dn: cn=one,dc=test\nobjectClass: mailthing\ncn: one\nmail: one@example.com\nmaildrop: uno@one.test\n\n"
    "dn: cn=bound,dc=test\nobjectClass: mailthing\ncn: bound\nuserPassword: pw\n\n"
)
COMMON = "search_base = dc=test\nquery_filter = (mail=%s)\ntimeout = 5\nversion = 3\nbind = sasl\n"
PASSWORD = "bind_dn = bound\nbind_pw = pw\n"
Done = subprocess.CompletedProcess[str]
TLS = (
    "server_host = ldap://127.0.0.1:{port}\nstart_tls = yes\n"
    "tls_require_cert = yes\ntls_ca_cert_file = {top}/cert.pem\n"
)
OURS = Path(sys.executable).with_name("postmap")
THEIRS = Path("/usr/sbin/postmap")


@dataclass
class Directory:
    port: int
    top: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    with realm("bound") as environment, servers.slapd(LDIF, environment) as (port, sock):
        keys = environment["KRB5_KTNAME"].replace("server", "bound")
        yield Directory(port, sock.parent, {**environment, "KRB5_CLIENT_KTNAME": keys})


FOUND = {
    "SCRAM-SHA-1": PASSWORD,
    "SCRAM-SHA-256": PASSWORD,
    "SCRAM-SHA-512": PASSWORD,
    "CRAM-MD5": PASSWORD,
    "DIGEST-MD5": PASSWORD,
    "DIGEST-MD5 in a realm": PASSWORD + "sasl_realm = some.test\n",
    "DIGEST-MD5 for oneself": PASSWORD + "sasl_authz_id = u:bound\n",
    "DIGEST-MD5 with encryption": PASSWORD + "sasl_minssf = 128\n",
    "NTLM": PASSWORD,
    "PLAIN": PASSWORD + TLS,
    "GSSAPI": "",
    "GSSAPI with encryption": "sasl_minssf = 56\n",
    "GS2-KRB5": "",
    "PLAIN, SCRAM-SHA-1": PASSWORD,  # the first is not for connections without TLS
    "": PASSWORD,
}
REFUSED = {
    "SCRAM-SHA-256": (PASSWORD.replace("pw\n", "wrong\n"), "with dn bound: 49 (Invalid credentials)"),
    "CRAM-MD5": (PASSWORD.replace("pw\n", "wrong\n"), "with dn bound: 49 (Invalid credentials)"),
    "DIGEST-MD5": (PASSWORD + "sasl_authz_id = dn:cn=one,dc=test\n", "with dn bound: 50 (Insufficient access)"),
    "PLAIN": (PASSWORD, "with dn bound: -6 (Unknown authentication method)"),
    "NO-SUCH": (PASSWORD, "with dn bound: -6 (Unknown authentication method)"),
    "SCRAM-SHA-1": (PASSWORD + "version = 2\n", "with dn bound: -12 (Not Supported)"),
    "GSSAPI": ("server_host = ldap://127.0.0.1:{port}\n", "with dn empty or implicit: -2 (Local error)"),
}


def both(directory: Directory, here: Path, mechanism: str, text: str) -> list[Done]:
    """Our postmap's answer, and real one's where there is a real one to ask."""
    host = "" if "server_host" in text else "server_host = ldap://localhost:{port}\n"
    text = f"{host}{COMMON}sasl_mechs = {mechanism}\n{text}".format(port=directory.port, top=directory.top)
    (here / "ldap.cf").write_text(text)
    (here / "main.cf").write_text("compatibility_level = 3.6\n")
    for name in ("ldap.cf", "main.cf"):
        os.utime(here / name, (1000, 1000))  # a fresh one makes Postfix wait

    def run(program: Path) -> Done:
        return subprocess.run(
            [program, "-c", here, "-q", "one@example.com", f"ldap:{here}/ldap.cf"],
            capture_output=True, text=True, env={**os.environ, **directory.environment}, check=False, timeout=30,
        )  # fmt: skip

    real = THEIRS.exists() and Path("/usr/lib/postfix/postfix-ldap.so").exists()
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(run, [OURS, THEIRS] if real else [OURS]))
    return [each for each in done if "stack smashing" not in each.stderr]  # of libraries that do not go together


@pytest.mark.parametrize("which", FOUND)
def test_a_mechanism_lets_us_in_as_it_does_real_postfix(directory: Directory, here: Path, which: str) -> None:
    mechanism = which.partition(" with")[0].partition(" in")[0].partition(" for")[0].replace(",", "")
    for done in both(directory, here, mechanism, FOUND[which]):
        assert (done.returncode, done.stdout, done.stderr) == (0, "uno@one.test\n", "")


@pytest.mark.parametrize("mechanism", REFUSED)
def test_who_is_refused_is_told_in_real_postfixs_words(directory: Directory, here: Path, mechanism: str) -> None:
    text, reason = REFUSED[mechanism]
    for done in both(directory, here, mechanism, text):
        assert (done.returncode, done.stdout) == (1, "")
        trouble, end = [line for line in done.stderr.splitlines() if "overriding" not in line]
        assert "Unable to bind to server ldap://" in trouble
        assert reason in trouble
        assert f": fatal: table ldap:{here}/ldap.cf: query error: " in end
        assert done.args[0] == THEIRS or f"warning: ldap:{here}/ldap.cf: LDAP server ldap://" in trouble


def test_less_protection_than_is_asked_for_is_refused(directory: Directory, here: Path) -> None:
    ours, *_ = both(directory, here, "SCRAM-SHA-256", PASSWORD + "sasl_minssf = 56\n")
    assert ours.returncode == 1
    assert "No worthy mechs found" in ours.stderr


def test_a_user_without_a_ticket_is_refused(directory: Directory, here: Path) -> None:
    without = {**directory.environment, "KRB5_CLIENT_KTNAME": "/no/such", "KRB5CCNAME": "FILE:/no/such/cache"}
    for done in both(Directory(directory.port, directory.top, without), here, "GSSAPI", ""):
        assert done.returncode == 1
        assert "with dn empty or implicit: -2 (Local error)" in done.stderr
