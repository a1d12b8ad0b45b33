"""Name servers that lie, loop, are silent or talk nonsense: the same outcome and words as real Postfix.

Real Postfix runs in a mount namespace where /etc/resolv.conf names the test's server. Nobody listens where
the good answers lead to: there the log says that the connection was refused.
"""

import os
import re
import shutil
import smtplib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.dns.reply_filter import ReplyFilter
from pyfix.dns.resolver import DnsResolver
from pyfix.maps.maps import Maps
from tests.dns.conftest import OWN_ADDRESS, NameServer, Records
from tests.real_postfix import SBIN, RealPostfix

PORT = 53
MAIN_CF = """
smtp_tls_security_level =
smtp_connect_timeout = 1s
smtp_randomize_addresses = no
smtp_dns_reply_filter = regexp:{
    {/^Mx\\.[^ ]* [0-9]+ IN MX 10 dropped\\./ IGNORE}, {/127\\.0\\.0\\.66$$/ ignore}, {/unclear/ DROP}}
""".lstrip()
REAL_CF = "inet_protocols = ipv4\nsmtpd_reject_unlisted_recipient = no\nsmtp_dns_support_level = enabled\n"
LONG_CHAIN = {(f"chain{n}.test", "CNAME"): [f"chain{n + 1}.test."] for n in range(20)}

