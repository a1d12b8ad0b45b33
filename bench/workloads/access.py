"""access - w10: w1 with tables in smtpd's restrictions that all have to be searched in vain"""

from __future__ import annotations

import smtplib
from functools import partial

from bench.instance import PATIENCE, Instance, Missing
from bench.load import Load
from bench.workload import Case, Figures, Skipped, Workload, at_least, at_most
from bench.workloads.smtp_in import CPU, DISCARD, RATE, through

RESTRICTIONS = (
    "check_client_access cidr:{top}/clients,"
    " check_sender_access lmdb:{top}/senders,"
    " check_recipient_access regexp:{top}/recipients,"
    " permit_mynetworks, reject"
)
LISTED = "user77@listed.example", "spam42.x@d7.test"
"""A sender and a recipient that the tables refuse."""


def tables(mail: Instance) -> None:
    """1,000 networks, 100,000 senders, 200 patterns."""
    networks = (f"10.{n // 250}.{n % 250}.0/24 REJECT\n" for n in range(1000))
    senders = (f"user{n}@listed.example REJECT\n" for n in range(100_000))
    patterns = (f"/^spam{n}\\..*@d[0-9]+\\.test$/ REJECT\n" for n in range(200))
    for name, lines in (("clients", networks), ("senders", senders), ("recipients", patterns)):
        (mail.top / name).write_text("".join(lines))
    try:
        mail.command("postmap", f"lmdb:{mail.top}/senders")
    except Missing as problem:
        raise Skipped(f"no lmdb tables: {problem}") from None


def searched(mail: Instance, load: Load) -> Figures:
    """The tables must refuse what they list; then as w1."""
    sender, recipient = LISTED
    for pair in ((sender, "user@example.org"), ("sender@example.com", recipient)):
        code, reply = _answer(mail, *pair)
        if code == 451:
            raise Skipped(f"smtpd answers {code} {reply}")
        if code != 554:
            raise Missing(f"{mail.kind.name}: a listed address is answered {code} {reply}")
    return through(mail, load)


def _answer(mail: Instance, sender: str, recipient: str) -> tuple[int, str]:
    with smtplib.SMTP("127.0.0.1", mail.port, timeout=PATIENCE) as client:
        client.ehlo()
        client.mail(sender)
        code, reply = client.rcpt(recipient)
        return code, reply.decode()


W10 = Workload("w10", "w1 with 1,000 cidr entries, 100,000 in lmdb, 200 regexps in restrictions", (
    Case(
        "10 connections",
        partial(searched, load=Load(3000, 10)),
        (at_least(RATE, 1.8), at_most(CPU, 0.6)),
        main_cf={**DISCARD, "smtpd_recipient_restrictions": RESTRICTIONS},
        prepare=tables,
    ),
))
