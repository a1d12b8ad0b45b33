"""A wrong export_environment keeps commands from being run for mail, in real Postfix's words."""

import os
import re
import smtplib

import pytest

MAIN_CF = """
alias_maps = inline:{command={"|/bin/true"}}
mydestination = here.test
local_recipient_maps =
virtual_mailbox_domains =
transport_maps = inline:{pipe.test=outside:}
relay_domains = pipe.test
export_environment = TZ {LANG = C
"""
MASTER_CF = """\
local unix - n n - - local
outside unix - n n - - pipe user=games argv=/bin/true
"""
FATAL = re.compile(r"/(pipe|local)\[\d+\]: (fatal: export_environment: .*)")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to become each user")


def send(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20, local_hostname="client.test") as client:
        for recipient in ("x@pipe.test", "command@here.test"):
            client.sendmail("a@a.test", [recipient], b"Subject: t\r\n\r\nx\r\n")


def test_no_command_is_run_with_an_environment_that_nobody_knows(instance, real_postfix) -> None:
    peer = real_postfix(MAIN_CF, MASTER_CF)
    mail = instance(MAIN_CF, MASTER_CF)
    send(peer.port)
    send(mail.port)

    said = "fatal: export_environment: missing '}' in \"{LANG = C\""
    for log in (peer.log, mail.log):
        mail.wait_until(lambda log=log: {*FATAL.findall(log())} == {("pipe", said), ("local", said)})
    mail.wait_until(lambda: len(mail.queued("deferred")) == 2)
    assert "status=sent" not in mail.log()
