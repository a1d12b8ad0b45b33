"""What is logged of a message whose recipients are not all done: each time that it becomes active it says how many
there were in all, as real Postfix does.
"""

import re
import smtplib
import time

from tests.real_postfix import real_postfix

__all__ = ["real_postfix"]

MAIN_CF = """
transport_maps = inline:{{later.test = retry:4.0.0 y}, {gone.test = error:5.0.0 no}, {away.test = discard:}}
virtual_mailbox_domains =
smtpd_reject_unlisted_recipient = no
"""
MESSAGES = {
    b"one waits": ["a@away.test", "b@later.test", "c@gone.test"],
    b"two wait": ["a@later.test", "a@away.test", "b@later.test"],
}
ACTIVE = re.compile(r"qmgr\[\d+\]: \w+: (from=<s@away\.test>, .*)")


def test_the_number_of_recipients_is_that_of_all(instance, real_postfix) -> None:
    said = []
    for system in (real_postfix(MAIN_CF), instance(MAIN_CF)):
        for subject, recipients in MESSAGES.items():
            with smtplib.SMTP("127.0.0.1", system.port, timeout=20, local_hostname="client.test") as client:
                client.sendmail("s@away.test", recipients, b"Subject: %s\r\n\r\nx\r\n" % subject)
        for tries in (1, 2):
            _wait(system, tries)
            system.command("postqueue", "-f")
        _wait(system, 3)
        said.append(sorted(re.sub("size=.*?,", "", line) for line in ACTIVE.findall(system.log())))
    assert said[0] == said[1]


def _wait(system, tries: int) -> None:
    """Until each recipient that waits has been tried so often, and its message is back in deferred."""
    end = time.monotonic() + 20
    while system.log().count("status=deferred (y)") < 3 * tries or len(_deferred(system)) < len(MESSAGES):
        assert time.monotonic() < end, system.log()
        time.sleep(0.05)


def _deferred(system) -> list[str]:
    return [path.name for path in (system.queue / "deferred").rglob("*") if path.is_file()]
