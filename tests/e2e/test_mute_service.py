"""A service that accepts and says nothing: its clients wait for ipc_timeout, no longer."""

import os
import signal

from tests.e2e.instance import instance, instance_directory
from tests.e2e.talk import Talk

__all__ = ["instance", "instance_directory"]

MAIN_CF = """\
ipc_timeout = 1s
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = discard
"""


def test_a_client_is_told_to_come_again_when_cleanup_does_not_greet(instance) -> None:
    """(Postfix's smtpd ends then, and the client sees that it hangs up.)"""
    mail = instance(main_cf=MAIN_CF, master_cf="cleanup unix n - n - 1 cleanup\n")
    mail.command("sendmail", "-f", "a@demo.test", "b@other.test", stdin="Subject: x\n\nhello\n")
    mail.wait_until(lambda: "removed" in mail.log())
    (pid,) = mail.pids_of("cleanup")
    os.kill(pid, signal.SIGSTOP)  # a new connection waits in its line
    try:
        with Talk(mail.port) as client:
            client.ask("EHLO client.example")
            assert client.ask("MAIL FROM:<a@demo.test>") == (250, "2.1.0 Ok")
            assert client.ask("RCPT TO:<b@other.test>") == (451, "4.3.0 Error: service unavailable")
    finally:
        os.kill(pid, signal.SIGCONT)
    mail.wait_until(lambda: "connect to public/cleanup: Connection timed out" in mail.log())