# What is asked for; what the server knows about it.
CASES: dict[str, tuple[str, Records]] = {
    "no such domain": ("nowhere.test", {}),
    "good": ("d.test", {("d.test", "MX"): ["10 good.test."]}),
    "MX servfail": ("d.test", {("d.test", "MX"): "SERVFAIL", ("d.test", "A"): ["127.0.0.9"]}),
    "MX refused": ("d.test", {("d.test", "MX"): "REFUSED"}),
    "MX notimp": ("d.test", {("d.test", "MX"): "NOTIMP"}),
    "MX formerr": ("d.test", {("d.test", "MX"): "FORMERR"}),
    "MX silent": ("d.test", {("d.test", "MX"): "SILENT"}),
    "MX garbage": ("d.test", {("d.test", "MX"): "GARBAGE"}),
    "no MX, address": ("d.test", {("d.test", "A"): ["127.0.0.9"]}),
    "no MX, no address": ("d.test", {("d.test", "TXT"): ["x"]}),
    "no MX, address servfail": ("d.test", {("d.test", "A"): "SERVFAIL"}),
    "no MX, address silent": ("d.test", {("d.test", "A"): "SILENT"}),
    "null MX": ("d.test", {("d.test", "MX"): ["0 ."], ("d.test", "A"): ["127.0.0.9"]}),
    "null MX among others": ("d.test", {("d.test", "MX"): ["0 .", "10 good.test."]}),
    "MX without host": ("d.test", {("d.test", "MX"): ["10 nowhere.test."]}),
    "MX host servfail": ("d.test", {("d.test", "MX"): ["10 h.test."], ("h.test", "A"): "SERVFAIL"}),
    "MX hosts, none and servfail": (
        "d.test", {("d.test", "MX"): ["10 nowhere.test.", "20 h.test."], ("h.test", "A"): "SERVFAIL"},
    ),
    "MX hosts, servfail and none": (
        "d.test", {("d.test", "MX"): ["10 h.test.", "20 nowhere.test."], ("h.test", "A"): "SERVFAIL"},
    ),
    "MX hosts, none and good": ("d.test", {("d.test", "MX"): ["10 nowhere.test.", "20 good.test."]}),
    "MX hosts, servfail and good": (
        "d.test", {("d.test", "MX"): ["10 h.test.", "20 good.test."], ("h.test", "A"): "SERVFAIL"},
    ),
    "MX host is an alias": (
        "d.test", {("d.test", "MX"): ["10 h.test."], ("h.test", "CNAME"): ["good.test."]},
    ),
    "MX host is an alias of nothing": (
        "d.test", {("d.test", "MX"): ["10 h.test."], ("h.test", "CNAME"): ["nowhere.test."]},
    ),
    "MX is numeric": ("d.test", {("d.test", "MX"): ["10 127.0.0.9."]}),
    "MX is numeric or good": ("d.test", {("d.test", "MX"): ["10 127.0.0.9.", "20 good.test."]}),
    "MX is no host name": ("d.test", {("d.test", "MX"): ["10 bad!host.test.", "20 -bad.test."]}),
    "MX host has no use": ("d.test", {("d.test", "MX"): ["10 h.test."], ("h.test", "A"): ["0.0.0.0"]}),
    "MX has an underscore": ("d.test", {("d.test", "MX"): ["10 a_b.test."], ("a_b.test", "A"): ["127.0.0.9"]}),
    "null MX after others": ("d.test", {("d.test", "MX"): ["10 good.test.", "20 ."]}),
    "very many MX": ("d.test", {("d.test", "MX"): ["20 good.test."] + [f"10 h{n}.nowhere.test." for n in range(40)]}),
    "alias of a domain": ("d.test", {("d.test", "CNAME"): ["e.test."], ("e.test", "MX"): ["10 good.test."]}),
    "alias of nothing": ("d.test", {("d.test", "CNAME"): ["nowhere.test."]}),
    "alias of itself": ("d.test", {("d.test", "CNAME"): ["d.test."]}),
    "aliases of each other": ("d.test", {("d.test", "CNAME"): ["e.test."], ("e.test", "CNAME"): ["d.test."]}),
    "long chain of aliases": ("chain0.test", LONG_CHAIN),
    "MX host aliases of each other": (
        "d.test",
        {("d.test", "MX"): ["10 a.test."], ("a.test", "CNAME"): ["b.test."], ("b.test", "CNAME"): ["a.test."]},
    ),
    "cut": ("d.test", {("d.test", "MX"): "CUT"}),
    "cut short": ("d.test", {("d.test", "MX"): "CUT SHORT"}),
    "about another name": ("d.test", {("d.test", "MX"): "OTHER NAME"}),
    "of another type": ("d.test", {("d.test", "MX"): "OTHER TYPE"}),
    "to another question": ("d.test", {("d.test", "MX"): "OTHER QUESTION"}),
    "with another id": ("d.test", {("d.test", "MX"): "OTHER ID"}),
    "domain with underscore": ("a_b.test", {("a_b.test", "MX"): ["10 good.test."]}),
    "host": ("[good.test]", {}),
    "host, none": ("[nowhere.test]", {}),
    "host servfail": ("[h.test]", {("h.test", "A"): "SERVFAIL"}),
    "host has only a MX": ("[h.test]", {("h.test", "MX"): ["10 good.test."]}),
    "host about another name": ("[h.test]", {("h.test", "A"): "OTHER NAME"}),
    "MX dropped": ("mx.d.test", {("mx.d.test", "MX"): ["10 dropped.test."], ("mx.d.test", "A"): ["127.0.0.9"]}),
    "MX dropped, another not": ("mx.d.test", {("mx.d.test", "MX"): ["10 dropped.test.", "20 good.test."]}),
    "MX dropped for another domain": ("d.test", {("d.test", "MX"): ["10 dropped.test.", "20 good.test."]}),
    "address dropped": ("[h.test]", {("h.test", "A"): ["127.0.0.66"]}),
    "address dropped, another not": ("[h.test]", {("h.test", "A"): ["127.0.0.66", "127.0.0.9"]}),
    "no MX, address dropped": ("d.test", {("d.test", "A"): ["127.0.0.66"]}),
    "address of MX dropped": ("d.test", {("d.test", "MX"): ["10 h.test."], ("h.test", "A"): ["127.0.0.66"]}),
    "filter is not understood": ("d.test", {("d.test", "MX"): ["10 unclear.test.", "20 good.test."]}),
    "host of another type": ("[h.test]", {("h.test", "A"): "OTHER TYPE"}),
    "two hosts, none": ("[nowhere.test] [no.test]", {}),
}

# Where real Postfix returns the mail for what may be a passing fault, or believes what nobody asked, ours waits.
TRY_AGAIN = (
    "dsn=4.4.3, status=deferred "
    "(Host or domain name not found. Name service error for name={}: Host not found, try again)"
)
SAFER = {
    "MX formerr": "d.c5.test type=MX",
    "about another name": "d.c37.test type=MX",
    "host about another name": "h.c46.test type=A",
}


