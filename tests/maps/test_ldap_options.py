"""ldap: each parameter where it makes a difference, beside real Postfix: the same answers, statuses and words."""

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pyfix.maps import ldap_server
from pyfix.maps.open import open_or_fail
from pyfix.maps.table import TableError
from pyfix.unix import msg
from tests.maps import servers
from tests.maps.test_ldap import BASE, SPECIAL, entry
from tests.ports import free_port
from tests.real_postfix import release

pytest.importorskip("ldap", reason="the extra ldap is not installed")

Run = Callable[..., "CompletedProcess[bytes]"]

LDIF = (
    "dn: dc=test\nobjectClass: domain\ndc: test\n\n"
    + entry("one", mail="one@example.com", maildrop="uno@one.test")
    + entry("two", mail="two@example.com", maildrop=["zwei@one.test", "dos@one.test"])
    + entry("old", mailacceptinggeneralid="old", maildrop="old@one.test")
    + entry("group", mail="group@example.com", memberdn=["cn=one,dc=test", "cn=gone,dc=test"], maildrop="list@one.test")
    + entry("outer", mail="outer@example.com", memberdn="cn=group,dc=test")
    + entry("loop", mail="loop@example.com", memberdn="cn=loop,dc=test")
    + entry("end", mail="end@example.com", terminal="end@one.test", memberdn="cn=one,dc=test", maildrop="no@one.test")
    + entry("sub", **{"maildrop;lang-en": "en@one.test"}, memberdn="cn=two,dc=test", mail="sub@example.com",
            maildrop="sub@one.test", memberurl="ldap:///cn=one,dc=test??base")
    + entry("plainurl", memberurl="ldap:///cn=sub,dc=test?maildrop?base", mail="plainurl@example.com")
    + entry("suburl", memberurl="ldap:///cn=sub,dc=test?maildrop;lang-en,MAIL?base", mail="suburl@example.com")
    + entry("badurl", memberurl="ldap:///cn=sub,dc=test?mail?base?(", mail="badurl@example.com")
    + entry("bound", userPassword="pw")
    + "dn: ou=deep,dc=test\nobjectClass: organizationalUnit\nou: deep\n\n"
    + entry("deep", mail="deep@example.com", maildrop="deep@one.test").replace("cn=deep,", "cn=deep,ou=deep,")
    + "dn: cn=alias,dc=test\nobjectClass: alias\nobjectClass: extensibleObject\ncn: alias\n"
    + "aliasedObjectName: ou=deep,dc=test\n\n"
    + "dn: ou=hall,dc=test\nobjectClass: organizationalUnit\nou: hall\n\n"
    + "dn: cn=door,ou=hall,dc=test\nobjectClass: alias\nobjectClass: extensibleObject\ncn: door\n"
    + "aliasedObjectName: cn=one,dc=test\n\n"
    + "dn: cn=far,dc=test\nobjectClass: referral\nobjectClass: extensibleObject\ncn: far\n"
    + "ref: ldap://127.0.0.1:PORT/cn=one,dc=test\n\n"
)  # fmt: skip


@dataclass
class Directory:
    port: int
    tls_port: int
    top: Path


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    tls_port = free_port()
    with servers.slapd(LDIF, tls_port=tls_port) as (port, sock):
        (sock.parent / "ca").mkdir()
        (sock.parent / "ca" / f"{servers.certificate_name(sock.parent / 'cert.pem')}.0").symlink_to("../cert.pem")
        yield Directory(port, tls_port, sock.parent)


TLS = BASE + "start_tls = yes\n"
TRUSTED = "tls_require_cert = yes\ntls_ca_cert_file = {top}/cert.pem\n"
LDAPS = BASE + "server_host = ldaps://127.0.0.1:{tls_port}\n"
IN_DEEP = BASE.replace("dc=test", "cn=alias,dc=test")
IN_HALL = BASE.replace("dc=test", "ou=hall,dc=test")
PREFIX = BASE.replace("(mail=%s)", "(mail=%u*)")

