"""smtp_in - w1, w2, w3, w5, w6 and the curve over sizes: mail comes in by SMTP and goes somewhere"""

from __future__ import annotations

from functools import partial

from bench.instance import Instance, Missing
from bench.load import Load, send, sink
from bench.workload import Case, Figures, Target, Workload, at_least, at_most

WARM_UP = 100
DISCARD = {"default_transport": "discard:bench"}
RATE, CPU = "msg/s", "CPU ms/msg"


def through(mail: Instance, load: Load) -> Figures:
    """Warm it up, send, wait for the last delivery."""
    warm = max(WARM_UP, load.connections) if load.size * load.recipients < 1_000_000 else load.connections
    send(mail.port, Load(**{**vars(load), "messages": warm}))
    before = warm * load.recipients
    mail.wait_sent(before)
    recipients = load.messages * load.recipients
    with mail.section(load.messages) as section:
        send(mail.port, load)
        mail.wait_sent(before + recipients)
    if left := mail.queued("incoming", "active", "deferred", "corrupt"):
        raise Missing(f"{mail.kind.name}: {left} messages stay in the queue")
    per = 1000 * section.cpu / load.messages
    return {RATE: load.messages / section.seconds, CPU: per, "PSS MB": mail.pss_mb()}


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
