"""postfix tls makes, says and changes what Debian's does; OpenSSL reads what it makes."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pyfix.commands import postfix
from pyfix.unix import msg

pytest.importorskip("cryptography", reason="cryptography is not installed")

REAL = shutil.which("postfix", path="/usr/sbin:/usr/bin")
OPENSSL = shutil.which("openssl")
LONG_AGO = 1_000_000_000  # real postconf waits until a file is some seconds old

MAIN_CF = """\
# first
compatibility_level = {level}
queue_directory = {top}/queue
data_directory = {top}/data
maillog_file = {top}/log
maillog_file_prefixes = {top}
myhostname = mx.example.test
{more}
"""


class Seen(NamedTuple):
    status: int
    out: str
    lines: list[str]
    settings: list[str]


class Side:
    """One of the two, with a configuration of its own."""

    def __init__(self, top: Path, run: Callable[[list[str]], tuple[int, str, str]], level: str, more: str) -> None:
        self.top, self.call, self.level = top, run, level
        self.conf = top / "etc"
        for name in ("etc", "queue", "data"):
            (top / name).mkdir(parents=True)
        (self.conf / "master.cf").touch()
        self.main_cf = self.conf / "main.cf"
        self.write(more)

    def write(self, more: str) -> None:
        """A new main.cf."""
        self.main_cf.write_text(MAIN_CF.format(top=self.top, level=self.level, more=more))

    def run(self, *words: str) -> Seen:
        """The outcome, times and keys taken out. Warnings are the TLS library's own words."""
        log = self.top / "log"
        log.write_text("")
        os.utime(self.main_cf, (LONG_AGO, LONG_AGO))
        status, out, err = self.call(["postfix", "-c", str(self.conf), "tls", *words])
        lines = [line.partition("]: ")[2] for line in log.read_text().splitlines()]
        if not lines:  # newer postlog writes to standard error only, while nothing runs
            lines = [line.partition(": ")[2] for line in err.splitlines()]
        lines = [self.plain(line) for line in lines if "letsencrypt" not in line and not line.startswith("warning:")]
        settings = sorted(self.plain(line) for line in self.main_cf.read_text().splitlines())
        return Seen(status, self.plain(out), lines, [line for line in settings if "compatibility" not in line])

    def plain(self, text: str) -> str:
        text = text.replace(str(self.top), "TOP")
        text = re.sub(r"\d{8}-\d{6}", "WHEN", text)
        return re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", text)

    def file(self, kind: str) -> str:
        """The one file whose name begins so."""
        (path,) = self.conf.glob(f"{kind}-*")
        return path.name


@pytest.fixture
def our_call(capsys):
    def run(line: list[str]) -> tuple[int, str, str]:
        before = msg.to()
        try:
            status = postfix.main(line)
        except SystemExit as end:
            status = int(str(end.code))
        finally:
            msg.to(*before)
        return status, *capsys.readouterr()

    return run


