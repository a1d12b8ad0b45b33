"""beside - the same broken servers, met by a real Postfix and by our client, to compare what both do and say

    CASES = {"MAIL 4xx": Case({"MAIL": "451 4.1.8 later"}), ...}
    yield from beside.real(CASES)               # a fixture: a real Postfix that has met all the servers
    beside.compare(name, CASES, client, store, real)

Known differences of 3.7: no tls= in delivery lines.
"""

import os
import re
import shutil
import smtplib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.delivery.smtp.broken import Answers, Broken
from tests.real_postfix import SBIN, RealPostfix

SECONDS = "helo mail rcpt data_init data_xfer data_done rset quit connect"
TIMEOUTS = "".join(f"smtp_{name}_timeout = 1s\n" for name in SECONDS.split())
SMTP_CF = "smtp_helo_name = client.test\nsmtp_tls_security_level =\n" + TIMEOUTS
MAIN_CF = SMTP_CF + SMTP_CF.replace("smtp_", "lmtp_").replace("helo", "lhlo")
REAL_CF = "transport_maps = texthash:{top}/etc/transport\nmaximal_backoff_time = 4000s\n"
PATIENCE = 20
ALSO = re.compile(r"SASL|lookup error|discarding EHLO")
"""Lines of a service of a case's own that name neither message nor server."""
PLAIN = "Subject: test\n\nhello\n"
ORIGIN = {
    "log_client_name": "localhost",
    "log_client_address": "127.0.0.1",
    "log_client_port": "1",
    "log_protocol_name": "ESMTP",
    "log_helo_name": "client.test",
    "log_ident": "QID",
    "rewrite_context": "local",
}


class Case(NamedTuple):
    """answers: of the server; settings: lines of main.cf; sender: of a domain whose mail is thrown away, or empty."""

    answers: Answers
    text: str = PLAIN
    program: str = "smtp"
    settings: str = ""
    sender: str = ""

    def broken(self) -> Broken:
        """Its server, not started."""
        return Broken(self.answers, lmtp=self.program == "lmtp")


Cases = dict[str, Case]


class Real:
    """A real Postfix that has met all the servers. servers: by case."""

    def __init__(self, top: Path, cases: Cases) -> None:
        self._cases = cases
        self.servers = {case: cases[case].broken().__enter__() for case in cases}
        self._ids: dict[str, str] = {}
        services = "".join([_service(domain(case, cases), cases[case]) for case in cases if cases[case].settings])
        self._postfix = RealPostfix(top, MAIN_CF + REAL_CF, services)
        table = {domain(case, cases): self._nexthop(case) for case in cases} | {"discard.test": "discard:"}
        (top / "etc/transport").write_text("".join(f"{key} {value}\n" for key, value in table.items()))
        self._postfix.start()
        with smtplib.SMTP("127.0.0.1", self._postfix.port, timeout=PATIENCE) as smtp:
            smtp.ehlo("client.test")
            for case in cases:
                self._ids[case] = self._submit(smtp, case)

    def _nexthop(self, case: str) -> str:
        transport = domain(case, self._cases) if self._cases[case].settings else self._cases[case].program
        return f"{transport}:{nexthop(self._cases[case], self.servers[case].port)}"

    def _submit(self, smtp: smtplib.SMTP, case: str) -> str:
        text = self._cases[case].text
        smtp.mail(self._cases[case].sender, ["BODY=8BITMIME"] if not text.isascii() else [])
        for number in range(3):
            smtp.rcpt(f"r{number}@{domain(case, self._cases)}")
        _, answer = smtp.data(text.replace("\n", "\r\n").encode())
        return answer.decode().rpartition(" ")[2]

    def lines(self, case: str) -> list[str]:
        """What it logs about the message to that case's server."""
        end = time.monotonic() + PATIENCE
        mine = re.compile(rf"{self._ids[case]}: |127\.0\.0\.1\]:{self.servers[case].port}")
        while time.monotonic() < end:
            found = re.findall(r" postfix/(?:d\d+.test/)?[sl]mtp\[(\d+)\]: (.*)", self._postfix.log())
            pids = {pid for pid, line in found if self._cases[case].settings and mine.search(line)}
            lines = [line for pid, line in found if mine.search(line) or (pid in pids and ALSO.search(line))]
            if sum(" status=" in line for line in lines) >= 3:
                return lines
            time.sleep(0.02)
        return []

    def close(self) -> None:
        self._postfix.stop()
        for server in self.servers.values():
            server.__exit__()


