"""smtp_in - w1, w2, w3, w5, w6 and the curve over sizes: mail comes in by SMTP and goes somewhere"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from bench.instance import Instance, Missing
from bench.load import Load, send, sink
from bench.workload import Case, Figures, Target, Workload, at_least, at_most

WARM_UP = 100
MUCH = 1_000_000
"""Bytes times recipients from which on a message for each connection warms up."""
DISCARD = {"default_transport": "discard:bench"}
RATE, CPU = "msg/s", "CPU ms/msg"


def through(mail: Instance, load: Load, unit: str = "msg") -> Figures:
    """Warm it up, send, wait for the last delivery."""
    before = _warm_up(mail, load)
    recipients = load.messages * load.recipients
    with mail.section(recipients) as section:
        send(mail.port, load)
        mail.wait_sent(before + recipients)
    mail.wait_empty()
    rate = recipients / section.seconds
    return {f"{unit}/s": rate, f"CPU ms/{unit}": 1000 * section.cpu / recipients, "PSS MB": mail.pss_mb()}


def _warm_up(mail: Instance, load: Load) -> int:
    """Processes are there, caches are full; how many recipients had a message."""
    messages = min(load.messages, max(WARM_UP, load.connections))
    if load.size * load.recipients > MUCH:
        messages = load.connections
    send(mail.port, replace(load, messages=messages))
    mail.wait_sent(messages * load.recipients)
    return messages * load.recipients


def large(mail: Instance, load: Load) -> Figures:
    """The same, in megabytes."""
    figures = through(mail, load)
    return {"MB/s": figures[RATE] * load.size / 1e6, **figures}


def into_maildir(mail: Instance, load: Load) -> Figures:
    """The same, and each message must be a file in the Maildir."""
    figures = through(mail, load)
    if (found := mail.delivered()) != mail.sent():
        raise Missing(f"{mail.kind.name}: {found} files in the Maildir instead of {mail.sent()}")
    return figures


def relayed(mail: Instance, load: Load) -> Figures:
    """The same, and the sink must have seen each message."""
    with sink() as server:
        mail.command("postconf", "-e", f"relayhost=[127.0.0.1]:{server.port}")
        mail.command("postfix", "reload")
        figures = through(mail, load)
    if server.messages not in (None, mail.sent()):
        raise Missing(f"{mail.kind.name}: the sink has {server.messages} messages instead of {mail.sent()}")
    return figures


def _discard(label: str, load: Load, *targets: Target, pairs: int | None = None) -> Case:
    return Case(label, partial(through, load=load), targets, main_cf=DISCARD, pairs=pairs)


W1 = Workload("w1", "SMTP in, discard out, 4 kB", (
    _discard("1 connection", Load(2000), at_least(RATE, 1.3), at_most(CPU, 0.5)),
    _discard("10 connections", Load(3000, 10), at_least(RATE, 2.0), at_most(CPU, 0.5)),
    _discard("40 connections", Load(3000, 40), at_least(RATE, 2.0), at_most(CPU, 0.5)),
))

W2 = Workload("w2", "SMTP in, virtual Maildir out, 4 kB", (
    Case(
        "10 connections",
        partial(into_maildir, load=Load(3000, 10, to="user@bench.test")),
        (at_least(RATE, 1.7), at_most(CPU, 0.6)),
    ),
))

W3 = Workload("w3", "relay: SMTP in, SMTP out to a sink, 4 kB", (
    Case("10 connections", partial(relayed, load=Load(2000, 10)), (at_least(RATE, 1.7), at_most(CPU, 0.6))),
))

W5 = Workload("w5", "1,000 recipients in 100 domains, discard out, 4 kB", (
    Case(
        "2 connections",
        partial(through, load=Load(10, 2, recipients=1000, domains=100), unit="rcpt"),
        (at_least("rcpt/s", 1.5),),
        main_cf=DISCARD,
    ),
))

W6 = Workload("w6", "10 MB messages, discard out", (
    Case(
        "4 connections",
        partial(large, load=Load(40, 4, size=10_000_000)),
        (at_least("MB/s", 1.0), at_most(CPU, 1.0)),
        main_cf={**DISCARD, "message_size_limit": "20000000"},
    ),
))

W1_CURVE = Workload("w1-curve", "cost by message size, 10 connections", (
    _discard("1 kB", Load(2000, 10, size=1_000), pairs=1),
    _discard("10 kB", Load(2000, 10, size=10_000), pairs=1),
    _discard("100 kB", Load(500, 10, size=100_000), pairs=1),
    _discard("1 MB", Load(100, 10, size=1_000_000), pairs=1),
))