def nexthop(case: str) -> str:
    """Names of each case are its own."""
    return _own(case, CASES[case][0])


def _own(case: str, name: str) -> str:
    number = list(CASES).index(case)
    return re.sub(r"(?<!good)\.test\b", f".c{number}.test", name)


def all_records() -> Records:
    records: Records = {("good.test", "A"): ["127.0.0.9"]}
    for case, (_, known) in CASES.items():
        for (name, kind), data in known.items():
            records[_own(case, name), kind] = data if isinstance(data, str) else [_own(case, text) for text in data]
    return records


class Real:
    """A real Postfix that has tried all."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._ids: dict[str, str] = {}
        self._postfix = RealPostfix(top, MAIN_CF + REAL_CF + "transport_maps = texthash:{top}/etc/transport\n", "")
        table = [f"r{number}.test smtp:{nexthop(case)}\n" for number, case in enumerate(CASES)]
        (top / "etc/transport").write_text("".join(table))
        resolv_conf = top / "resolv.conf"
        resolv_conf.write_text(f"nameserver {OWN_ADDRESS}\noptions timeout:1 attempts:1\n")
        self._postfix.start(str(resolv_conf))
        with smtplib.SMTP("127.0.0.1", self._postfix.port, timeout=20) as smtp:
            for number, case in enumerate(CASES):
                smtp.ehlo_or_helo_if_needed()
                smtp.mail("s@a.test")
                smtp.rcpt(f"r@r{number}.test")
                self._ids[case] = smtp.data(b"Subject: t\r\n")[1].decode().rpartition(" ")[2]

    def outcome(self, case: str) -> str:
        end = time.monotonic() + 40
        while time.monotonic() < end:
            found = re.search(rf" postfix/smtp\[\d+\]: {self._ids[case]}: (to=.* status=.*)", self._postfix.log())
            if found:
                return found[1]
            time.sleep(0.05)
        return "nothing"

    def warnings(self, case: str) -> list[str]:
        number = list(CASES).index(case)
        found = re.findall(rf" postfix/smtp\[\d+\]: (warning: .*c{number}\.test.*)", self._postfix.log())
        if case == "filter is not understood":
            found += re.findall(r" postfix/smtp\[\d+\]: (warning: .*DNS filter action.*)", self._postfix.log())
        return sorted(set(found))

    def close(self) -> None:
        self._postfix.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    if os.geteuid() != 0:
        pytest.skip("needs root: port 53")
    server = NameServer(all_records(), OWN_ADDRESS, PORT)
    yield server
    server.close()


@pytest.fixture(scope="module")
def real(server: NameServer) -> Iterator[Real]:
    if not (SBIN / "postfix").exists():
        pytest.skip("postfix is not installed")
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    top = Path(tempfile.mkdtemp(prefix="real-postfix-", dir="/tmp"))
    top.chmod(0o755)
    real = Real(top)
    yield real
    real.close()
    shutil.rmtree(top, ignore_errors=True)


def comparable(line: str) -> str:
    """Without what differs from run to run."""
    return re.sub(r"to=<.*?>|, delay=.*?(?=, dsn=)", "", line)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(" ", "-"))
def test_it_is_as_with_postfix(case: str, client, store, real, server) -> None:
    main = MainCf.from_text(MAIN_CF)
    reply_filter = ReplyFilter(Maps(main.value("smtp_dns_reply_filter"), name="smtp_dns_reply_filter"))
    client.resolver = DnsResolver(f"{OWN_ADDRESS}:{PORT}", timeout=0.6, reply_filter=reply_filter)
    client.deliver(store.put("r@d.test"), nexthop(case), main_cf=MAIN_CF)
    status = store.lines[-1].partition(": ")[2]
    if case in SAFER:
        assert status.endswith(TRY_AGAIN.format(SAFER[case]))
        return
    assert comparable(status) == comparable(real.outcome(case))
    assert sorted({line for line in store.lines if line.startswith("warning: ")}) == real.warnings(case)