CASES = {
    "defaults": ("search_base = dc=test\n", "old"),
    "server_port": (BASE + "server_host = 127.0.0.1\nserver_port = {port}\n", "one@example.com"),
    "port of a host": (BASE + "server_host = 127.0.0.1:{port}\nserver_port = 1\n", "one@example.com"),
    "several hosts": (BASE + "server_host = 127.0.0.1:{down}, 127.0.0.1:{port}\n", "one@example.com"),
    "several URLs": (BASE + "server_host = ldap://127.0.0.1:{down} ldap://127.0.0.1:{port}\n", "one@example.com"),
    "all hosts down": (BASE + "server_host = ldap://127.0.0.1:{down}\n", "one@example.com"),
    "no LDAP URL": (BASE + "server_host = http://127.0.0.1/\n", "one@example.com"),
    "fixed base that is not there": (BASE.replace("dc=test", "dc=no,dc=test"), "one@example.com"),
    "no base": (BASE.replace("dc=test", ""), "one@example.com"),
    "base of the key that is not there": (BASE.replace("dc=test", "dc=%d,dc=test"), "one@no"),
    "fixed filter": (BASE.replace("(mail=%s)", "(cn=one)"), "one@example.com"),
    "bad filter": (BASE.replace("(mail=%s)", "(mail=%s"), "one@example.com"),
    "bad base": (BASE.replace("dc=test", "no name"), "one@example.com"),
    "result_filter": (BASE + "result_filter = <%s>\n", "two@example.com"),
    "result_format before it": (BASE + "result_filter = <%s>\nresult_format = [%s]\n", "two@example.com"),
    "domain": (BASE + "domain = example.org\n", "one@example.com"),
    "order of attributes": (BASE.replace("= maildrop", "= cn, maildrop, mail"), "two@example.com"),
    "no attribute": (BASE.replace("= maildrop", "="), "two@example.com"),
    "options of an attribute": (BASE, "sub@example.com"),
    "attribute with options": (BASE.replace("= maildrop", "= maildrop;lang-en"), "sub@example.com"),
    "special in place": (SPECIAL + "leaf_result_attribute = mail\n", "sub@example.com"),
    "leaf and plain": (SPECIAL + "leaf_result_attribute = maildrop\n", "group@example.com"),
    "leaf": (SPECIAL.replace("\nresult_attribute = maildrop", "\nresult_attribute = cn")
             + "leaf_result_attribute = maildrop\n", "outer@example.com"),
    "terminal": (SPECIAL + "terminal_result_attribute = terminal\n", "end@example.com"),
    "not terminal": (SPECIAL + "terminal_result_attribute = terminal\n", "group@example.com"),
    "URL for all of an attribute": (SPECIAL.replace("\nresult_attribute = maildrop",
                                    "\nresult_attribute = maildrop;lang-en, mail"), "plainurl@example.com"),
    "URL for attributes with options": (SPECIAL.replace("\nresult_attribute = maildrop",
                                        "\nresult_attribute = maildrop, mail"), "suburl@example.com"),
    "bad URL": (SPECIAL, "badurl@example.com"),
    "no DN": (SPECIAL.replace("memberdn", "cn"), "one@example.com"),
    "DN that is not there": (SPECIAL, "group@example.com"),
    "recursion_limit 1": (SPECIAL + "recursion_limit = 1\n", "outer@example.com"),
    "recursion_limit 2": (SPECIAL + "recursion_limit = 2\n", "outer@example.com"),
    "recursion_limit 3": (SPECIAL + "recursion_limit = 3\n", "outer@example.com"),
    "recursion": (SPECIAL + "recursion_limit = 20\n", "loop@example.com"),
    "expansion_limit": (BASE + "expansion_limit = 1\nsize_limit = 0\n", "two@example.com"),
    "expansion_limit reached": (BASE + "expansion_limit = 2\n", "two@example.com"),
    "expansion_limit for entries": (PREFIX + "expansion_limit = 1\n", "o@example.com"),
    "size_limit": (PREFIX + "size_limit = 1\n", "o@example.com"),
    "size_limit reached": (PREFIX + "size_limit = 2\n", "o@example.com"),
    "no size_limit": (PREFIX + "size_limit = 0\nexpansion_limit = 3\n", "o@example.com"),
    "scope base": (BASE + "scope = base\n", "one@example.com"),
    "scope one": (BASE + "scope = one\n", "deep@example.com"),
    "scope sub": (BASE + "scope = SUB\n", "deep@example.com"),
    "another scope": (BASE + "scope = all\n", "deep@example.com"),
    **{f"dereference {n}, base": (IN_DEEP + f"dereference = {n}\n", "deep@example.com") for n in range(5)},
    **{f"dereference {n}, search": (IN_HALL + f"dereference = {n}\n", "one@example.com") for n in range(-1, 4)},
    "bind none": (BASE + "bind = NONE\n", "one@example.com"),
    "bind simple": (BASE + "bind = Simple\nbind_dn = cn=bound,dc=test\nbind_pw = pw\n", "one@example.com"),
    "wrong bind_pw": (BASE + "bind_dn = cn=bound,dc=test\nbind_pw = no\n", "one@example.com"),
    "version 2": (BASE + "version = 2\n", "one@example.com"),
    "version 2 unbound": (BASE + "version = 2\nbind = no\n", "one@example.com"),
    "version 4": (BASE + "version = 4\n", "one@example.com"),
    "chase_referrals no": (BASE.replace("dc=test", "cn=far,dc=test"), "one@example.com"),
    "chase_referrals yes": (BASE.replace("dc=test", "cn=far,dc=test") + "chase_referrals = yes\n", "one@example.com"),
    "cache": (BASE + "cache = yes\ncache_expiry = 5\ncache_size = 7\n", "one@example.com"),
    "start_tls": (TLS + TRUSTED, "one@example.com"),
    "start_tls, version 2": (TLS + "version = 2\n" + TRUSTED, "one@example.com"),
    "start_tls, no CA": (TLS + "tls_require_cert = yes\n", "one@example.com"),
    "start_tls, no CA, never mind": (TLS, "one@example.com"),
    "start_tls, another name": (TLS + TRUSTED + "server_host = ldap://localhost:{port}\n", "one@example.com"),
    "tls_ca_cert_dir": (TLS + "tls_require_cert = yes\ntls_ca_cert_dir = {top}/ca\n", "one@example.com"),
    "tls_ca_cert_dir without it": (TLS + "tls_require_cert = yes\ntls_ca_cert_dir = {top}/data\n", "one@example.com"),
    "tls_ca_cert_file that is none": (TLS + "tls_ca_cert_file = {top}/no.pem\n", "one@example.com"),
    "ldaps": (LDAPS + TRUSTED, "one@example.com"),
    "ldaps, no CA": (LDAPS + "tls_require_cert = yes\n", "one@example.com"),
    "ldaps, another name": (LDAPS.replace("127.0.0.1", "localhost") + TRUSTED, "one@example.com"),
    "tls_cert": (TLS + TRUSTED + "bind = sasl\nsasl_mechs = EXTERNAL\ntls_cert = {top}/cert.pem\n"
                 "tls_key = {top}/key.pem\n", "one@example.com"),
    "no tls_cert": (TLS + TRUSTED + "bind = sasl\nsasl_mechs = EXTERNAL\n", "one@example.com"),
    "tls_cert that is none": (TLS + "tls_cert = {top}/no.pem\ntls_key = {top}/key.pem\n", "one@example.com"),
    "tls_key that is none": (TLS + "tls_cert = {top}/cert.pem\ntls_key = {top}/no.pem\n", "one@example.com"),
    "tls_cipher_suite": (TLS + TRUSTED + "tls_cipher_suite = NORMAL\n", "one@example.com"),
    "tls_cipher_suite that is none": (TLS + "tls_cipher_suite = NONSENSE\n", "one@example.com"),
}  # fmt: skip


