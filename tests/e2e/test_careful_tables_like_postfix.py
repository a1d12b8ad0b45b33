"""What parameters do not take from a table: parts of the key in its values, and answers of others.

Each parameter has a table of its own. Compared is what real Postfix and we say of these tables, and what
becomes of mail that needs them.
"""

import os
import re
import smtplib
import time
from pathlib import Path

import pytest

from tests.asked import Asked, asked
from tests.real_postfix import real_postfix, version

__all__ = ["real_postfix"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to become each recipient")

PATIENCE = 20.0
TABLES = [
    "alias_maps", "mailbox_command_maps", "mailbox_transport_maps", "fallback_transport_maps",
    "virtual_mailbox_maps", "virtual_uid_maps", "virtual_gid_maps",
    "transport_maps", "relocated_maps", "sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps",
    "canonical_maps", "sender_canonical_maps", "recipient_canonical_maps", "virtual_alias_maps", "sender_bcc_maps",
    "recipient_bcc_maps", "smtp_generic_maps", "smtp_tls_policy_maps", "local_recipient_maps", "relay_recipient_maps",
    "smtpd_discard_ehlo_keyword_address_maps", "virtual_alias_domains", "relay_domains", "smtp_pix_workaround_maps",
    "smtp_discard_ehlo_keyword_address_maps", "access_client", "access_sender", "access_recipient",
    "smtp_reply_filter", "smtp_dns_reply_filter", "rbl_reply_maps", "default_delivery_status_filter",
]  # fmt: skip
MAIN_CF = """
myorigin = origin.test
myhostname = mail.local.test
mydestination = local.test
virtual_mailbox_domains = virtual.test
virtual_mailbox_base = {top}
inet_protocols = ipv4
smtp_tls_security_level = may
mail_spool_directory = {top}
smtpd_reject_unlisted_recipient = no
default_transport = smtp:[127.0.0.1]:1
proxy_read_maps = {proxied}
smtpd_client_restrictions = check_client_access {access_client}
smtpd_sender_restrictions = check_sender_access {access_sender}
smtpd_recipient_restrictions = check_recipient_access {access_recipient}
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
"""
LATE = re.compile(r"mailbox_command_maps(\.cf)? map is|fallback_transport_maps")
"""Not opened before they are needed: by us, they are."""
RULES = "/^never (.*)/ $1\n/^(never) $2/ x$$1\n/^n(ei)ther$/ ei\n!/./ none\n"
KINDS = ["pcre", "unionmap", "proxy:regexp", "tcp", "socketmap", "memcache"]
RECIPIENTS = ["games@local.test", "nobody@local.test", "user@virtual.test", "u@elsewhere.test", "neither@local.test"]


def specs(kind: str, top: Path, server: Asked) -> dict[str, str]:
    """A table of the kind for each parameter."""
    make = {
        "memcache": lambda name: server.memcache(top, name),
        "tcp": lambda _: server.tcp(),
        "socketmap": server.socketmap,
        "unionmap": lambda name: f"unionmap:{{regexp:{top}/{name}}}",
    }.get(kind, lambda name: f"{kind}:{top}/{name}")
    for name in TABLES:
        (top / name).write_text(RULES)
        (top / name).chmod(0o644)
    return {name: make(name) for name in TABLES}


def outcomes(mail) -> dict[str, str]:
    """What becomes of mail to each recipient."""
    found = {}
    for recipient in RECIPIENTS:
        with smtplib.SMTP("127.0.0.1", mail.port, timeout=PATIENCE) as client:
            client.ehlo("client.test")
            client.mail("s@sender.test")
            found[recipient] = repr(client.rcpt(recipient))
            client.data(b"Subject: x\r\n\r\nx\r\n")
    for recipient in RECIPIENTS:
        end = time.monotonic() + PATIENCE
        while not (done := re.search(rf"to=<{recipient}>,.*?(dsn=.*)\n", mail.log())):
            assert time.monotonic() < end, mail.log()
            time.sleep(0.05)
        found[recipient] += re.sub("delivery temporarily suspended: |(?<=forwarded as )[0-9A-F]+", "", done[1])
    return found


def told(log: str, top: Path) -> list[str]:
    """What is said of tables. The reason of a failed lookup is real Postfix's last error, whatever that was."""
    lines = re.findall(r"postfix/([\w-]+)\[\d+\]: ((?:warning|error|fatal): .*)", log)
    if version() < (3, 11):  # its proxymap does not care
        lines = [(program, line) for program, line in lines if program != "proxymap"]
    found = {f"{program} {line}".replace(str(top), "") for program, line in lines if not LATE.search(line)}
    return sorted({re.sub(r"127\.0\.0\.1:\d+|(?<=: lookup user@virtual.test: ).*", "#", line) for line in found})


@pytest.mark.parametrize("kind", KINDS)
def test_tables_are_refused_where_postfix_refuses_them(
    kind: str, instance, real_postfix, instance_directory: Path
) -> None:
    outcome, said = [], []
    for make in (real_postfix, instance):
        top = instance_directory / f"tables{len(said)}"
        top.mkdir()
        top.chmod(0o755)
        with asked() as server:
            tables = specs(kind, top, server)
            proxied = " ".join([spec for spec in tables.values() if spec.startswith("proxy:")])
            settings = MAIN_CF.format(top=top, proxied=proxied, **tables)
            lines = [f"{name} = {spec}\n" for name, spec in tables.items() if not name.startswith("access_")]
            mail = make(settings + "".join(lines))
            outcome.append(outcomes(mail))
            mail.stop()  # and with it, each daemon's last lines are written
            said.append(told(mail.log(), top))
    assert outcome[1] == outcome[0]
    assert said[1] == said[0]
    assert said[0] or "proxy" in kind
