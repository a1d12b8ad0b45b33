"""Connections that are kept for the next message: what real Postfix (by scache) and ours say and log of them.

Not compared: a nexthop of several destinations, where ours tries the second one when a kept connection to the first
fails; real Postfix does not.
"""

import re
import smtplib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.delivery.smtp.broken import HANG_UP, Broken
from tests.real_postfix import real_postfix, release

__all__ = ["real_postfix"]

MESSAGES = 3
PATIENCE = 20.0
MAIN_CF = """
smtp_connection_cache_destinations = 127.0.0.1
smtp_connection_cache_time_limit = 30s
smtp_helo_name = client.test
smtp_tls_security_level =
"""
OURS = "smtpd_peername_lookup = no\n" + ("" if release() >= (3, 11) else "smtp_log_tls_feature_status = no\n")
OK = "250 2.0.0 Ok"
GO_ON = "354 go on"
COUNT_LIMIT = "used again once"
MASTER_CF = "once unix - - n - - smtp -o smtp_connection_reuse_count_limit=1\n"
CASES: dict[str, dict[str, str | list[str]]] = {
    "all well": {},
    "greeting 4xx": {"": "421 4.3.2 go away"},
    "greeting hang up": {"": HANG_UP},
    "EHLO 4xx": {"EHLO": "421 4.3.2 go away"},
    "EHLO hang up": {"EHLO": HANG_UP},
    "MAIL 4xx": {"MAIL": [OK, "451 4.3.0 later", OK]},
    "MAIL 5xx": {"MAIL": [OK, "550 5.1.8 no", OK]},
    "MAIL 421": {"MAIL": [OK, "421 4.3.2 shutting down", OK]},
    "MAIL hang up": {"MAIL": [OK, HANG_UP, OK]},
    "RCPT 4xx": {"RCPT": [OK, "450 4.2.0 greylisted", OK]},
    "RCPT 5xx": {"RCPT": [OK, "550 5.1.1 no such user", OK]},
    "RCPT 421": {"RCPT": [OK, "421 4.7.0 too many", OK]},
    "RCPT hang up": {"RCPT": [OK, HANG_UP, OK]},
    "DATA 4xx": {"DATA": [GO_ON, "451 4.3.0 later", GO_ON]},
    "DATA 5xx": {"DATA": [GO_ON, "554 5.5.1 no", GO_ON]},
    "DATA hang up": {"DATA": [GO_ON, HANG_UP, GO_ON]},
    "text 4xx": {".": [OK, "452 4.3.1 disk full", OK]},
    "text 5xx": {".": [OK, "554 5.7.1 spam", OK]},
    "text 421": {".": [OK, "421 4.3.0 shutting down", OK]},
    "text hang up": {".": [OK, HANG_UP, OK]},
    "RSET 4xx": {"RSET": ["451 4.3.0 what", OK]},
    "RSET 421": {"RSET": ["421 4.3.0 no", OK]},
    "RSET hang up": {"RSET": [HANG_UP, OK]},
    "4xx in each": {"RCPT": "450 4.2.0 greylisted"},
    COUNT_LIMIT: {},
    "no pipelining, MAIL 4xx": {"EHLO": "250 broken.test", "MAIL": [OK, "451 4.3.0 later", OK]},
}


def lines_of(mail, case: str) -> list[str]:
    """What it logs of messages to that case's server, sent one after the other."""
    wanted = re.compile(rf"/smtp\[\d+\]: \w+: (to=<r\d@d{list(CASES).index(case)}\.test>.* status=.*)")
    for number in range(MESSAGES):
        with smtplib.SMTP("127.0.0.1", mail.port, timeout=PATIENCE) as client:
            client.sendmail("", [f"r{number}@d{list(CASES).index(case)}.test"], b"Subject: t\r\n\r\nx\r\n")
        end = time.monotonic() + PATIENCE
        while len(found := wanted.findall(mail.log())) <= number:
            assert time.monotonic() < end, mail.log()
            time.sleep(0.02)
    return [re.sub(r"(\]:)\d+|, delay=[\d.]+, delays=[\d./]+|@d\d+\.test", r"\1", line) for line in found]


@pytest.fixture
def both(instance, real_postfix):
    """A real Postfix and ours with a server for each case: (case -> its server) of each, and the two."""
    servers = [{case: Broken(answers) for case, answers in CASES.items()} for _ in range(2)]
    for server in (*servers[0].values(), *servers[1].values()):
        server.__enter__()
    tables = [_transports(some) for some in servers]
    real = real_postfix(main_cf=MAIN_CF + tables[0], master_cf=MASTER_CF)
    mine = instance(main_cf=MAIN_CF + OURS + tables[1], master_cf=MASTER_CF)
    yield (real, servers[0]), (mine, servers[1])
    real.stop()
    mine.stop()
    for server in (*servers[0].values(), *servers[1].values()):
        server.__exit__()


def test_kept_connections_are_used_and_logged_as_postfix_does(both) -> None:
    (real, theirs), (mine, ours) = both
    with ThreadPoolExecutor(2 * len(CASES)) as pool:
        said = pool.map(lambda case: lines_of(mine, case), CASES)
        wanted = pool.map(lambda case: lines_of(real, case), CASES)
        assert dict(zip(CASES, said, strict=True)) == dict(zip(CASES, wanted, strict=True))
    for case in CASES:
        assert _commands(ours[case]) == _commands(theirs[case]), case


def _transports(servers: dict[str, Broken]) -> str:
    services = ["once" if case == COUNT_LIMIT else "smtp" for case in servers]
    where = [f"{service}:[127.0.0.1]:{server.port}" for service, server in zip(services, servers.values(), strict=True)]
    entries = [f"{{d{at}.test = {text}}}" for at, text in enumerate(where)]
    return f"transport_maps = inline:{{ {', '.join(entries)} }}\n"


def _commands(server: Broken) -> list[list[str]]:
    return [[re.sub(r"@d\d+\.test| SIZE=\d+", "", line) for line in session] for session in server.sessions]