@dataclass
class Answer:
    """What postmap says. words: those of its warnings, without where they come from."""

    value: str | None
    failed: bool
    words: list[str]
    line: str


def words(line: str) -> str:
    """A warning of real Postfix's without the function that gave it and the table's name."""
    text = re.sub(r"^postmap: (warning|error): ", "", line).replace("ldap://http://", "http://")
    text = text.replace("TLS context -1: Can't contact LDAP server", "TLS context")  # which says nothing
    return re.sub(r"^(dict_ldap_(?!open)\w+(\[\d+\])?: )?(/\S+/ldap\.cf: )?", "", text).strip()


def theirs(postfix: Run, spec: str, key: str) -> Answer:
    done = postfix("postmap", "-q", key, spec)
    lines = done.stderr.decode().splitlines()
    kept = [words(line) for line in lines if "fatal: " not in line and "Had some trouble" not in line]
    kept = [line for line in kept if "overriding" not in line and "Expansion limit" not in line]
    text = done.stderr.decode()
    return Answer(done.stdout.decode().rstrip("\n") or None, "query error" in text, kept, text)


def ours(spec: str, key: str) -> Answer:
    lines: list[str] = []
    before = msg.to(lambda _, text: lines.append(text))
    value, failed = None, False
    try:
        value = open_or_fail(spec).lookup_now(key)
    except TableError:
        failed = True
    finally:
        msg.to(*before)
    return Answer(value, failed, lines, "\n".join(lines))


def spec_of(here: Path, directory: Directory, name: str) -> str:
    text = CASES[name][0]
    host = "" if "server_host" in text else "server_host = ldap://127.0.0.1:{port}\n"
    folder = here / re.sub(r"\W", "-", name)
    folder.mkdir()
    (folder / "ldap.cf").write_text(
        (host + text).format(port=directory.port, tls_port=directory.tls_port, top=directory.top, down=free_port())
    )
    os.utime(folder / "ldap.cf", (1000, 1000))  # a fresh one makes Postfix wait
    return f"ldap:{folder}/ldap.cf"


