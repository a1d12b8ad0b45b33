"""What an old compatibility_level has the daemons say, as Postfix 3.11.7 does."""

import os
import re

import pytest

from tests.ports import free_port

JAIL = "using backwards-compatible default setting chroot=y"
TLS = "using backwards-compatible default setting smtp_tls_security_level=(empty)"


def told(log: str) -> list[str]:
    """What master says, without names and numbers of its own."""
    lines = re.findall(r"/master\[\d+\]: (.*)", log)
    return [re.sub(r"^.*/master\.cf: line \d+: | -- .*", "", line) for line in lines]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_jails_by_default_are_told_before_the_start_and_after_a_reload(instance):
    mail = instance("compatibility_level = 0", "discard unix - - - - - discard", start=False)
    done = mail.command("postfix", "start", check=True)
    assert JAIL not in done.stderr
    mail.reload()
    mail.wait_until(lambda: mail.log().count(JAIL) == 2)
    assert told(mail.log()) == [JAIL, "daemon started", "reload", JAIL]


@pytest.mark.parametrize(
    ("settings", "program", "times"),
    [
        ("compatibility_level = 3.6", "smtp", 1),
        ("compatibility_level = 3.6\nsmtp_tls_security_level =", "smtp", 0),
        ("compatibility_level = 3.11", "smtp", 0),
        ("compatibility_level = 3.6", "lmtp", 0),
    ],
)
def test_a_client_without_tls_by_default_says_so_once(instance, settings, program, times):
    where = "" if program == "smtp" else "inet:"
    out = f"virtual_transport = {program}:{where}[127.0.0.1]:{free_port()}"
    mail = instance(f"{settings}\n{out}\nsoft_bounce = yes")
    for count in (1, 2):
        with mail.smtp() as client:
            client.sendmail("a@example.com", ["alice@demo.test", "bob@demo.test"], b"Subject: x\r\n\r\nx\r\n")
        mail.wait_until(lambda count=count: mail.log().count("status=deferred") >= 2 * count)
    assert len(re.findall(rf"/{program}\[\d+\]: {re.escape(TLS)}", mail.log())) == times