def real_call(line: list[str]) -> tuple[int, str, str]:
    done = subprocess.run([str(REAL), *line[1:]], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def sides(tmp_path, monkeypatch, our_call):
    monkeypatch.setattr(os, "environ", os.environ.copy())

    def make(more: str = "") -> tuple[Side, Side]:
        if REAL is None or os.geteuid() != 0:
            pytest.skip("postfix is not installed, or this is not root")
        real = Side(tmp_path / "real", real_call, "3.11", more)
        return Side(tmp_path / "ours", our_call, "3.11", more), real

    return make


@pytest.fixture
def ours(tmp_path, monkeypatch, our_call):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return Side(tmp_path / "ours", our_call, "3.11", "")


def openssl(*words: str) -> str:
    if OPENSSL is None:
        pytest.skip("openssl is not installed")
    return subprocess.run([OPENSSL, *words], capture_output=True, text=True, check=True, timeout=30).stdout


def same(sides: tuple[Side, Side], *words: str) -> Seen:
    seen, expected = (side.run(*words) for side in sides)
    assert seen == expected
    return seen


COMMANDS = (
    "enable-client (or enable-server, new-server-key, new-server-cert, deploy-server-cert, output-server-csr, "
    "output-server-tlsa, all-default-client, all-default-server)"
)
UNKNOWN = [f"fatal: usage: postfix tls {COMMANDS}"]
NEW = "[-a algorithm] [-b bits ] [hostname ...]"
NO_KEY = "fatal: No usable keyfile specified or configured"
WRONG = {  # Debian's words; each takes it more than a second
    "": ["error: unknown tls command: ''", *UNKNOWN],
    "frobnicate": ["error: unknown tls command: 'frobnicate'", *UNKNOWN],
    "-x enable-client": ["error: unknown tls command: '-x'", *UNKNOWN],
    "all-default-client x": ["fatal: usage: postfix tls all-default-client"],
    "enable-client x": ["fatal: usage: postfix tls enable-client [-r devrandom]"],
    "enable-client -z": ["fatal: usage: postfix tls enable-client [-r devrandom]"],
    "enable-server -z": [
        "fatal: usage: postfix tls enable-server [-a algorithm] [-b bits ] [-r devrandom] [hostname ...]"
    ],
    "enable-server -a dsa": ["fatal: Unsupported private key algorithm: dsa"],
    "new-server-key -a": [f"fatal: usage: postfix tls new-server-key {NEW}"],
    "new-server-key -a dsa": ["fatal: Unsupported public key algorithm: dsa"],
    "new-server-key -b many": ["fatal: error generating new rsa many private key"],
    "new-server-key -b 100": ["fatal: error generating new rsa 100 private key"],
    "new-server-key -a ecdsa -b circle": ["fatal: error generating new ecdsa circle private key"],
    "new-server-cert -k x": [f"fatal: usage: postfix tls new-server-cert {NEW}"],
    "deploy-server-cert x": ["fatal: usage: postfix tls deploy-server-cert certfile keyfile"],
    "deploy-server-cert x y z": ["fatal: usage: postfix tls deploy-server-cert certfile keyfile"],
    "deploy-server-cert x nosuch": ["fatal: no private key found in file: TOP/etc/nosuch"],
    "output-server-csr": [NO_KEY],
    "output-server-csr -k ecdsa": [NO_KEY],
    "output-server-csr -k nosuch.pem": [NO_KEY],
    "output-server-csr -k": ["fatal: usage: postfix tls output-server-csr [-k keyfile] [hostname ...]"],
    "output-server-tlsa": ["fatal: No usable keyfiles specified or configured"],
    "output-server-tlsa -h": ["fatal: usage: postfix tls output-server-tlsa [-h hostname] [keyfile ...]"],
    "output-server-tlsa main.cf": ["fatal: no private key found in file: TOP/etc/main.cf"],
}
COMPARED = ("-x enable-client", "output-server-tlsa main.cf")


def test_wrong_commands_fail_in_the_same_words(sides):
    ours, real = sides()
    for command, lines in WRONG.items():
        for side in (ours, real) if command in COMPARED else (ours,):
            seen = side.run(*command.split())
            assert (seen.status, seen.lines) == (1, lines), (command, side.top)


SET = [
    "smtp_tls_loglevel = 2", "smtp_use_tls = no", "smtp_tls_enforce_peername = no", "smtp_tls_eccert_file = x",
    "smtpd_tls_security_level =", "smtpd_tls_security_level = $x", "smtpd_tls_CAfile = /x", "smtpd_use_tls = yes",
]  # fmt: skip


def test_what_counts_as_set_up_already(sides):
    both = sides()
    for line in SET:
        for side in both:
            side.write(line)
        same(both, "all-default-client")
        same(both, "all-default-server")


def test_enable_client_twice(sides):
    both = sides()
    assert "smtp_tls_security_level = may" in same(both, "enable-client").settings
    assert same(both, "enable-client").lines[0].startswith("*** Non-default")
    assert same(both, "all-default-client").status == 1


@pytest.mark.parametrize("more", [["-r", "egd:/x"], ["-a", "ecdsa", "a.test", "b.test"]], ids=" ".join)
def test_enable_server_twice(sides, more):
    both = sides("tls_random_source = dev:/dev/random")
    assert "smtpd_tls_security_level = may" in same(both, "enable-server", *more).settings
    assert same(both, "enable-server", *more).lines[0].startswith("*** Non-default")
    assert same(both, "output-server-tlsa").out.count("TLSA") == 1


def test_key_goes_from_making_to_use(sides):
    both = sides()
    same(both, "new-server-key")
    same(both, "new-server-key", "-a", "ecdsa", "-b", "secp384r1", "q.test")
    names = [(side.file("cert"), side.file("key"), side.file("eccert"), side.file("eckey")) for side in both]
    steps = [
        ("output-server-tlsa", 1), ("output-server-tlsa", 1, 3), ("output-server-tlsa", "-h", "q.test", 3, 0),
        ("deploy-server-cert", 0, 3), ("deploy-server-cert", 2, 3),
        ("deploy-server-cert", 0, 1), ("output-server-tlsa",), ("output-server-tlsa", "ecdsa"),
    ]  # fmt: skip
    for step in steps:
        words = [[own[word] if isinstance(word, int) else word for word in step] for own in names]
        assert both[0].run(*words[0]) == both[1].run(*words[1]), step
    for side in both:
        (side.conf / side.file("cert")).unlink()
    assert same(both, "new-server-cert").lines[-1].startswith("  # postfix tls output-server-tlsa")


def fields(text: str) -> list[str]:
    """Lines of OpenSSL's text that are the same for every key."""
    wanted = r"\s*(Version|Issuer|Subject|Public-Key|Signature Alg|DNS|CA:[TF][RA]|TLS Web|ASN1 OID|X509v3|Requested)"
    return [line.strip() for line in text.splitlines() if re.match(wanted, line)]


@pytest.mark.parametrize("algorithm", ["rsa", "ecdsa"])
def test_certificate_and_request_have_the_same_parts(sides, algorithm):
    both = sides()
    same(both, "new-server-key", "-a", algorithm, "a.test", "b.test")
    kind = "ec" if algorithm == "ecdsa" else ""
    texts = []
    for side in both:
        path = side.conf / side.file(f"{kind}cert")
        texts.append(fields(openssl("x509", "-in", str(path), "-noout", "-text")))
        assert path.stat().st_mode & 0o777 == 0o644
        assert (side.conf / side.file(f"{kind}key")).stat().st_mode & 0o777 == 0o600
        request = side.run("output-server-csr", "-k", side.file(f"{kind}key"), "c.test").out
        (side.top / "csr").write_text(request)
        texts.append(fields(openssl("req", "-in", str(side.top / "csr"), "-noout", "-text", "-verify")))
    assert texts[:2] == texts[2:]
    assert "DNS:a.test, DNS:b.test" in texts[0]


def test_record_is_what_openssl_computes(ours):
    ours.run("new-server-key", "-a", "ecdsa")
    key = ours.conf / ours.file("eckey")
    der = subprocess.run(
        [str(OPENSSL), "pkey", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True
    ).stdout
    digest = subprocess.run(
        [str(OPENSSL), "dgst", "-sha256"], input=der, capture_output=True, check=True
    ).stdout.decode()
    _, out, _ = ours.call(["postfix", "-c", str(ours.conf), "tls", "output-server-tlsa", key.name])
    assert out.split()[-1] == digest.split()[-1]


def test_name_that_can_not_be_leaves_no_files(ours):
    seen = ours.run("enable-server", "-a", "ecdsa", "x" * 70)
    assert (seen.status, seen.lines) == (1, ["fatal: error generating self-signed SSL certificate"])
    assert sorted(path.name for path in ours.conf.iterdir()) == ["main.cf", "master.cf"]


def test_missing_library_is_told(ours, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    problem = "fatal: keys and certificates need the package cryptography: pip install 'pyfix[tls]'"
    assert ours.run("new-server-key")[0::2] == (1, [problem])
    assert ours.run("all-default-client").status == 0