def test_each_parameter_means_what_it_means_to_real_postfix(directory: Directory, here: Path, postfix: Run) -> None:
    if not Path("/usr/lib/postfix/postfix-ldap.so").exists():
        pytest.skip("real Postfix's ldap plug-in is not installed")
    specs = {name: spec_of(here, directory, name) for name in CASES}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: theirs(postfix, specs[name], CASES[name][1]), CASES))
    for name, expected in zip(CASES, answers, strict=True):
        found = ours(specs[name], CASES[name][1])
        if name == "tls_cipher_suite" and release() > (3, 7):
            expected = Answer("uno@one.test", False, [], "")  # its libldap has another TLS library
        assert (found.value, found.failed) == (expected.value, expected.failed), (name, found, expected)
        for said in expected.words:
            assert said.lower() in found.line.lower(), (name, found, expected)
        assert len(found.words) >= int(found.failed), name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tls_ca_cert_file that is none", "tls_ca_cert_file = {top}/no.pem: No such file or directory"),
        ("tls_cert that is none", "tls_cert = {top}/no.pem: No such file or directory"),
        ("tls_key that is none", "tls_key = {top}/no.pem: No such file or directory"),
        ("tls_cipher_suite that is none", "tls_cipher_suite = NONSENSE"),
    ],
)
def test_what_tls_can_not_use_is_named(directory: Directory, here: Path, name: str, says: str) -> None:
    answer = ours(spec_of(here, directory, name), "one@example.com")
    assert f"Unable to allocate new TLS context: {says.format(top=directory.top)}" in answer.line


def test_certificates_are_read_when_the_table_is_opened(
    directory: Directory, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ldap_server, "_shared", [])
    (here / "ca.pem").write_bytes((directory.top / "cert.pem").read_bytes())
    text = f"{TLS}server_host = ldap://127.0.0.1:{directory.port}\ntls_require_cert = yes\n"
    (here / "ldap.cf").write_text(f"{text}tls_ca_cert_file = {here}/ca.pem\n")
    table = open_or_fail(f"ldap:{here}/ldap.cf")
    (here / "ca.pem").unlink()
    assert table.lookup_now("one@example.com") == "uno@one.test"
    (here / "other.cf").write_text(f"{text}tls_ca_cert_file = {here}/other.pem\n")
    with pytest.raises(TableError):
        open_or_fail(f"ldap:{here}/other.cf").lookup_now("one@example.com")


SASL = "bind = sasl\nsasl_mechs = SCRAM-SHA-1\nbind_dn = bound\nbind_pw = pw\n"


@pytest.mark.parametrize("bind", ["bind = no\n", "bind = yes\n", SASL, "start_tls = yes\n"])
def test_a_silent_server_is_given_up_after_the_timeout(here: Path, bind: str, log: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        (here / "ldap.cf").write_text(f"{BASE}server_host = {where}\ntimeout = 1\n{bind}")
        with pytest.raises(TableError):
            open_or_fail(f"ldap:{here}/ldap.cf").lookup_now("one@example.com")
    (line,) = log
    assert line.startswith(f"warning: ldap:{here}/ldap.cf: LDAP server {where}: ")
    assert "Timed out" in line or "Can't contact" in line


def test_a_server_that_comes_back_is_asked_again(here: Path, log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyfix.maps.ldap.RETRY", 0)
    port = free_port()
    text = f"{BASE}server_host = ldap://127.0.0.1:{port}\nbind_dn = cn=bound,dc=test\nbind_pw = pw\n"
    (here / "ldap.cf").write_text(text)
    table = open_or_fail(f"ldap:{here}/ldap.cf")
    for _ in range(2):
        with servers.slapd(LDIF, port=port):
            assert table.lookup_now("one@example.com") == "uno@one.test"
        with pytest.raises(TableError):
            table.lookup_now("one@example.com")
    assert all("Can't contact LDAP server" in line for line in log)


def test_a_server_that_drops_in_mid_answer_is_an_error(here: Path, log: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(1000)
                    peer.sendall(b"0\x0c\x02\x01\x01a\x07\n\x01\x00\x04\x00\x04\x00")  # bound
                    peer.recv(1000)
                    peer.sendall(b"0\x82\x01\x00\x02\x01\x02d")  # a part of an entry

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        where = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        (here / "ldap.cf").write_text(f"{BASE}server_host = {where}\ntimeout = 5\n")
        table = open_or_fail(f"ldap:{here}/ldap.cf")
        with pytest.raises(TableError):
            table.lookup_now("one@example.com")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    (line,) = log
    assert f"LDAP server {where}: Can't contact LDAP server" in line


def test_debuglevel_is_the_librarys(directory: Directory, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import ldap

    (here / "ldap.cf").write_text(f"{BASE}server_host = ldap://127.0.0.1:{directory.port}\ndebuglevel = -1\n")
    try:
        assert open_or_fail(f"ldap:{here}/ldap.cf").lookup_now("one@example.com") == "uno@one.test"
    finally:
        ldap.set_option(ldap.OPT_DEBUG_LEVEL, 0)
    assert "ldap_search_ext" in capfd.readouterr().err