def domain(case: str, cases: Cases) -> str:
    """The domain whose mail goes to that case's server."""
    return f"d{list(cases).index(case)}.test"


def nexthop(case: Case, port: int) -> str:
    """Where its server is."""
    return f"inet:127.0.0.1:{port}" if case.program == "lmtp" else f"[127.0.0.1]:{port}"


def _service(name: str, case: Case) -> str:
    """A service of its own, for a case with settings."""
    options = "".join([f" -o {{ {line} }}" for line in case.settings.splitlines()])
    return f"{name} unix - - n - - {case.program}{options}\n"


def real(cases: Cases) -> Iterator[Real]:
    """For a fixture of a module."""
    if os.geteuid() != 0:
        pytest.skip("real Postfix needs root")
    if not (SBIN / "postfix").exists():
        pytest.skip("postfix is not installed")
    top = Path(tempfile.mkdtemp(prefix="real-postfix-", dir="/tmp"))
    top.chmod(0o755)
    real = Real(top, cases)
    yield real
    real.close()
    shutil.rmtree(top, ignore_errors=True)


def comparable(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run."""
    lines = [line for line in lines if "to prevent loss of mail" not in line]
    changes = (
        (r"^(warning: |)[0-9A-F]{6,}: ", r"\1QID: "),
        (r"@\w+.test>", ">"),
        (r"(\]:)\d+", r"\1PORT"),
        (r", delay=.*?(?=, dsn=)", ""),
        (r"message size \d+", "message size N"),
        ("disable_esmtp delay_dotcrlf", "disable_esmtp, delay_dotcrlf"),  # before 3.8
    )
    for pattern, text in changes:
        lines = [re.sub(pattern, text, line) for line in lines]
    return [line[:1500] for line in lines]  # Postfix cuts lines at 2000


def commands(server: Broken) -> list[list[str]]:
    """What each session said, without what differs from run to run."""
    changing = r"SIZE=\d+|@\w+.test| ORCPT=\S+|(?<= PORT=)\d+|(?<= IDENT=)\w+"
    found = [[re.sub(changing, "", line) for line in session] for session in server.sessions]
    return [[line for line in session if line] for session in found]


def text_of(server: Broken) -> list[bytes]:
    """The text, without what cleanup puts in front and behind."""
    texts = [text[max(text.find(b"Subject: "), 0) :] for text in server.texts]
    return [re.sub(rb"(?m)^(Message-Id: |Date: |From: MAILER).*\r\n", b"", text) for text in texts]


def deliver(case: Case, client, store) -> Broken:
    """Our client's meeting with the case's server."""
    with case.broken() as server:
        content = case.text.encode().split(b"\n")[:-1]
        queue_id = store.put("r0@d.test", "r1@d.test", "r2@d.test", sender=case.sender, content=content)
        encoding = "" if case.text.isascii() else "8bit"
        main_cf = f"{MAIN_CF}{case.settings}\n"
        where = nexthop(case, server.port)
        client.deliver(queue_id, where, main_cf=main_cf, program=case.program, encoding=encoding, **ORIGIN)
    return server


def compare(
    name: str, case: Case, client, store, real: Real, change: Callable[[str], str] = str, *, dialog: bool = True
) -> None:
    """Same outcome, same words, same text and, with dialog, same commands. change: of lines before that."""
    server = deliver(case, client, store)
    other = real.servers[name]
    assert [change(line) for line in comparable(store.lines)] == [
        change(line) for line in comparable(real.lines(name))
    ]
    assert text_of(server) == text_of(other)
    if dialog:
        assert [list(map(change, session)) for session in commands(server)] == [
            list(map(change, session)) for session in commands(other)
        ]
